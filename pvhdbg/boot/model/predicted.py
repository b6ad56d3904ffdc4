"""A death that the model predicts before xen_prepare_pvh returns."""

from __future__ import annotations

from typing import NamedTuple

BUG, PAGE_FAULT, OVERRUN = "bug", "page-fault", "overrun"


class PredictedDeath(NamedTuple):
    """Why the guest should not return from xen_prepare_pvh.

    `kind` is BUG (a `ud2`), PAGE_FAULT, or OVERRUN (the map overwrites the stack or its canary). `field` is the path of
    the field at fault. The death is not `certain` if it depends on how the compiler built the function.
    """

    kind: str
    why: str
    field: str
    certain: bool = True


class DeathPredicted(Exception):
    """Ends the model's run through the kernel's code: the guest dies there."""

    def __init__(self, kind: str, why: str, field: str) -> None:
        super().__init__(why)
        self.death = PredictedDeath(kind, why, field)
