"""A death that the model foresees before xen_prepare_pvh returns."""

from __future__ import annotations

from typing import NamedTuple

BUG, PAGE_FAULT, OVERRUN = "bug", "page-fault", "overrun"


class PredictedDeath(NamedTuple):
    """Why the guest should not return from xen_prepare_pvh.

    `kind` is BUG (a `ud2`), PAGE_FAULT, or OVERRUN where the map runs over the stack. `field` is the path of what is to
    blame. It is not `certain` where it depends on what the compiler made of the function.
    """

    kind: str
    why: str
    field: str
    certain: bool = True


class Dies(Exception):
    """A verdict on the guest that ends the model's way through the kernel's code."""

    def __init__(self, kind: str, why: str, field: str) -> None:
        super().__init__(why)
        self.death = PredictedDeath(kind, why, field)
