"""A death that the model predicts before xen_prepare_pvh returns."""

from __future__ import annotations

from pvhdbg.named_tuple import NamedTuple

BUG, PAGE_FAULT, OVERRUN = "bug", "page-fault", "overrun"


class PredictedDeath(NamedTuple):
    """Why the guest is expected to die before xen_prepare_pvh returns.

    `kind` is BUG (a `ud2`), PAGE_FAULT, or OVERRUN (the map overwrites the stack or its canary). `field` is the path of
    the field at fault. `certain` is false if the death depends on the code that the compiler generated.
    """

    kind: str
    why: str
    field: str
    certain: bool = True


class DeathPredicted(Exception):
    """Raised by the model at the point of the kernel's code at which the guest dies."""

    def __init__(self, kind: str, why: str, field: str) -> None:
        super().__init__(why)
        self.death = PredictedDeath(kind, why, field)
