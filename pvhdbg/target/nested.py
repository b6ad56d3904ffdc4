"""The memory of a guest whose hypervisor (Xen) itself runs in QEMU: find AMD's nested page tables, and walk them.

QEMU's gdb stub shows the registers of the guest that runs, but the memory of the machine, which belongs to the
hypervisor. Neither the stub nor the monitor shows the address of the nested page tables, so pvhdbg searches memory for
it: VMRUN stores the address of the running guest's VMCB, in RAX, in the host save area.

Other guests can enable SVM too, and can write what looks like these structures. pvhdbg looks for them only where Xen
may run, and uses only a save area whose page tables map Xen's VMRUN instruction. If the machine's own memory has the
page tables that map the current instruction, the guest is not nested.

Source: AMD APM volume 2, chapter 15 and appendix B; Xen xen/arch/x86/include/asm/config.h (the hypervisor's addresses).
"""

from __future__ import annotations

import time
from itertools import islice
from typing import TYPE_CHECKING

from pvhdbg.abi.cpu import CR0_PG, CR4_PAE, EFER_LMA, EFER_SVME
from pvhdbg.abi.paging import Paging, walk
from pvhdbg.errors import MemoryUnreadable
from pvhdbg.named_tuple import NamedTuple
from pvhdbg.target.block_cache import split
from pvhdbg.target.monitor import parse_regions

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from pvhdbg.target.monitor import Monitor

    Ranges = Sequence[tuple[int, int]]
    Read = Callable[[Ranges], Sequence[bytes | None]]

PAGE = 0x1000
XEN = range(0xFFFF_82D0_0000_0000, 0xFFFF_82D1_0000_0000)
"""The virtual addresses of Xen's code. 64-bit guests leave them to a hypervisor."""
IN_XEN = "the CPU executes Xen, not the kernel"
WHY_UNKNOWN = "the CPU executes Xen, and pvhdbg finds only some of the guest's registers in Xen's memory"

_INTERCEPTS, _ASID, _NESTED_CONTROL, _NESTED_CR3, _SAVED_EFER, _SAVED_RAX = 0x10, 0x58, 0x90, 0xB0, 0x4D0, 0x5F8
"""Offsets in a VMCB. A host save area has the layout of its second part, the state save area."""
_SAVED = {
    "efer": 0x4D0,
    "cr4": 0x548,
    "cr3": 0x550,
    "cr0": 0x558,
    "eflags": 0x570,
    "rip": 0x578,
    "rsp": 0x5D8,
    "rax": 0x5F8,
    "cr2": 0x640,
}
"""Offsets of the guest's registers in a VMCB. VMRUN leaves the other general registers to the hypervisor."""
_VMRUN_INTERCEPTED, _NESTED_PAGING = 1, 1

_VMRUN = bytes.fromhex("0f01d8")
PAGING = ("cr0", "cr3", "cr4", "efer")
"""The registers that select how the CPU translates addresses, in the order of Paging."""

_BATCH = 512
_LONGEST_SEARCH = 0.5
_FIRST_BATCHES = 8
"""The end of RAM is searched at each stop: Xen 4.17 has the save area in one of the last 700 pages. The rest is
searched for a limited time if it is not known that the machine runs Xen; the next stop continues there.
"""
_MOST_PAGES = 1 << 17
"""How many pages to search, from the end of RAM. Xen allocates both structures there."""


class Vmcb(NamedTuple):
    """A running guest's virtual machine control block: its physical address, and that of the nested page tables."""

    paddr: int
    nested_cr3: int


def in_hypervisor(registers: Mapping[str, int]) -> bool:
    """Return whether the CPU executes the hypervisor, not a guest. Xen as a guest does not enable SVM."""
    return bool(registers.get("efer", 0) & EFER_SVME) and registers.get("rip", 0) in XEN


def ram(monitor: Monitor) -> Ranges:
    """Return the machine's RAM as (start, end) ranges, from QEMU's monitor."""
    return [(region.start, region.end) for region in parse_regions(monitor("info mtree -f")) if region.kind == "ram"]


