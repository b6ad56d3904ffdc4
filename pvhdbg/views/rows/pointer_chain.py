"""Pointer chains: what an address leads to, at every level, as in start_info → modlist_paddr → modules[0].paddr."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING

from pvhdbg.abi import ramdisk
from pvhdbg.abi.text import printable
from pvhdbg.boot.stop.evidence import MODULE_HEAD
from pvhdbg.named_tuple import NamedTuple
from pvhdbg.views.rows import boot_params_rows, map_rows, segment_rows, start_info_rows, text

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pvhdbg.abi.boot_params import BootParams
    from pvhdbg.abi.start_info import StartInfo
    from pvhdbg.boot.stop.capture import Capture, Module

MOST_CHAINS, MOST_MODULES, _DEEPEST = 6, 3, 5
TO = "→"


class Place(NamedTuple):
    """What is at a physical address: its name, the pointers in it, by name, and its path in the document, if any."""

    name: str
    pointers: tuple[tuple[str, int], ...] = ()
    path: str = ""


def chains(capture: Capture, address: int | None, to: str = TO) -> list[str]:
    """Return a line for each way that leads on from an address; none if pvhdbg does not know what is there."""
    return [] if address is None else chains_from(places(capture), address, to)


def chains_from(known: Mapping[int, Place], address: int, to: str = TO) -> list[str]:
    """Return the same as `chains`, from what is known to be at physical addresses."""
    ways = _ways(known, address, ())
    return [f" {to} ".join(steps) for steps in islice(ways, MOST_CHAINS)]


def _ways(known: Mapping[int, Place], address: int, passed: tuple[int, ...]) -> Iterator[tuple[str, ...]]:
    place = known.get(address)
    if place is None or address in passed or len(passed) == _DEEPEST:
        return
    if not place.pointers:
        yield (place.name,)
    head = (place.name,) if place.name else ()
    for name, target in place.pointers:
        ways = [*_ways(known, target, (*passed, address))] or [()]
        yield from ((*head, f"{name} {target:#x}", *way) for way in ways)


def places(capture: Capture) -> Mapping[int, Place]:
    """Return what is known to be at physical addresses. If two structures share an address, the first one counts."""
    known: dict[int, Place] = {}
    for address, place in _all_places(capture):
        if address:
            known.setdefault(address, place)
    return known


def _all_places(capture: Capture) -> Iterator[tuple[int | None, Place]]:
    for key, info in (("start_info", capture.start_info), ("pvh_start_info", capture.pvh_start_info)):
        if info is not None:
            yield info.at, Place(key, tuple(_start_info_pointers(info)), key)
    for key, params in (("boot_params", capture.boot_params), ("kernel_boot_params", capture.kernel_boot_params)):
        if params is not None:
            yield params.at, Place(boot_params_rows.symbol_path(key), tuple(_boot_params_pointers(params)), key)
    yield from _strings_and_tables(capture)
    yield from _modules(capture)
    for params in (capture.boot_params, capture.kernel_boot_params):
        if params is not None and params.hdr.ramdisk_image:
            yield params.hdr.ramdisk_image, Place(f"the ramdisk, {text.size(params.hdr.ramdisk_size)}")


def _unreadable(capture: Capture, info: StartInfo) -> Iterator[tuple[int, Place]]:
    """Yield why there is nothing at the pointers that the capture could not follow."""
    for address, key in (
        (info.modlist_paddr, "modules"),
        (info.cmdline_paddr, "cmdline"),
        (info.memmap_paddr if info.version else 0, "memory_map.entries"),
    ):
        if key in capture.missing:
            yield address, Place(printable(capture.missing[key]))


def _start_info_pointers(info: StartInfo) -> Iterator[tuple[str, int]]:
    if info.nr_modules and info.modlist_paddr:
        yield "modlist_paddr", info.modlist_paddr
    if info.cmdline_paddr:
        yield "cmdline_paddr", info.cmdline_paddr
    if info.version > 0 and info.memmap_paddr:
        yield "memmap_paddr", info.memmap_paddr
    if info.rsdp_paddr:
        yield "rsdp_paddr", info.rsdp_paddr


def _boot_params_pointers(params: BootParams) -> Iterator[tuple[str, int]]:
    fields = {
        "hdr.ramdisk_image": params.hdr.ramdisk_image,
        "hdr.cmd_line_ptr": params.hdr.cmd_line_ptr,
        "acpi_rsdp_addr": params.acpi_rsdp_addr,
    }
    yield from ((name, value) for name, value in fields.items() if value)


def _strings_and_tables(capture: Capture) -> Iterator[tuple[int, Place]]:
    if capture.cmdline is not None:
        yield capture.cmdline.paddr, Place(text.quoted(capture.cmdline.raw))
    memory_map, table, info = capture.memory_map, capture.e820_table, capture.effective_start_info
    if memory_map is not None and memory_map.paddr is not None:
        yield (
            memory_map.paddr,
            Place(f"memory map, {map_rows.summary(memory_map.entries)}", path="memory_map.entries[0]"),
        )
    if table is not None:
        yield table.paddr, Place(f"e820_table, {map_rows.summary(table.entries)}", path="e820_table[0]")
    if info is not None:
        yield info.rsdp_paddr, Place(start_info_rows.rsdp_meaning(capture, info.rsdp_paddr))
        yield from _unreadable(capture, info)
    gdt = segment_rows.gdt(capture)
    if gdt.paddr is not None and gdt.entries:
        yield gdt.paddr, Place("the GDT")


def _modules(capture: Capture) -> Iterator[tuple[int | None, Place]]:
    modules = capture.modules or ()
    pointers = [tuple(_module_pointers(index, module)) for index, module in enumerate(modules[:MOST_MODULES])]
    for index, (module, own) in enumerate(zip(modules, pointers, strict=False)):
        listed = tuple(pointer for some in pointers for pointer in some) if index == 0 else own
        yield module.entry.at, Place("", listed, f"modules[{index}]")
        yield module.entry.paddr, Place(_content(capture, index, module))
        if module.cmdline is not None:
            yield module.cmdline.paddr, Place(text.quoted(module.cmdline.raw))


def _module_pointers(index: int, module: Module) -> Iterator[tuple[str, int]]:
    if module.entry.paddr:
        yield f"modules[{index}].paddr", module.entry.paddr
    if module.entry.cmdline_paddr:
        yield f"modules[{index}].cmdline_paddr", module.entry.cmdline_paddr


def _content(capture: Capture, index: int, module: Module) -> str:
    """Describe a module: what Linux uses it for, its size and, from its first bytes, its format."""
    size = min(module.entry.size, MODULE_HEAD)
    head = capture.bytes_at(module.entry.paddr, size) if size else None
    format_of = f", {ramdisk.kind(head)}" if head else ""
    return f"{start_info_rows.module_role(capture, index, module)}, {text.size(module.entry.size)}{format_of}"
