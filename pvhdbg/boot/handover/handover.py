"""A handover: all that a guest finds at its entry.

A Handover says nothing about its origin. `from_profile` makes one from a VMM's profile; what makes one from something
else, such as a recording, is a HandoverSource too, and goes into EntryChanges (pvhdbg.boot.run.entry_changes).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from pvhdbg.boot.record.document import LostWrite, VmmFacts
from pvhdbg.named_tuple import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable

    from pvhdbg.boot.stop.capture import Capture
    from pvhdbg.boot.stop.ranges import AddressRange
    from pvhdbg.image.facts import ImageFacts
    from pvhdbg.target.absent import AbsentMemory
    from pvhdbg.target.base import Target
    from pvhdbg.vmm_profiles.cpu_state import CpuState
    from pvhdbg.vmm_profiles.profile import Placed


END_OF_4_GIB = (0xFFFFF000, 1 << 32)
"""Where QEMU has its firmware, and no VMM has RAM. A guest that pushes while ESP is 0 writes there."""


class Move(NamedTuple):
    """Bytes that the guest already has, at another physical address. The two ranges may overlap."""

    source: int
    paddr: int
    size: int


class Handover(NamedTuple):
    """What to hand over, in the order in which it is done: first each move, then the clearing, then the bytes.

    All addresses are physical and below 4 GiB. `cleared` is filled with zeros; leave out what the guest needs, such as
    its kernel and the destinations of the moves. `cpu` has all registers, EBX too, except RIP, which stays the entry.
    `absent` is memory that the VMM does not have, although QEMU does: the guest loses what it writes there.
    """

    moves: tuple[Move, ...]
    cleared: tuple[AddressRange, ...]
    placed: tuple[Placed, ...]
    cpu: CpuState
    absent: AddressRange | None = None


class HandedOver(NamedTuple):
    """A handover that was made. `origin` is what the recording says about it; `absent` is the memory that is hidden."""

    handover: Handover
    origin: VmmFacts
    absent: AbsentMemory | None = None

    def facts(self, name_of: Callable[[int], str | None]) -> VmmFacts:
        """Return what the recording says about it by now. `name_of` returns an address as symbol+offset."""
        first = self.absent.first if self.absent else None
        return self.origin if first is None else self.origin._replace(lost_write=LostWrite(*first, name_of(first.rip)))


class HandoverSource(Protocol):
    """Makes a handover when the guest is at its entry."""

    @property
    def facts(self) -> VmmFacts:
        """What the recording says about the handover."""
        ...

    def handover(self, target: Target, entry: Capture, image: ImageFacts | None) -> Handover:
        """Return what to hand over. `entry` is the capture of the entry, as QEMU's firmware left it.

        :raise UserError: if this handover is not possible for this boot.
        """
        ...
