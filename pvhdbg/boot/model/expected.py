"""The reference model: from start_info, modules and map to every byte of the boot_params that should come of them.

Pure: a Capture at the entry or at xen_prepare_pvh, and the kernel's rules. Sources: init_pvh_bootparams in Linux
arch/x86/platform/pvh/enlighten.c (5.0 to 7.3) and in the RFC of 2017, which counts a map the same way and copies more.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple

from pvhdbg.abi.boot_params import BootParams
from pvhdbg.abi.e820 import (
    E820_DATA,
    ISA_SIZE,
    ISA_START,
    RESERVED,
    ZERO_PAGE_ENTRIES,
    BootE820Entry,
    E820Table,
    blob_size,
)
from pvhdbg.abi.setup_header import HDR, LOADER_QEMU, LOADER_XEN, SetupHeader
from pvhdbg.abi.start_info import MAGIC, MemmapTableEntry, ModlistEntry
from pvhdbg.boot.model.overrun import overrun_death
from pvhdbg.boot.model.predicted import BUG, PAGE_FAULT, Dies, PredictedDeath
from pvhdbg.boot.model.zero_page import TABLE, ZeroPage

if TYPE_CHECKING:
    from pvhdbg.abi.start_info import StartInfo
    from pvhdbg.boot.model.kernel_behavior import KernelBehavior
    from pvhdbg.boot.stop.capture import Capture

E820_NAME = E820_DATA + b"\0"
COPIED_AT_MOST = 1 << 14


class ExpectedBootParams(NamedTuple):
    """What pvh_bootparams should be at the return from xen_prepare_pvh.

    `known` has 0xff for each byte of `boot_params` that can be told and 0 for the others. `alternatives` has, by
    offset, the values of which one must stand there; their bytes are not `known`. `overrun` is what the map wrote
    behind the structure's end. After a certain death nothing is known.
    """

    boot_params: bytes
    known: bytes
    alternatives: Mapping[int, tuple[bytes, ...]]
    overrun: bytes
    death: PredictedDeath | None


def expected_boot_params(capture: Capture, rules: KernelBehavior) -> ExpectedBootParams | None:
    """What the kernel should make of what it was given; null where there is no start_info to go by."""
    info = capture.effective_start_info
    if info is None:
        return None
    page = ZeroPage()
    try:
        _follow(capture, info, rules, page)
    except Dies as dies:
        return ExpectedBootParams(bytes(BootParams.SIZE), bytes(BootParams.SIZE), {}, b"", dies.death)
    death = overrun_death(capture, page)
    return ExpectedBootParams(bytes(page.raw), bytes(page.known), page.alternatives, bytes(page.overrun), death)


def _follow(capture: Capture, info: StartInfo, rules: KernelBehavior, page: ZeroPage) -> None:
    """xen_prepare_pvh, line by line."""
    if info.magic != MAGIC:
        raise Dies(BUG, f"magic is {info.magic:#x}, not {MAGIC:#x}", "start_info.magic")
    if rules.xen is not False:
        page.forget(BootParams.screen_info.offset, BootParams.screen_info.end)
        page.forget(BootParams.efi_info.offset, BootParams.efi_info.end)
    _map(capture, info, rules, page)
    _header(capture, info, rules, page)
    rsdp, none = info.rsdp_paddr.to_bytes(8, "little"), bytes(8)
    chosen = {True: (rsdp,), False: (none,), None: (none, rsdp)}[rules.sets_rsdp]
    page.choose(BootParams.acpi_rsdp_addr.offset, chosen)


def _header(capture: Capture, info: StartInfo, rules: KernelBehavior, page: ZeroPage) -> None:
    page.put(HDR + SetupHeader.cmd_line_ptr.offset, _u32(info.cmdline_paddr))
    if info.nr_modules:
        ramdisk = _module(capture, info, rules, 0, 16)
        image, size = HDR + SetupHeader.ramdisk_image.offset, HDR + SetupHeader.ramdisk_size.offset
        page.put(image, _u32(ramdisk.paddr)) if ramdisk else page.forget(image, image + 4)
        page.put(size, _u32(ramdisk.size)) if ramdisk else page.forget(size, size + 4)
    page.choose(HDR + SetupHeader.version.offset, tuple(each.to_bytes(2, "little") for each in rules.versions))
    loaders = {True: (LOADER_XEN,), False: (LOADER_QEMU,), None: (LOADER_QEMU, LOADER_XEN)}[rules.xen]
    page.choose(HDR + SetupHeader.type_of_loader.offset, tuple(bytes([each]) for each in loaders))


def _map(capture: Capture, info: StartInfo, rules: KernelBehavior, page: ZeroPage) -> None:
    """Where the map comes from, and the ISA range behind it."""
    if rules.memmap and info.version > 0 and info.memmap_entries != 0:
        _add_isa(page, _from_memmap(capture, info, rules, page))
        return
    named: bool | None = None
    if rules.xen is False and rules.memmap is not None and rules.e820_module is not None:
        named = rules.e820_module and _names_module(capture, info, rules)
    if named:
        _add_isa(page, _from_module(capture, info, rules, page))
    elif named is None:
        page.forget(TABLE, BootParams.SIZE)
        _add_isa(page, None)
    elif rules.memmap:
        raise Dies(BUG, *_no_map(info, rules))
    else:
        _add_isa(page, 0)


def _no_map(info: StartInfo, rules: KernelBehavior) -> tuple[str, str]:
    module = ', and no module is called "e820 data"' if rules.e820_module else ""
    if info.version == 0:
        return f"version 0 has no memory map{module}", "start_info.version"
    return f"memmap_entries is 0{module}", "start_info.memmap_entries"


def _from_memmap(capture: Capture, info: StartInfo, rules: KernelBehavior, page: ZeroPage) -> int:
    """The table's first entries, as many as fit a byte can count: n mod 256. Their number."""
    count = info.memmap_entries & 0xFF
    stride = MemmapTableEntry.SIZE
    size = max((count - 1) * stride + BootE820Entry.SIZE, 0)
    table = _reached(rules, info.memmap_paddr, size, ("the memory map", "start_info.memmap_paddr")) if count else 0
    raw = capture.bytes_at(table, count * stride)
    page.blame = "start_info.memmap_entries"
    page.put_entries(raw and b"".join(raw[at : at + 20] for at in range(0, len(raw), stride)), count)
    return count