class NestedMemory:
    """Translate the guest-physical addresses of the guest that runs to physical addresses of the machine.

    `read` reads several (address, size) ranges of the machine's memory; an item of its result is None if the machine
    cannot read that range. `ram` returns the (start, end) ranges of the machine's RAM. `runs_xen` is whether the
    machine runs Xen; None if that is not known. `is_ruled_out` is set while the kernel is known to run without Xen.
    """

    def __init__(self, read: Read, ram: Callable[[], Ranges], *, runs_xen: bool | None) -> None:
        self._read = read
        self._ram = ram
        self._known = runs_xen
        self.is_ruled_out = False
        self._save_area: int | None = None
        self._rest: Iterator[range] | None = None
        self._pages: dict[int, int] = {}
        self.clear()

    def clear(self) -> None:
        """Forget what may have changed while the machine ran."""
        self._running: Vmcb | None = None
        self._was_searched = False
        self._is_plain: bool | None = None
        self._pages.clear()

    @property
    def _runs_xen(self) -> bool | None:
        return False if self.is_ruled_out and not self._known else self._known

    def is_in_xen(self, registers: Mapping[str, int]) -> bool:
        """Return whether the machine executes Xen, not a guest of it."""
        return self._runs_xen is not False and in_hypervisor(registers)

    def is_on_xen(self, registers: Mapping[str, int]) -> bool:
        """Return whether the machine executes Xen or, as far as this is known, a guest of it. This does not search."""
        if self._runs_xen is False or not registers.get("efer", 0) & EFER_SVME:
            return False
        if in_hypervisor(registers):
            return True
        is_not_found = self._was_searched and self._running is None
        return not is_not_found and not self._has_tables_of_its_own(registers)

    def machine_ranges(self, registers: Mapping[str, int], paddr: int, size: int) -> Sequence[tuple[int, int]]:
        """Return where a range of guest-physical memory lies, whether the guest is nested or not.

        `registers` has at least RIP and PAGING.

        :raise MemoryUnreadable: as `ranges`, and if the machine executes Xen.
        """
        if self.is_in_xen(registers):
            raise MemoryUnreadable(paddr, size, IN_XEN)
        # Without a nested guest, a kernel with a hypervisor of its own has enabled SVM.
        is_nested = self.is_on_xen(registers) and self.running() is not None
        return self.ranges(paddr, size) if is_nested else ((paddr, size),)

    def _has_tables_of_its_own(self, registers: Mapping[str, int]) -> bool:
        """Return whether page tables in the machine's memory map the current instruction: the guest is not nested."""
        if self._is_plain is None:
            paging = Paging(*(registers.get(name, 0) for name in PAGING))
            self._is_plain = not self._runs_xen and paging.on and self._to_paddr(paging, registers["rip"]) is not None
        return self._is_plain

    def ranges(self, paddr: int, size: int) -> list[tuple[int, int]]:
        """Return where a range of guest-physical memory lies: (address, size) ranges of the machine's memory.

        :raise MemoryUnreadable: if the nested page tables are not found, or do not map the range.
        """
        first = paddr - paddr % PAGE
        found: list[tuple[int, int]] = []
        for start, length in split(first, paddr + size - first, PAGE):
            skip = max(paddr - start, 0)
            part = (self._page(start, paddr, size) + skip, length - skip)
            if found and sum(found[-1]) == part[0]:
                part = (found[-1][0], found.pop()[1] + part[1])
            found.append(part)
        return found

    def running(self) -> Vmcb | None:
        """Return the VMCB of the guest that runs; None if it is not found."""
        if not self._was_searched:
            self._was_searched = True
            self._running = self._of_known_save_area() or self._search()
        return self._running

    def saved_registers(self) -> dict[str, int]:
        """Return the registers of the guest that ran last, as its VMCB has them; empty if that is not found."""
        vmcb = self.running()
        if vmcb is None:
            return {}
        return dict(zip(_SAVED, self._numbers([vmcb.paddr + offset for offset in _SAVED.values()]), strict=True))

    def _page(self, page: int, paddr: int, size: int) -> int:
        if page not in self._pages:
            vmcb = self.running()
            if vmcb is None:
                raise MemoryUnreadable(paddr, size, "pvhdbg did not find the nested page tables of the hypervisor")
            paging = Paging(CR0_PG, vmcb.nested_cr3, CR4_PAE, EFER_LMA)
            found = self._to_paddr(paging, page)
            if found is None:
                raise MemoryUnreadable(paddr, size, "the hypervisor has not given the guest this memory")
            self._pages[page] = found
        return self._pages[page]

    def _to_paddr(self, paging: Paging, address: int) -> int | None:
        """Translate an address by page tables in the machine's memory. Return None if they do not map it."""
        try:
            return walk(self._read_exactly, paging, address).paddr
        except MemoryUnreadable:
            return None

    def _read_exactly(self, address: int, size: int) -> bytes:
        (data,) = self._read([(address, size)])
        if data is None:
            raise MemoryUnreadable(address, size)
        return data

    def _of_known_save_area(self) -> Vmcb | None:
        if self._save_area is None:
            return None
        return self._vmcbs({self._save_area: self._numbers([self._save_area + _SAVED_RAX])[0]}).get(self._save_area)

    def _search(self) -> Vmcb | None:
        """Search RAM for a host save area, from its end. Remember where it is: it stays there."""
        batches = self._pages_of_ram()
        found = self._search_in(islice(batches, _FIRST_BATCHES))
        if found is None:
            self._rest = self._rest or batches
            found = self._search_in(self._rest, None if self._runs_xen else _LONGEST_SEARCH)
        return found

    def _search_in(self, batches: Iterator[range], seconds: float | None = None) -> Vmcb | None:
        end = None if seconds is None else time.monotonic() + seconds
        for batch in batches:
            values = self._numbers([page + _SAVED_RAX for page in batch])
            for page, vmcb in self._vmcbs(dict(zip(batch, values, strict=True))).items():
                self._save_area = page
                return vmcb
            if end is not None and time.monotonic() >= end:
                return None
        if batches is self._rest:
            self._rest = None
        return None

    def _pages_of_ram(self) -> Iterator[range]:
        """Yield the addresses of the pages to search, some at a time."""
        left = _MOST_PAGES
        for start, end in sorted(self._ram(), reverse=True):
            pages = range(end - end % PAGE - PAGE, start - 1, -PAGE)[:left]
            left -= len(pages)
            yield from (pages[at : at + _BATCH] for at in range(0, len(pages), _BATCH))

    def _vmcbs(self, candidates: Mapping[int, int]) -> dict[int, Vmcb]:
        """Return the VMCB for each page that is a host save area. `candidates` has the saved RAX of each page."""
        ram = self._ram()
        found = {}
        for page, vmcb in candidates.items():
            if not vmcb or vmcb % PAGE or vmcb == page or not _is_in(vmcb, ram):
                continue
            efers = self._numbers([page + _SAVED_EFER, vmcb + _SAVED_EFER])
            intercepts, asid, control, cr3 = self._numbers(
                [vmcb + offset for offset in (_INTERCEPTS, _ASID, _NESTED_CONTROL, _NESTED_CR3)]
            )
            valid = intercepts & _VMRUN_INTERCEPTED and asid & 0xFFFF_FFFF and control & _NESTED_PAGING
            is_used = valid and all(efer & EFER_SVME for efer in efers) and not cr3 % PAGE and _is_in(cr3, ram)
            if is_used and self._is_xens(page):
                found[page] = Vmcb(vmcb, cr3)
        return found

    def _is_xens(self, save_area: int) -> bool:
        """Return whether the page tables of a host save area map Xen's VMRUN instruction, after which it was saved.

        A guest that writes such a save area must also write page tables and code.
        """
        rip, *registers = self._numbers([save_area + _SAVED[name] for name in ("rip", *PAGING)])
        code = rip - len(_VMRUN)
        paddr = self._to_paddr(Paging(*registers), code) if code in XEN else None
        return paddr is not None and self._read([(paddr, len(_VMRUN))]) == [_VMRUN]

    def _numbers(self, addresses: Sequence[int]) -> list[int]:
        """Read the 8-byte numbers at these addresses. A number that the machine cannot read is 0."""
        return [int.from_bytes(data or b"", "little") for data in self._read([(address, 8) for address in addresses])]


def _is_in(address: int, ranges: Ranges) -> bool:
    return any(start <= address < end for start, end in ranges)
