"""Where things are at one stop: symbols, pointers and RIP as physical addresses."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from pvhdbg.abi.cpu import cpu_mode
from pvhdbg.abi.text import printable
from pvhdbg.boot.stop.capture import IDENTITY, KERNEL, PHYSICAL, Capture
from pvhdbg.boot.stop.paging import Paging, walk
from pvhdbg.errors import RegisterUnavailable, TargetError
from pvhdbg.image.facts import ImageFacts
from pvhdbg.target.base import Target


class Addresses:
    """Translations at one stop: by the page tables, and of symbols by the image's segments where there is an image.

    A symbol's page may not be mapped yet, but its segment was loaded; a low address, on the other hand, is never a link
    address, though per-CPU data is linked at 0.
    """

    def __init__(self, target: Target, registers: Mapping[str, int | None], image: ImageFacts | None) -> None:
        self._target = target
        self._registers = registers
        self._image = image

    def symbol(self, name: str) -> int:
        """The physical address of a symbol.

        :raise SymbolMissing: if there is none.
        :raise TargetError: if its address is mapped nowhere.
        """
        link = self._target.symbol(name)
        by_segment = self._image.physical(link) if self._image else None
        return self.physical(link) if by_segment is None else by_segment

    def pointer(self, name: str) -> int:
        """The physical address that the pointer variable `name` leads to."""
        size = 4 if self._image and self._image.elf_class == 32 else 8
        raw = self._target.read_phys(self.symbol(name), size)
        return self.physical(int.from_bytes(raw, "little"))

    def return_address(self) -> int:
        """The address on top of the stack, as it is at a function's first instruction; it has the image's word size."""
        size = 4 if self._image and self._image.elf_class == 32 else 8
        rsp = self._known("rsp")
        return int.from_bytes(self._target.read_phys(self.physical(rsp), size), "little")

    def physical(self, vaddr: int) -> int:
        """The physical address of a virtual one.

        :raise TargetError: if it is mapped nowhere.
        """
        found = walk(self._target.read_phys, self._paging(), vaddr).paddr
        if found is None:
            raise TargetError(f"{vaddr:#x} is not mapped")
        return found

    def rip(self) -> int:
        """RIP as a physical address."""
        rip = linear_address(self._known("rip"), self._registers)
        return rip if self.kind() in (PHYSICAL, IDENTITY) else self.physical(rip)

    def kind(self) -> str:
        """Which kind of address RIP is: physical (paging off), identity (mapped to itself) or kernel."""
        rip = linear_address(self._known("rip"), self._registers)
        if not self._paging().on:
            return PHYSICAL
        if self._image and self._image.linked(rip) is not None:
            return IDENTITY
        return IDENTITY if self.physical(rip) == rip else KERNEL

    def _known(self, name: str) -> int:
        value = self._registers.get(name)
        if value is None:
            raise RegisterUnavailable(name, f"{name} is not known")
        return value

    def _paging(self) -> Paging:
        return Paging(*(self._known(name) for name in ("cr0", "cr3", "cr4", "efer")))


def location_suffix(rip: int | None, symbol: str | None, word: str = " at ") -> str:
    """` at 0xffffffff8305a1ff xen_prepare_pvh+0x12`, to be read; the empty string where RIP is not known."""
    return "" if rip is None else f"{word}{rip:#x}" + (f" {printable(symbol)}" if symbol else "")


def linear_address(rip: int, registers: Mapping[str, int | None]) -> int:
    """RIP behind the base of its segment, which counts in all but 64-bit code: at a reset, 0xfff0 is 0xfffffff0."""
    base = registers.get("cs.base")
    if not base or cpu_mode(registers) == "long64":
        return rip
    return (base + rip) & 0xFFFFFFFF


def code_paddr(seen: Capture, image: ImageFacts | None, rip: int | None = None) -> int | None:
    """The physical address of the code at a stop's RIP, or at another one there; null where it is not known."""
    rip = seen.rip if rip is None else rip
    if rip is None:
        return None
    if seen.address_kind != KERNEL:
        return linear_address(rip, seen.registers)
    return image.physical(rip) if image else None


def symbol_at(name_at: Callable[[int], tuple[str, int] | None], image: ImageFacts | None, rip: int) -> str | None:
    """`symbol+0x12` of the code at `rip`, wherever of its aliases it runs; null where no symbol is known."""
    linked = image.linked(rip) if image else None
    found = name_at(rip if linked is None else linked)
    if found is None:
        return None
    name, offset = found
    return f"{name}+{offset:#x}" if offset else name
