"""The reference model: from start_info, modules and map to every byte of the boot_params that should come of them.

Pure: a Capture at the entry or at xen_prepare_pvh, and the kernel's rules. Sources: init_pvh_bootparams in Linux
arch/x86/platform/pvh/enlighten.c (5.0 to 7.3) and in the RFC of 2017, which counts a map the same way and copies more.
"""

from __future__ import annotations

import re
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
from pvhdbg.boot.early_maps import KERNEL_MAP_SIZE

if TYPE_CHECKING:
    from pvhdbg.abi.start_info import StartInfo
    from pvhdbg.boot.capture import Capture
    from pvhdbg.boot.rules import KernelRules

BUG, PAGE_FAULT, OVERRUN = "bug", "page-fault", "overrun"

TABLE = BootParams.e820_table.offset
ROOM = BootParams.SIZE - TABLE
E820_NAME = E820_DATA + b"\0"
# Where from GS on gcc has the canary.
CANARY = 0x28
_TAKES_CANARY = re.compile(rb"\x65[\x48\x4c]\x8b[\x04-\x3c]\x25\x28\0\0\0", re.DOTALL)
# What xen_prepare_pvh and what it calls have on the stack below its own return address.
FRAMES = 512
# 255 entries, the most that a byte counts, were seen to do no harm before the function returns.
OVERRUN_SURVIVED = TABLE + 255 * BootE820Entry.SIZE - BootParams.SIZE
COPIED_AT_MOST = 1 << 14


class PredictedDeath(NamedTuple):
    """Why the guest should not return from xen_prepare_pvh.

    `kind` is BUG (a `ud2`), PAGE_FAULT, or OVERRUN where the map runs over the stack. `field` is the path of what is to
    blame. It is not `certain` where it depends on what the compiler made of the function.
    """

    kind: str
    why: str
    field: str
    certain: bool = True


class Expected(NamedTuple):
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


class Dies(Exception):
    """A verdict on the guest that ends the model's way through the kernel's code."""

    def __init__(self, kind: str, why: str, field: str) -> None:
        super().__init__(why)
        self.death = PredictedDeath(kind, why, field)


def expected(capture: Capture, rules: KernelRules) -> Expected | None:
    """What the kernel should make of what it was given; null where there is no start_info to go by."""
    info = capture.handed_over
    if info is None:
        return None
    page = _Page()
    try:
        _follow(capture, info, rules, page)
    except Dies as dies:
        return Expected(bytes(BootParams.SIZE), bytes(BootParams.SIZE), {}, b"", dies.death)
    death = _overrun_death(capture, page)
    return Expected(bytes(page.raw), bytes(page.known), page.alternatives, bytes(page.overrun), death)


class _Page:
    """struct boot_params as it is being filled in, cleared before, and what goes beyond it."""

    def __init__(self) -> None:
        self.raw = bytearray(BootParams.SIZE)
        self.known = bytearray(b"\xff" * BootParams.SIZE)
        self.alternatives: dict[int, tuple[bytes, ...]] = {}
        self.overrun = bytearray()
        self.overrun_end = BootParams.SIZE
        self.blame = "memory_map"

    def put(self, offset: int, data: bytes) -> None:
        self.raw[offset : offset + len(data)] = data
        self.known[offset : offset + len(data)] = b"\xff" * len(data)

    def forget(self, start: int, end: int) -> None:
        self.raw[start:end] = bytes(end - start)
        self.known[start:end] = bytes(end - start)

    def choose(self, offset: int, values: tuple[bytes, ...]) -> None:
        """One of these values, all of one length."""
        if len(set(values)) == 1:
            self.put(offset, values[0])
            return
        self.forget(offset, offset + len(values[0]))
        self.alternatives[offset] = values

    def put_entries(self, entries: bytes | None, count: int) -> None:
        """`count` entries from the table's start on, of which the first bytes are `entries`, if anything is known."""
        data, end = entries or b"", min(count * BootE820Entry.SIZE, ROOM)
        self.put(TABLE, data[:ROOM])
        self.forget(TABLE + min(len(data), end), TABLE + end)
        self.overrun = bytearray(data[ROOM:])
        self.overrun_end = max(BootParams.SIZE, TABLE + count * BootE820Entry.SIZE)


def _follow(capture: Capture, info: StartInfo, rules: KernelRules, page: _Page) -> None:
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


def _header(capture: Capture, info: StartInfo, rules: KernelRules, page: _Page) -> None:
    page.put(HDR + SetupHeader.cmd_line_ptr.offset, _u32(info.cmdline_paddr))
    if info.nr_modules:
        ramdisk = _module(capture, info, rules, 0, 16)
        image, size = HDR + SetupHeader.ramdisk_image.offset, HDR + SetupHeader.ramdisk_size.offset
        page.put(image, _u32(ramdisk.paddr)) if ramdisk else page.forget(image, image + 4)
        page.put(size, _u32(ramdisk.size)) if ramdisk else page.forget(size, size + 4)
    page.choose(HDR + SetupHeader.version.offset, tuple(each.to_bytes(2, "little") for each in rules.versions))
    loaders = {True: (LOADER_XEN,), False: (LOADER_QEMU,), None: (LOADER_QEMU, LOADER_XEN)}[rules.xen]
    page.choose(HDR + SetupHeader.type_of_loader.offset, tuple(bytes([each]) for each in loaders))


