"""struct hvm_start_info and its modules as rows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pvhdbg.abi.start_info import MAGIC, RSDP_SIGNATURE, ModlistEntry, StartInfo
from pvhdbg.boot.stop import stages
from pvhdbg.views.rows import map_rows, text
from pvhdbg.views.rows.row import NOTHING, Row, absent, below, field_row

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pvhdbg.boot.stop.capture import Capture, Module, Text
    from pvhdbg.image.facts import ImageFacts


def copy_name(image: ImageFacts | None) -> str:
    """Return the name of the guest's variable that has or points to its own start_info."""
    variable = stages.variable(stages.PVH_START_INFO, image)
    return stages.PVH_START_INFO if variable is None else variable.symbol


def identical_copy(copy: StartInfo, original: StartInfo, name: str) -> str:
    """Describe a copy that has the same bytes as the original, or that is the original."""
    if copy.at == original.at:
        return f"the variable {name} points to start_info at {text.address(copy.at)}"
    return f"{name} at {text.address(copy.at)}: identical to start_info"


def start_info_rows(capture: Capture, key: str = "start_info") -> list[Row]:
    """Return a row for each field of `start_info`, or of the kernel's copy if `key` is `pvh_start_info`."""
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
    return magic_meaning(record.magic)


def _version(_: Capture, record: StartInfo) -> str:
    if record.version > 1:
        return "unknown version: newer than 1"
    return "has a memory map" if record.version else "has no memory map"


def _flags(_: Capture, record: StartInfo) -> str:
    return StartInfo.flags.value_name(record.flags) or "none set"


def _nr_modules(_: Capture, record: StartInfo) -> str:
    if record.nr_modules == 0:
        return "none"
    return "the ramdisk" if record.nr_modules == 1 else "module 0 is the ramdisk"


def _modlist(capture: Capture, record: StartInfo) -> str:
    modules = capture.modules
    if modules and modules[0].entry.at == record.modlist_paddr:
        return modules_summary(modules)
    if record.nr_modules == 0:
        return "no module list" if record.modlist_paddr == 0 else "ignored: nr_modules is 0"
    return capture.missing.get("modules", StartInfo.modlist_paddr.meaning)


def _cmdline(capture: Capture, record: StartInfo) -> str:
    if record.cmdline_paddr == 0:
        return "no command line"
    if capture.cmdline is None or capture.cmdline.paddr != record.cmdline_paddr:
        return capture.missing.get("cmdline", StartInfo.cmdline_paddr.meaning)
    return guest_string(capture, "cmdline", capture.cmdline)


def _rsdp(capture: Capture, record: StartInfo) -> str:
    return rsdp_meaning(capture, record.rsdp_paddr)


def _memmap(capture: Capture, record: StartInfo) -> str:
    if record.memmap_paddr == 0:
        return "no memory map"
    memory_map = capture.memory_map
    if memory_map and memory_map.paddr == record.memmap_paddr:
        return capture.missing.get("memory_map.entries") or map_rows.summary(memory_map.entries)
    return "ignored: memmap_entries is 0" if record.memmap_entries == 0 else StartInfo.memmap_paddr.meaning


def _memmap_entries(_: Capture, record: StartInfo) -> str:
    return "" if record.memmap_entries else "no memory map"


def _reserved(_: Capture, record: StartInfo) -> str:
    return "must be 0" if record.reserved else ""


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


def magic_meaning(magic: int) -> str:
    return "correct" if magic == MAGIC else f"wrong: must be {MAGIC:#x}"


def guest_string(capture: Capture, path: str, string: Text, limit: int = text.SHORT) -> str:
    """Return a guest's string in quotes. If pvhdbg did not read all of it, add the reason."""
    cut = capture.missing.get(path)
    return text.quoted(string.raw, limit) + (f", {cut}" if cut else "")


def rsdp_meaning(capture: Capture, paddr: int) -> str:
    """Return whether the bytes at `paddr` have the signature of ACPI's RSDP, in words."""
    if paddr == 0:
        return "no RSDP"
    signature = capture.bytes_at(paddr, len(RSDP_SIGNATURE))
    if signature is None:
        return capture.missing.get("rsdp", "ACPI RSDP")
    return "ACPI RSDP" if signature == RSDP_SIGNATURE else f"not an RSDP, wrong signature: {signature.hex(' ')}"


def modules_summary(modules: Sequence[Module]) -> str:
    """Return text such as `2 modules, 3.0 KiB`."""
    total = sum(module.entry.size for module in modules)
    return f"{text.counted(len(modules), 'module')}, {text.size(total) if total else 'empty'}"


def module_rows(capture: Capture) -> list[Row]:
    """Return a row for each module, followed by the rows of its fields."""
    if capture.modules is None:
        return [absent(capture, "modules")]
    rows: list[Row] = []
    for index, module in enumerate(capture.modules):
        path = f"modules[{index}]"
        rows.append(_module(capture, index, module))
        rows += below(_module_fields(capture, path, module))
    cut = capture.missing.get("modules")
    return [*rows, Row("modules", "…", NOTHING, cut)] if cut else rows


def _module(capture: Capture, index: int, module: Module) -> Row:
    entry = module.entry
    return Row(
        path=f"modules[{index}]",
        name=f"[{index}]",
        value=text.span(*module.span),
        meaning=module_role(capture, index, module),
        address=entry.at,
        raw=entry.raw,
        leads_to=entry.paddr or None,
    )


def _module_fields(capture: Capture, path: str, module: Module) -> list[Row]:
    return [
        field_row(module.entry, field, path, _field_meaning(capture, path, module, field.name))
        for field in ModlistEntry.FIELDS
    ]


def module_role(capture: Capture, index: int, module: Module) -> str:
    """Return what a Linux guest uses a module for."""
    if index == 0:
        is_empty = module.entry.paddr == 0 or module.entry.size == 0
        return "no ramdisk: address or size is 0" if is_empty else "the ramdisk"
    if index == 1 and capture.memory_map and capture.memory_map.is_module:
        return "the memory map"
    return "ignored by Linux"


def _field_meaning(capture: Capture, path: str, module: Module, name: str) -> str:
    if name == "size":
        return text.size(module.entry.size)
    if name == "cmdline_paddr":
        return module_cmdline(capture, path, module)
    if name == "reserved":
        return "must be 0" if module.entry.reserved else ""
    return ""


def module_cmdline(capture: Capture, path: str, module: Module) -> str:
    """Return a module's command line in quotes, or the reason why there is none."""
    if module.entry.cmdline_paddr == 0:
        return "no command line"
    if module.cmdline is None:
        return capture.missing.get(f"{path}.cmdline", "")
    return guest_string(capture, f"{path}.cmdline", module.cmdline)
