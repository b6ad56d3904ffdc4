"""The reference model: compute every byte of struct boot_params from start_info, the modules and the memory map.

Pure functions: their input is a Capture at the entry or at xen_prepare_pvh, and the kernel's behavior. Sources:
init_pvh_bootparams in Linux arch/x86/platform/pvh/enlighten.c (5.0 to 7.3), and in the 2017 RFC patches, which also
store the number of entries in a byte but copy all entries.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

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
from pvhdbg.boot.model.predicted import BUG, PAGE_FAULT, DeathPredicted, PredictedDeath
from pvhdbg.boot.model.zero_page import TABLE, ZeroPage
from pvhdbg.named_tuple import NamedTuple

if TYPE_CHECKING:
    from pvhdbg.abi.start_info import StartInfo
    from pvhdbg.boot.model.kernel_behavior import KernelBehavior
    from pvhdbg.boot.stop.capture import Capture, Hypercall

E820_NAME = E820_DATA + b"\0"
MAX_COPIED = 1 << 14
"""The most entries that the model copies from an "e820 data" module. A Capture never has more."""


class ExpectedBootParams(NamedTuple):
    """The expected content of pvh_bootparams at the return from xen_prepare_pvh.

    `known` has 0xff for each byte of `boot_params` that the model knows and 0 for the others. `alternatives` maps an
    offset to the possible values there; those bytes are not `known`. `overrun` has the bytes that the map writes past
    the end of the structure. If `death` is certain, no byte is known.
    """

    boot_params: bytes
    known: bytes
    alternatives: Mapping[int, tuple[bytes, ...]]
    overrun: bytes
    death: PredictedDeath | None


def expected_boot_params(capture: Capture, behavior: KernelBehavior) -> ExpectedBootParams | None:
    """Return the boot_params that the kernel should build; None if the capture has no start_info."""
    info = capture.effective_start_info
    if info is None:
        return None
    page = ZeroPage()
    try:
        _fill_in(capture, info, behavior, page)
    except DeathPredicted as predicted:
        return ExpectedBootParams(bytes(BootParams.SIZE), bytes(BootParams.SIZE), {}, b"", predicted.death)
    death = overrun_death(capture, page)
    return ExpectedBootParams(bytes(page.raw), bytes(page.known), page.alternatives, bytes(page.overrun), death)


def _fill_in(capture: Capture, info: StartInfo, behavior: KernelBehavior, page: ZeroPage) -> None:
    """Do the same as xen_prepare_pvh, line by line."""
    if info.magic != MAGIC:
        raise DeathPredicted(BUG, f"magic is {info.magic:#x}, not {MAGIC:#x}", "start_info.magic")
    if behavior.xen is not False:
        page.mark_unknown(BootParams.screen_info.offset, BootParams.screen_info.end)
        page.mark_unknown(BootParams.efi_info.offset, BootParams.efi_info.end)
    _fill_map(capture, info, behavior, page)
    _fill_header(capture, info, behavior, page)
    rsdp, none = info.rsdp_paddr.to_bytes(8, "little"), bytes(8)
    values = {True: (rsdp,), False: (none,), None: (none, rsdp)}[behavior.sets_rsdp]
    page.put_one_of(BootParams.acpi_rsdp_addr.offset, values)


def _fill_header(capture: Capture, info: StartInfo, behavior: KernelBehavior, page: ZeroPage) -> None:
    page.put(HDR + SetupHeader.cmd_line_ptr.offset, _u32(info.cmdline_paddr))
    if info.nr_modules:
        ramdisk = _module(capture, info, behavior, 0, 16)
        image, size = HDR + SetupHeader.ramdisk_image.offset, HDR + SetupHeader.ramdisk_size.offset
        page.put(image, _u32(ramdisk.paddr)) if ramdisk else page.mark_unknown(image, image + 4)
        page.put(size, _u32(ramdisk.size)) if ramdisk else page.mark_unknown(size, size + 4)
    versions = tuple(version.to_bytes(2, "little") for version in behavior.versions)
    page.put_one_of(HDR + SetupHeader.version.offset, versions)
    loaders = {True: (LOADER_XEN,), False: (LOADER_QEMU,), None: (LOADER_QEMU, LOADER_XEN)}[behavior.xen]
    page.put_one_of(HDR + SetupHeader.type_of_loader.offset, tuple(bytes([loader]) for loader in loaders))


def _fill_map(capture: Capture, info: StartInfo, behavior: KernelBehavior, page: ZeroPage) -> None:
    """Copy the memory map from the source that the kernel chooses, and add the ISA range."""
    if behavior.memmap and info.version > 0 and info.memmap_entries != 0:
        _add_isa(page, _copy_memmap(capture, info, behavior, page))
        return
    if behavior.xen and capture.hypercall is not None:
        _add_isa(page, _copy_answer(capture.hypercall, page))
        return
    takes_module: bool | None = None
    if behavior.xen is False and behavior.memmap is not None and behavior.e820_module is not None:
        takes_module = behavior.e820_module and _has_e820_module(capture, info, behavior)
    if takes_module:
        _add_isa(page, _copy_e820_module(capture, info, behavior, page))
    elif takes_module is None:
        page.mark_unknown(TABLE, BootParams.SIZE)
        _add_isa(page, None)
    elif behavior.memmap:
        raise DeathPredicted(BUG, *_why_no_map(info, behavior))
    else:
        _add_isa(page, 0)


def _why_no_map(info: StartInfo, behavior: KernelBehavior) -> tuple[str, str]:
    """Return why the kernel finds no map, and the path of the field at fault."""
    no_module = ', no module is named "e820 data"' if behavior.e820_module else ""
    if info.version == 0:
        return f"start_info version 0 has no memory map{no_module}", "start_info.version"
    return f"memmap_entries is 0{no_module}", "start_info.memmap_entries"


def _copy_answer(call: Hypercall, page: ZeroPage) -> int:
    """Copy the map that Xen has returned, into the table of the zero page. Return the number of entries, in a byte.

    :raise DeathPredicted: if the hypercall failed.
    """
    if call.result != 0:
        raise DeathPredicted(BUG, f"the hypercall for the memory map returned {call.result}", "hypercall.result")
    page.put_entries(call.raw, call.nr_entries)
    return call.nr_entries & 0xFF


def _copy_memmap(capture: Capture, info: StartInfo, behavior: KernelBehavior, page: ZeroPage) -> int:
    """Copy the first memmap_entries mod 256 entries, because the kernel counts in a byte. Return the number copied."""
    count = info.memmap_entries & 0xFF
    stride = MemmapTableEntry.SIZE
    size = max((count - 1) * stride + BootE820Entry.SIZE, 0)
    table = 0
    if count:
        what = ("the memory map", "start_info.memmap_paddr")
        table = _accessed_paddr(behavior, info.memmap_paddr, size, what, count * stride)
    raw = capture.bytes_at(table, count * stride)
    page.blamed_field = "start_info.memmap_entries"
    page.put_entries(raw and b"".join(raw[at : at + 20] for at in range(0, len(raw), stride)), count)
    return count


def _copy_e820_module(capture: Capture, info: StartInfo, behavior: KernelBehavior, page: ZeroPage) -> int | None:
    """Copy every entry of module 1. Return their number mod 256, because the kernel counts in a byte.

    Return None if the number of entries is not known.
    """
    module = _module(capture, info, behavior, 1)
    head = None
    if module is not None:
        start = _accessed_paddr(behavior, module.paddr, E820Table.SIZE, ("the map", "modules[1].paddr"))
        head = capture.bytes_at(start, E820Table.SIZE)
    if module is None or head is None:
        page.mark_unknown(TABLE, BootParams.SIZE)
        return None
    count = int.from_bytes(head, "little")
    size = blob_size(count)
    field = "modules[1].paddr" if count <= ZERO_PAGE_ENTRIES else "memory_map.nr_entries"
    start = _accessed_paddr(behavior, module.paddr, size, (f"the map of {count} entries", field))
    page.blamed_field = "memory_map.nr_entries"
    copied_size = min(count, MAX_COPIED) * BootE820Entry.SIZE
    page.put_entries(capture.bytes_at(start + E820Table.SIZE, copied_size), count)
    return count & 0xFF


def _has_e820_module(capture: Capture, info: StartInfo, behavior: KernelBehavior) -> bool | None:
    """Return whether module 1 exists and its command line is exactly "e820 data"; None if this was not captured."""
    if info.nr_modules < 2:
        return False
    module = _module(capture, info, behavior, 1)
    if module is None or module.cmdline_paddr == 0:
        return None if module is None else False
    what = "module 1's command line", "modules[1].cmdline_paddr"
    return _is_e820_name(capture, _accessed_paddr(behavior, module.cmdline_paddr, 1, what))


def _is_e820_name(capture: Capture, paddr: int) -> bool | None:
    """Compare byte by byte, like strncmp, because a shorter string was captured only up to its NUL.

    Return None if the string was not captured.
    """
    for offset, expected_byte in enumerate(E820_NAME):
        byte = capture.bytes_at(paddr + offset, 1)
        if byte is None or byte[0] != expected_byte:
            return None if byte is None else False
    return True


def _add_isa(page: ZeroPage, count: int | None) -> None:
    """Set e820_entries, and add the range for video memory and ROMs after the last entry if the table has space.

    `count` is the number of entries before the addition, None if it is not known.
    """
    if count is None:
        page.mark_unknown(BootParams.e820_entries.offset, BootParams.e820_entries.end)
        return
    if count < ZERO_PAGE_ENTRIES - 1:
        isa = ISA_START.to_bytes(8, "little") + ISA_SIZE.to_bytes(8, "little") + _u32(RESERVED)
        page.put(TABLE + count * BootE820Entry.SIZE, isa)
        count += 1
    page.put(BootParams.e820_entries.offset, bytes([count]))


def _module(
    capture: Capture, info: StartInfo, behavior: KernelBehavior, index: int, size: int = ModlistEntry.SIZE
) -> ModlistEntry | None:
    """Return entry `index` of the module list; None if the capture does not have it.

    `size` is how many of the entry's bytes the kernel reads.

    :raise DeathPredicted: if they are not mapped.
    """
    end = index * ModlistEntry.SIZE + size
    what = "the module list", "start_info.modlist_paddr"
    entry_paddr = _accessed_paddr(behavior, info.modlist_paddr, end, what) + index * ModlistEntry.SIZE
    raw = capture.bytes_at(entry_paddr, ModlistEntry.SIZE)
    return None if raw is None else ModlistEntry(raw, entry_paddr)


def _accessed_paddr(
    behavior: KernelBehavior, paddr: int, size: int, what: tuple[str, str], whole: int | None = None
) -> int:
    """Return the physical address that the kernel really accesses when it reads `size` bytes at `paddr`.

    `what` has a name for these bytes and the path of the field that points to them. `whole` is the size with the
    reserved bytes at the end, which the kernel does not read.

    :raise DeathPredicted: if not all bytes are mapped: at this point of the boot, a page fault is fatal.
    """
    if behavior.early is None:
        return paddr
    accessed = behavior.early.accessed_paddr(paddr, size)
    if accessed is None:
        name, field = what
        span, limit = f"{paddr:#x}-{paddr + (whole or size):#x}", f"{behavior.early.limit:#x}"
        raise DeathPredicted(
            PAGE_FAULT, f"the kernel reads {name} at {span}, but its early page tables end at {limit}", field
        )
    return accessed


def _u32(value: int) -> bytes:
    return (value & 0xFFFFFFFF).to_bytes(4, "little")
