"""Which addresses are boot data, and under which linear addresses the guest reaches them."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from pvhdbg.abi.boot_params import BootParams
from pvhdbg.abi.e820 import BootE820Entry
from pvhdbg.abi.start_info import MemmapTableEntry, ModlistEntry, StartInfo
from pvhdbg.boot.stop.address import linked_physical
from pvhdbg.boot.stop.protocols import E820_MODULE
from pvhdbg.boot.who.fields import MOST_E820_ENTRIES, MOST_ENTRIES, MOST_MODULES
from pvhdbg.errors import TargetError
from pvhdbg.live.stub.watch import Watchpoint
from pvhdbg.named_tuple import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pvhdbg.boot.run.journey import Journey
    from pvhdbg.boot.stop.capture import Capture, MemoryMap

_DIRECT_MAP = {32: 0xC0000000, 64: 0xFFFF888000000000}
"""PAGE_OFFSET without memory randomization, by ELF class."""

_MOST_OF_CMDLINE = 64 << 10
"""How many bytes of the command line are watched."""

_MOST_OF_MODULES = 8 << 10
"""How many bytes of the command lines of all modules are watched."""

_MOST_OF_E820 = 4 + MOST_E820_ENTRIES * BootE820Entry.SIZE

_GRANULE = 4
"""The size of a watchpoint on what the guest reads: small, because the stub names the watchpoint, not the address."""

_WHOLE = 4096
"""A region of this size is one watchpoint: QEMU checks each access to its pages anyway."""


class Region(NamedTuple):
    """Boot data at a physical address. `size` is in bytes."""

    paddr: int
    size: int

    @property
    def end(self) -> int:
        return self.paddr + self.size

    def overlaps(self, paddr: int, size: int) -> bool:
        return self.paddr < paddr + size and paddr < self.paddr + self.size


_END_OF_MEMORY = 1 << 52
"""The end of the physical addresses that x86 page tables can have."""


def passed_by_vmm(entry: Capture) -> Iterator[Region]:
    """Yield what the VMM passed, as far as it was captured at the entry, and its address can be one of memory."""
    yield from (region for region in _passed(entry) if region.end <= _END_OF_MEMORY)


def _passed(entry: Capture) -> Iterator[Region]:
    info, modules = entry.start_info, (entry.modules or ())[:MOST_MODULES]
    if info is None or info.at is None:
        return
    yield Region(info.at, len(info.raw))
    if modules and modules[0].entry.at is not None:
        yield Region(modules[0].entry.at, len(modules) * ModlistEntry.SIZE)
    if entry.memory_map is not None and entry.memory_map.paddr is not None:
        yield _map_region(entry.memory_map, entry.memory_map.paddr)
    if entry.cmdline is not None:
        yield Region(entry.cmdline.paddr, min(len(entry.cmdline.raw) + 1, _MOST_OF_CMDLINE))
    left = _MOST_OF_MODULES
    for cmdline in filter(None, (module.cmdline for module in modules)):
        if (size := min(len(cmdline.raw) + 1, left)) > 0:
            yield Region(cmdline.paddr, size)
            left -= size


def _map_region(memory_map: MemoryMap, paddr: int) -> Region:
    sizes = [len(entry.raw) for entry in memory_map.entries[:MOST_ENTRIES]] or [MemmapTableEntry.SIZE]
    head = 4 if memory_map.protocol == E820_MODULE else 0
    return Region(paddr, head + sum(sizes))


def built_by_kernel(journey: Journey) -> Iterator[Region]:
    """Yield what the kernel fills in up to the return from xen_prepare_pvh, as far as it has symbols."""
    for name, size in (("pvh_start_info", StartInfo.SIZE), ("pvh_bootparams", BootParams.SIZE)):
        with suppress(TargetError):
            yield Region(journey.addresses().symbol(name), size)


def kept_by_kernel(journey: Journey) -> Iterator[Region]:
    """Yield what the kernel fills in after xen_prepare_pvh: its copy of boot_params, and its e820_table."""
    with suppress(TargetError):
        yield Region(journey.addresses().symbol("boot_params"), BootParams.SIZE)
    image = journey.image
    with suppress(TargetError):
        pointer = journey.target.read_phys(
            journey.addresses().symbol("e820_table"), image.elf_class // 8 if image else 8
        )
        paddr = linked_physical(image, int.from_bytes(pointer, "little"))
        if paddr is not None:
            yield Region(paddr, _MOST_OF_E820)


def watchpoints(regions: list[Region], journey: Journey) -> list[Watchpoint]:
    """Return watchpoints on every linear address of these regions: physical, in the direct map, and linked."""
    image = journey.image
    bases = [0, _direct_map(journey)]
    found = set()
    for region in regions:
        starts = {base + region.paddr for base in bases if base + region.end <= 1 << 64}
        linked = image.to_vaddr(region.paddr) if image else None
        starts |= set() if linked is None else {linked}
        found |= {
            Watchpoint(start + offset, min(step, region.size - offset))
            for start in starts
            for step in [_WHOLE if region.size >= _WHOLE else _GRANULE]
            for offset in range(0, region.size, step)
        }
    return list(found)


def _direct_map(journey: Journey) -> int:
    elf_class = journey.image.elf_class if journey.image else 64
    try:
        paddr = journey.addresses().symbol("page_offset_base")
        return int.from_bytes(journey.target.read_phys(paddr, elf_class // 8), "little")
    except TargetError:
        return _DIRECT_MAP[elf_class]
