"""The physical addresses of symbols, pointers and RIP at one stop."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress

from pvhdbg.abi.cpu import EFER_LMA, cpu_mode
from pvhdbg.abi.paging import Paging, walk
from pvhdbg.abi.text import printable
from pvhdbg.boot.stop.capture import IDENTITY, KERNEL, PHYSICAL, Capture
from pvhdbg.errors import RegisterUnavailable, TargetError
from pvhdbg.image.facts import ImageFacts
from pvhdbg.target.base import Target

_PAGE = 0x1000


def paging_registers(target: Target) -> dict[str, int]:
    """Return the registers for address translation, without those that the gdb stub does not provide."""
    registers = {}
    for name in ("rip", "rsp", "cr0", "cr3", "cr4", "efer"):
        with suppress(RegisterUnavailable):
            registers[name] = target.register(name)
    return registers


class Addresses:
    """Address translation at one stop, with the page tables or with the image's segments.

    Symbols are translated with the segments if possible, because a symbol's page may not be mapped yet although its
    segment is loaded. Pointers are translated only with the page tables: per-CPU data is linked at 0, so a segment
    seems to contain every low address.
    """

    def __init__(self, target: Target, registers: Mapping[str, int | None], image: ImageFacts | None) -> None:
        self._target = target
        self._registers = registers
        self._image = image

    def symbol(self, name: str) -> int:
        """Return the physical address of a symbol.

        :raise SymbolMissing: if there is no such symbol.
        :raise TargetError: if the symbol's address is not mapped.
        """
        link = self._target.symbol(name)
        by_segment = self._image.to_paddr(link) if self._image else None
        return self.physical(link) if by_segment is None else by_segment

    def pointer(self, name: str, size: int = 0) -> int:
        """Return the physical address that the pointer variable `name` points to. It has `size` bytes, if not 0."""
        own_size = 4 if self._image and self._image.elf_class == 32 else 8
        raw = self._target.read_phys(self.symbol(name), size or own_size)
        return self.physical(int.from_bytes(raw, "little"))

    def return_address(self) -> int:
        """Return the address on top of the stack: at a function's first instruction, its virtual return address."""
        raw = self._target.read_phys(self.physical(self._known("rsp")), self.word_size())
        return int.from_bytes(raw, "little")

    def word_size(self) -> int:
        """Return the size of an address on the stack: 4 bytes in a 32-bit image, unless the CPU is in long mode."""
        is_long = bool((self._registers.get("efer") or 0) & EFER_LMA)
        return 4 if self._image and self._image.elf_class == 32 and not is_long else 8

    def physical(self, vaddr: int) -> int:
        """Translate a virtual address with the page tables.

        :raise TargetError: if the address is not mapped.
        """
        paddr = walk(self._target.read_phys, self._paging(), vaddr).paddr
        if paddr is None:
            raise TargetError(f"{vaddr:#x}: not mapped")
        return paddr

    def blocks(self, vaddr: int, size: int) -> list[tuple[int, int]]:
        """Return the physical blocks (address, size) that `size` bytes of kernel memory at `vaddr` are in.

        :raise TargetError: if any of the bytes is not mapped.
        """
        blocks: list[tuple[int, int]] = []
        for page in range(vaddr - vaddr % _PAGE, vaddr + size, _PAGE):
            start, end = max(page, vaddr), min(page + _PAGE, vaddr + size)
            linked = linked_physical(self._image, start)
            paddr = self.physical(start) if linked is None else linked
            if blocks and sum(blocks[-1]) == paddr:
                blocks[-1] = (blocks[-1][0], blocks[-1][1] + end - start)
            else:
                blocks.append((paddr, end - start))
        return blocks

    def rip(self) -> int:
        """Return RIP as a physical address."""
        rip = linear_address(self._known("rip"), self._registers)
        return rip if self.kind() in (PHYSICAL, IDENTITY) else self.physical(rip)

    def kind(self) -> str:
        """Return what kind of address RIP has: physical (paging is off), identity (mapped to itself) or kernel."""
        rip = linear_address(self._known("rip"), self._registers)
        if not self._paging().on:
            return PHYSICAL
        if self._image and self._image.to_vaddr(rip) is not None:
            return IDENTITY
        return IDENTITY if self.physical(rip) == rip else KERNEL

    def _known(self, name: str) -> int:
        value = self._registers.get(name)
        if value is None:
            raise RegisterUnavailable(name, f"{name}: not available")
        return value

    def _paging(self) -> Paging:
        return Paging(*(self._known(name) for name in ("cr0", "cr3", "cr4", "efer")))


def linked_physical(image: ImageFacts | None, address: int) -> int | None:
    """Return the physical address at which the kernel's link address `address` is loaded; None for other addresses.

    Low addresses are never link addresses here, although per-CPU data is linked at 0: users mean physical memory.
    """
    for segment in image.segments if image else ():
        if segment.paddr < segment.vaddr <= address < segment.vaddr + segment.memsz:
            return address - segment.vaddr + segment.paddr
    return None


def location_suffix(rip: int | None, symbol: str | None, preposition: str = " at ") -> str:
    """Return ` at 0xffffffff8305a1ff xen_prepare_pvh+0x12`, safe to print; an empty string if RIP is not known."""
    return "" if rip is None else f"{preposition}{rip:#x}" + (f" {printable(symbol)}" if symbol else "")


def linear_address(rip: int, registers: Mapping[str, int | None]) -> int:
    """Add the base of CS to RIP: after a reset, 0xfff0 becomes 0xfffffff0. 64-bit code ignores the base."""
    base = registers.get("cs.base")
    if not base or cpu_mode(registers) == "long64":
        return rip
    return (base + rip) & 0xFFFFFFFF


def code_paddr(capture: Capture, image: ImageFacts | None, rip: int | None = None) -> int | None:
    """Return the physical address of the code at `rip`, by default the RIP of the capture; None if not known."""
    rip = capture.rip if rip is None else rip
    if rip is None:
        return None
    if capture.address_kind != KERNEL:
        return linear_address(rip, capture.registers)
    return image.to_paddr(rip) if image else None


def symbol_at(name_at: Callable[[int], tuple[str, int] | None], image: ImageFacts | None, rip: int) -> str | None:
    """Return `symbol+0x12` for `rip`; None if no symbol is known.

    `rip` may be a link address or a physical address. `name_at` returns the symbol that contains a link address, and
    the offset in that symbol.
    """
    linked = image.to_vaddr(rip) if image else None
    symbol = name_at((rip if linked is None else linked) - (image.moved_by if image else 0))
    if symbol is None:
        return None
    name, offset = symbol
    return f"{name}+{offset:#x}" if offset else name