def _map(capture: Capture, info: StartInfo, rules: KernelRules, page: _Page) -> None:
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


def _no_map(info: StartInfo, rules: KernelRules) -> tuple[str, str]:
    module = ', and no module is called "e820 data"' if rules.e820_module else ""
    if info.version == 0:
        return f"version 0 has no memory map{module}", "start_info.version"
    return f"memmap_entries is 0{module}", "start_info.memmap_entries"


def _from_memmap(capture: Capture, info: StartInfo, rules: KernelRules, page: _Page) -> int:
    """The table's first entries, as many as fit a byte can count: n mod 256. Their number."""
    count = info.memmap_entries & 0xFF
    stride = MemmapTableEntry.SIZE
    size = max((count - 1) * stride + BootE820Entry.SIZE, 0)
    table = _reached(rules, info.memmap_paddr, size, ("the memory map", "start_info.memmap_paddr")) if count else 0
    raw = capture.bytes_at(table, count * stride)
    page.blame = "start_info.memmap_entries"
    page.put_entries(raw and b"".join(raw[at : at + 20] for at in range(0, len(raw), stride)), count)
    return count


def _from_module(capture: Capture, info: StartInfo, rules: KernelRules, page: _Page) -> int | None:
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


def _names_module(capture: Capture, info: StartInfo, rules: KernelRules) -> bool | None:
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


def _add_isa(page: _Page, count: int | None) -> None:
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
    capture: Capture, info: StartInfo, rules: KernelRules, index: int, size: int = ModlistEntry.SIZE
) -> ModlistEntry | None:
    """A module of which the kernel reads `size` bytes; null where what it reads is not known."""
    end = index * ModlistEntry.SIZE + size
    start = _reached(rules, info.modlist_paddr, end, ("the module list", "start_info.modlist_paddr"))
    at = start + index * ModlistEntry.SIZE
    raw = capture.bytes_at(at, ModlistEntry.SIZE)
    return None if raw is None else ModlistEntry(raw, at)


def _reached(rules: KernelRules, paddr: int, size: int, what: tuple[str, str]) -> int:
    """Where the kernel reads what was handed over as `paddr`. Nothing catches a fault this early.

    :raise Dies: if not all of it is mapped.
    """
    if rules.early is None:
        return paddr
    meant = rules.early.meant(paddr, size)
    if meant is None:
        name, field = what
        where = f"{paddr:#x}-{paddr + size:#x}"
        why = f"{name}, {where}, is not all below {rules.early.reach:#x}, where the kernel's early page tables end"
        raise Dies(PAGE_FAULT, why, field)
    return meant


def _overrun_death(capture: Capture, page: _Page) -> PredictedDeath | None:
    """Whether the map runs over something behind pvh_bootparams that xen_prepare_pvh needs to return."""
    over = page.overrun_end - BootParams.SIZE
    if not over:
        return None
    why = f"its entries run {over} bytes over the end of boot_params"
    stack = _distance(capture, "rsp")
    if stack is None:
        return PredictedDeath(OVERRUN, why, page.blame, certain=False) if over > OVERRUN_SURVIVED else None
    if page.overrun_end > stack - FRAMES:
        why += ", into the stack that the function returns by"
        return PredictedDeath(OVERRUN, why, page.blame, certain=page.overrun_end >= stack + 8)
    if _canary_changes(capture, page):
        certain = _is_protected(capture)
        ends = "ends" if certain else "may end"
        why += f", over the stack protector's canary: the function {ends} in a panic that nobody sees"
        return PredictedDeath(OVERRUN, why, page.blame, certain)
    return None


def _canary_changes(capture: Capture, page: _Page) -> bool:
    """Up to Linux 6.14 GS leads to a canary of its own for this code, which is 0."""
    place = _distance(capture, "gs_base")
    if place is None:
        return False
    start = place + CANARY - BootParams.SIZE
    over = page.overrun_end - BootParams.SIZE
    return (
        start < over
        and start + 8 > 0
        and (start + 8 > len(page.overrun) or any(page.overrun[max(start, 0) : start + 8]))
    )


def _is_protected(capture: Capture) -> bool:
    """Whether the function's first instructions take the canary to the stack: mov %gs:0x28 to a register."""
    rip = capture.registers.get("rip") or 0
    code = capture.bytes_at(rip % KERNEL_MAP_SIZE, 64) or b""
    return _TAKES_CANARY.search(code) is not None


def _distance(capture: Capture, register: str) -> int | None:
    """How far behind pvh_bootparams' start a register of xen_prepare_pvh leads; null if that is not known.

    One address may be physical and the other virtual; the maps begin at multiples of 512 MiB.
    """
    link, address = capture.symbols.get("pvh_bootparams"), capture.registers.get(register)
    if capture.pvh_start_info is None or link is None or address is None:
        return None
    return (address - link) % KERNEL_MAP_SIZE


def _u32(value: int) -> bytes:
    return (value & 0xFFFFFFFF).to_bytes(4, "little")
