"""Memory that the machine has, but that the guest must not find: what the guest writes there is lost."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pvhdbg.abi.cpu import CR0_PG
from pvhdbg.named_tuple import NamedTuple

if TYPE_CHECKING:
    from pvhdbg.target.base import WritableTarget

_WORD = 4


class LostWrite(NamedTuple):
    """A write that was lost: `data` is what the guest wrote to `paddr`, `rip` the address of the next instruction."""

    paddr: int
    data: bytes
    rip: int


class AbsentMemory:
    """A range of physical addresses that keeps its bytes. `first` is the first write that was lost.

    A Runner calls `lose_write` after each instruction that has written to the range. Paging ends that: a watchpoint is
    on linear addresses.
    """

    def __init__(self, target: WritableTarget, start: int, end: int) -> None:
        self.start, self.size = start, end - start
        self.first: LostWrite | None = None
        self._target = target
        self._kept = target.read_phys(start, self.size)

    @property
    def is_hidden(self) -> bool:
        """Whether the linear addresses of the range are its physical addresses."""
        return not self._target.register("cr0") & CR0_PG

    def lose_write(self) -> None:
        written = self._target.read_phys(self.start, self.size)
        self._target.write_phys(self.start, self._kept)
        changed = [at for at in range(0, self.size, _WORD) if written[at : at + _WORD] != self._kept[at : at + _WORD]]
        if self.first is None and changed:
            data = written[changed[0] : changed[-1] + _WORD]
            self.first = LostWrite(self.start + changed[0], data, self._target.register("rip"))
