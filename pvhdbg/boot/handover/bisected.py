"""The result of a search for the difference between two handovers that kills a kernel."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pvhdbg.named_tuple import NamedTuple

if TYPE_CHECKING:
    from pvhdbg.boot.handover.differences import Difference
    from pvhdbg.boot.record.document import Document, LostWrite, Outcome


class End(NamedTuple):
    """How a kernel ended with a handover. `name` is that of the VMM, or the path of the recording."""

    name: str
    run: Document
    has_failed: bool

    @property
    def outcome(self) -> Outcome:
        return self.run.outcome

    @property
    def lost_write(self) -> LostWrite | None:
        """What the guest wrote where the VMM has no memory, which is a failure too; None if it did not."""
        return self.run.machine.vmm.lost_write if self.run.machine.vmm else None


class Bisected(NamedTuple):
    """The ends with both handovers, and the differences from the first to the second, with which the kernel failed.

    If the kernel worked with both, or failed with both, there is no search: `cause` is None. Otherwise `cause` has the
    differences with which alone it fails. `is_smallest` is whether it works without any one of these; it is not set if
    the search ended early. `boots` is how often the kernel was booted.
    """

    first: End
    second: End
    boots: int
    differences: tuple[Difference, ...] = ()
    cause: tuple[Difference, ...] | None = None
    is_smallest: bool = False