def _from_module(capture: Capture, info: StartInfo, rules: KernelBehavior, page: ZeroPage) -> int | None:
    """Every entry of module 1; their number as a byte, which is what is counted, null if it is not known."""
    module = _module(capture, info, rules, 1)
    head = None
    if module is not None:
        start = _reached(rules, module.paddr, E820Table.SIZE, ("the map", "modules[1].paddr"))
        head = capture.bytes_at(start, E820Table.SIZE)
    if module is None or head is None:
        page.forget(TABLE, BootParams.SIZE)
        return None
    count = int.from_bytes(head, "little")
    size = blob_size(count)
    field = "modules[1].paddr" if count <= ZERO_PAGE_ENTRIES else "memory_map.nr_entries"
    start = _reached(rules, module.paddr, size, (f"the map of {count} entries", field))
    page.blame = "memory_map.nr_entries"
    copied = min(count, COPIED_AT_MOST) * BootE820Entry.SIZE
    page.put_entries(capture.bytes_at(start + E820Table.SIZE, copied), count)
    return count & 0xFF


def _names_module(capture: Capture, info: StartInfo, rules: KernelBehavior) -> bool | None:
    """Whether there is a second module and its name is exactly "e820 data"; null if it was not read."""
    if info.nr_modules < 2:
        return False
    module = _module(capture, info, rules, 1)
    if module is None or module.cmdline_paddr == 0:
        return None if module is None else False
    name = _reached(rules, module.cmdline_paddr, 1, ("module 1's command line", "modules[1].cmdline_paddr"))
    return _is_e820_name(capture, name)


def _is_e820_name(capture: Capture, paddr: int) -> bool | None:
    """Byte by byte, as strncmp does: what lies behind another string's NUL was not read, and does not count."""
    for offset, wanted in enumerate(E820_NAME):
        byte = capture.bytes_at(paddr + offset, 1)
        if byte is None or byte[0] != wanted:
            return None if byte is None else False
    return True


def _add_isa(page: ZeroPage, count: int | None) -> None:
    """The range for video memory and ROMs behind the last entry, where there is room for it."""
    if count is None:
        page.forget(BootParams.e820_entries.offset, BootParams.e820_entries.end)
        return
    if count < ZERO_PAGE_ENTRIES - 1:
        isa = ISA_START.to_bytes(8, "little") + ISA_SIZE.to_bytes(8, "little") + _u32(RESERVED)
        page.put(TABLE + count * BootE820Entry.SIZE, isa)
        count += 1
    page.put(BootParams.e820_entries.offset, bytes([count]))


def _module(
    capture: Capture, info: StartInfo, rules: KernelBehavior, index: int, size: int = ModlistEntry.SIZE
) -> ModlistEntry | None:
    """A module of which the kernel reads `size` bytes; null where what it reads is not known."""
    end = index * ModlistEntry.SIZE + size
    start = _reached(rules, info.modlist_paddr, end, ("the module list", "start_info.modlist_paddr"))
    at = start + index * ModlistEntry.SIZE
    raw = capture.bytes_at(at, ModlistEntry.SIZE)
    return None if raw is None else ModlistEntry(raw, at)


def _reached(rules: KernelBehavior, paddr: int, size: int, what: tuple[str, str]) -> int:
    """Where the kernel reads what was handed over as `paddr`. Nothing catches a fault this early.

    :raise Dies: if not all of it is mapped.
    """
    if rules.early is None:
        return paddr
    meant = rules.early.accessed_paddr(paddr, size)
    if meant is None:
        name, field = what
        where = f"{paddr:#x}-{paddr + size:#x}"
        limit = f"{rules.early.limit:#x}, where the kernel's early page tables end"
        raise Dies(PAGE_FAULT, f"what is read of {name}, {where}, is not all below {limit}", field)
    return meant


def _u32(value: int) -> bytes:
    return (value & 0xFFFFFFFF).to_bytes(4, "little")
