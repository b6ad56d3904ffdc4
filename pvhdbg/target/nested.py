"""The memory of a guest whose hypervisor (Xen) itself runs in QEMU: find AMD's nested page tables, and walk them.

QEMU's gdb stub shows the registers of the guest that runs, but the memory of the machine, which belongs to the
hypervisor. Neither the stub nor the monitor shows the address of the nested page tables, so pvhdbg searches memory for
it: VMRUN stores the address of the running guest's VMCB, in RAX, in the host save area.

Source: AMD APM volume 2, chapter 15 and appendix B; Xen xen/arch/x86/include/asm/config.h (the hypervisor's addresses).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pvhdbg.abi.cpu import CR0_PG, CR4_PAE, EFER_LMA, EFER_SVME
from pvhdbg.abi.paging import Paging, walk
from pvhdbg.errors import MemoryUnreadable
from pvhdbg.named_tuple import NamedTuple
from pvhdbg.target.block_cache import split
from pvhdbg.target.monitor import parse_regions

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

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

_BATCH = 512
_MOST_PAGES = 1 << 17
"""How many pages to search, from the end of RAM. Xen allocates both structures there."""


class Vmcb(NamedTuple):
    """A running guest's virtual machine control block: its physical address, and that of the nested page tables."""

    paddr: int
    nested_cr3: int


def in_hypervisor(registers: Mapping[str, int]) -> bool:
    """Return whether the CPU executes the hypervisor, not a guest. Xen as a guest does not enable SVM."""
    return bool(registers.get("efer", 0) & EFER_SVME) and registers.get("rip", 0) in XEN


def may_be_nested(registers: Mapping[str, int]) -> bool:
    """Return whether the CPU may execute the guest of a hypervisor that runs in QEMU."""
    return bool(registers.get("efer", 0) & EFER_SVME) and not in_hypervisor(registers)


def ram(monitor: Monitor) -> Ranges:
    """Return the machine's RAM as (start, end) ranges, from QEMU's monitor."""
    return [(region.start, region.end) for region in parse_regions(monitor("info mtree -f")) if region.kind == "ram"]


class NestedMemory:
    """Translate the guest-physical addresses of the guest that runs to physical addresses of the machine.

    `read` reads several (address, size) ranges of the machine's memory; an item of its result is None if the machine
    cannot read that range. `ram` returns the (start, end) ranges of the machine's RAM.
    """

    def __init__(self, read: Read, ram: Callable[[], Ranges]) -> None:
        self._read = read
        self._ram = ram
        self._save_area: int | None = None
        self._running: Vmcb | None = None
        self._was_searched = False
        self._pages: dict[int, int] = {}

    def clear(self) -> None:
        """Forget what may have changed while the machine ran."""
        self._running = None
        self._was_searched = False
        self._pages.clear()

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
            found = walk(self._read_exactly, paging, page).paddr
            if found is None:
                raise MemoryUnreadable(paddr, size, "the hypervisor has not given the guest this memory")
            self._pages[page] = found
        return self._pages[page]

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
        left = _MOST_PAGES
        for start, end in sorted(self._ram(), reverse=True):
            pages = range(end - end % PAGE - PAGE, start - 1, -PAGE)[:left]
            left -= len(pages)
            for at in range(0, len(pages), _BATCH):
                batch = pages[at : at + _BATCH]
                values = self._numbers([page + _SAVED_RAX for page in batch])
                for page, vmcb in self._vmcbs(dict(zip(batch, values, strict=True))).items():
                    self._save_area = page
                    return vmcb
        return None

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
            if valid and all(efer & EFER_SVME for efer in efers) and not cr3 % PAGE and _is_in(cr3, ram):
                found[page] = Vmcb(vmcb, cr3)
        return found

    def _numbers(self, addresses: Sequence[int]) -> list[int]:
        """Read the 8-byte numbers at these addresses. A number that the machine cannot read is 0."""
        return [int.from_bytes(data or b"", "little") for data in self._read([(address, 8) for address in addresses])]


def _is_in(address: int, ranges: Ranges) -> bool:
    return any(start <= address < end for start, end in ranges)
