"""struct hvm_start_info and its modules as rows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pvhdbg.abi.start_info import MAGIC, RSDP_SIGNATURE, ModlistEntry, StartInfo
from pvhdbg.views.rows import map_rows, text
from pvhdbg.views.rows.row import NOTHING, Row, absent, below, field_row

if TYPE_CHECKING:
    from collections.abc import Callable

    from pvhdbg.boot.stop.capture import Capture, Module, Text


def start_info_rows(capture: Capture, key: str = "start_info") -> list[Row]:
    """Every field of `start_info` or, by that key, of `pvh_start_info`, the kernel's copy."""
    record = capture.pvh_start_info if key == "pvh_start_info" else capture.start_info
    if record is None:
        return [absent(capture, key)]
    return [
        field_row(record, field, key, _MEANINGS[field.name](capture, record))
        if record.has(field)
        else absent(capture, f"{key}.{field.name}", field.name)._replace(offset=field.offset, fields=(field,))
        for field in record.FIELDS
    ]


def _magic(_: Capture, record: StartInfo) -> str:
    return "right" if record.magic == MAGIC else f"wrong: should be {MAGIC:#x}"


def _version(_: Capture, record: StartInfo) -> str:
    if record.version > 1:
        return "newer than 1, the last one known"
    return "carries a memory map" if record.version else "carries no memory map"


def _flags(_: Capture, record: StartInfo) -> str:
    return StartInfo.flags.named(record.flags) or "none set"


def _nr_modules(_: Capture, record: StartInfo) -> str:
    if record.nr_modules == 0:
        return "none"
    return "the ramdisk" if record.nr_modules == 1 else "the first is the ramdisk"


def _modlist(capture: Capture, record: StartInfo) -> str:
    modules = capture.modules
    if modules and modules[0].entry.at == record.modlist_paddr:
        total = sum(each.entry.size for each in modules)
        return f"{text.counted(len(modules), 'module')}: {text.size(total)}"
    if record.nr_modules == 0:
        return "there is none" if record.modlist_paddr == 0 else "nr_modules is 0: nobody looks there"
    return capture.missing.get("modules", StartInfo.modlist_paddr.meaning)


def _cmdline(capture: Capture, record: StartInfo) -> str:
    if record.cmdline_paddr == 0:
        return "there is none"
    if capture.cmdline is None or capture.cmdline.paddr != record.cmdline_paddr:
        return capture.missing.get("cmdline", StartInfo.cmdline_paddr.meaning)
    return string(capture, "cmdline", capture.cmdline)


def _rsdp(capture: Capture, record: StartInfo) -> str:
    return rsdp(capture, record.rsdp_paddr)


def _memmap(capture: Capture, record: StartInfo) -> str:
    if record.memmap_paddr == 0:
        return "there is none"
    found = capture.memory_map
    if found and found.paddr == record.memmap_paddr:
        return capture.missing.get("memory_map.entries") or map_rows.summary(found.entries)
    return "memmap_entries is 0: nobody looks there" if record.memmap_entries == 0 else StartInfo.memmap_paddr.meaning


def _memmap_entries(_: Capture, record: StartInfo) -> str:
    return "" if record.memmap_entries else "no map is handed over"


def _reserved(_: Capture, record: StartInfo) -> str:
    return "should be 0" if record.reserved else ""


_MEANINGS: dict[str, Callable[[Capture, StartInfo], str]] = {
    "magic": _magic,
    "version": _version,
    "flags": _flags,
    "nr_modules": _nr_modules,
    "modlist_paddr": _modlist,
    "cmdline_paddr": _cmdline,
    "rsdp_paddr": _rsdp,
    "memmap_paddr": _memmap,
    "memmap_entries": _memmap_entries,
    "reserved": _reserved,
}


def string(capture: Capture, path: str, found: Text, limit: int = text.SHORT) -> str:
    """A guest's string, and why it is not all of it."""
    cut = capture.missing.get(path)
    return text.quoted(found.raw, limit) + (f", {cut}" if cut else "")


def rsdp(capture: Capture, paddr: int) -> str:
    """What lies where ACPI's root pointer should."""
    if paddr == 0:
        return "there is none"
    found = capture.bytes_at(paddr, len(RSDP_SIGNATURE))
    if found is None:
        return capture.missing.get("rsdp", "ACPI root pointer")
    return "ACPI root pointer" if found == RSDP_SIGNATURE else f"no ACPI root pointer there: {found.hex(' ')}"


def module_rows(capture: Capture) -> list[Row]:
    """Each module, its fields below it."""
    if capture.modules is None:
        return [absent(capture, "modules")]
    rows: list[Row] = []
    for index, each in enumerate(capture.modules):
        path = f"modules[{index}]"
        rows.append(_module(capture, index, each))
        rows += below(_module_fields(capture, path, each))
    cut = capture.missing.get("modules")
    return [*rows, Row("modules", "…", NOTHING, cut)] if cut else rows


def _module(capture: Capture, index: int, module: Module) -> Row:
    entry = module.entry
    return Row(
        path=f"modules[{index}]",
        name=f"[{index}]",
        value=text.span(*module.span),
        meaning=role(capture, index, module),
        address=entry.at,
        raw=entry.raw,
        leads_to=entry.paddr or None,
    )


def _module_fields(capture: Capture, path: str, module: Module) -> list[Row]:
    return [
        field_row(module.entry, field, path, _of_module(capture, path, module, field.name))
        for field in ModlistEntry.FIELDS
    ]


def role(capture: Capture, index: int, module: Module) -> str:
    """What a Linux guest takes a module for."""
    if index == 0:
        ignored = module.entry.paddr == 0 or module.entry.size == 0
        return "the ramdisk's place, empty: no ramdisk" if ignored else "the ramdisk"
    if index == 1 and capture.memory_map and capture.memory_map.is_module:
        return "the memory map"
    return "Linux does not look at it"


def _of_module(capture: Capture, path: str, module: Module, name: str) -> str:
    if name == "size":
        return text.size(module.entry.size)
    if name == "cmdline_paddr":
        return module_cmdline(capture, path, module)
    if name == "reserved":
        return "should be 0" if module.entry.reserved else ""
    return ""


def module_cmdline(capture: Capture, path: str, module: Module) -> str:
    """A module's command line, or why there is none."""
    if module.entry.cmdline_paddr == 0:
        return "there is none"
    if module.cmdline is None:
        return capture.missing.get(f"{path}.cmdline", "")
    return string(capture, f"{path}.cmdline", module.cmdline)
