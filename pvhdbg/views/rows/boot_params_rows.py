"""struct boot_params as a tree of rows. The kernel has two: `pvh_bootparams`, and its copy `boot_params`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pvhdbg.abi.boot_params import BootParams
from pvhdbg.abi.e820 import ZERO_PAGE_ENTRIES, BootE820Entry
from pvhdbg.abi.layout import Struct
from pvhdbg.boot.stop.map_entries import decode_entries
from pvhdbg.named_tuple import NamedTuple
from pvhdbg.views.rows import map_rows, start_info_rows, text
from pvhdbg.views.rows import row as rows
from pvhdbg.views.rows.row import Row, absent, below, field_row

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from pvhdbg.boot.stop.capture import Capture

PARAMS, KERNEL_COPY = "boot_params", "kernel_boot_params"
SYMBOLS = {PARAMS: "pvh_bootparams", KERNEL_COPY: "boot_params"}
"""The kernel's variable that a key of the JSON document stands for."""


def symbol_path(path: str) -> str:
    """Return a path of the JSON document with the kernel's symbol: `pvh_bootparams.hdr` for `boot_params.hdr`."""
    key, dot, rest = path.partition(".")
    return SYMBOLS.get(key, key) + dot + rest


class _Source(NamedTuple):
    """A struct boot_params, and the capture of the modules and the command line that the struct points to."""

    record: BootParams
    capture: Capture

    @property
    def entries(self) -> Sequence[BootE820Entry]:
        return self.record.e820_table[: self.record.e820_entries]

    def wide(self, low: str, high: str) -> int:
        """Return an address or size that is stored as two 32-bit halves, the low half in the setup header."""
        return int(getattr(self.record.hdr, low)) | int(getattr(self.record, high)) << 32


def boot_params_rows(
    capture: Capture, key: str = PARAMS, *, boot_data: Capture | None = None, folded: bool = False
) -> list[Row]:
    """Return a row for every field. The rows of an inner structure's fields follow the row of that structure.

    If `folded` is set, consecutive fields that are 0 become one row. `boot_data` is an earlier capture that has the
    modules and the command line; pass it if `capture` does not have them.
    """
    record = capture.kernel_boot_params if key == KERNEL_COPY else capture.boot_params
    if record is None:
        return [absent(capture, key, SYMBOLS[key])]
    tree = list(_tree(_Source(record, boot_data or capture), record, key, ""))
    return rows.fold([row for row in tree if not _is_entry_field(row)]) if folded else tree


def _is_entry_field(row: Row) -> bool:
    field = row.field()
    return field is not None and field.owner is BootE820Entry


def _tree(source: _Source, record: Struct, path: str, inner: str) -> Iterator[Row]:
    for field, value in record.rows():
        meaning = _MEANINGS.get(inner + field.name)
        row = field_row(record, field, path, meaning and meaning(source))
        yield row._replace(leads_to=_target(source, inner + field.name) or row.leads_to)
        if isinstance(value, Struct):
            yield from below(list(_tree(source, value, row.path, f"{field.name}.")), base=field.offset)
        elif field is BootParams.e820_table:
            yield from below(_e820(source, row.path))
        elif isinstance(value, tuple) and isinstance(value[0], Struct):
            yield from below(list(_array(source, value, row.path)), base=field.offset)


def _array(source: _Source, records: Sequence[Struct], path: str) -> Iterator[Row]:
    for index, record in enumerate(records):
        at = f"{path}[{index}]"
        yield Row(at, f"[{index}]", "", address=record.at, offset=index * record.SIZE, raw=record.raw)
        yield from below(list(_tree(source, record, at, f"{at}.")), base=index * record.SIZE)


def _e820(source: _Source, path: str) -> list[Row]:
    base, used = BootParams.e820_table.offset, len(source.entries)
    entry_rows = map_rows.entry_rows(source.entries, path, fields=True, base=base)
    rest = source.record.bytes_of(BootParams.e820_table)[used * BootE820Entry.SIZE :]
    if not any(rest):
        return entry_rows
    meaning = f"not 0, but not counted by e820_entries ({source.record.e820_entries})"
    return [*entry_rows, Row(path, f"[{used}] …", rest[: BootE820Entry.SIZE].hex(" "), meaning, raw=rest)]


def _target(source: _Source, name: str) -> int | None:
    halves = {
        "hdr.ramdisk_image": ("ramdisk_image", "ext_ramdisk_image"),
        "hdr.cmd_line_ptr": ("cmd_line_ptr", "ext_cmd_line_ptr"),
    }.get(name)
    return source.wide(*halves) if halves else None


def _e820_entries(source: _Source) -> str:
    excess = source.record.e820_entries - ZERO_PAGE_ENTRIES
    return f"{excess} more than the table can hold" if excess > 0 else f"at most {ZERO_PAGE_ENTRIES}"


def _e820_table(source: _Source) -> str:
    return map_rows.summary(source.entries)


def _ramdisk_image(source: _Source) -> str:
    image = source.wide("ramdisk_image", "ext_ramdisk_image")
    modules = source.capture.modules
    if image == 0:
        return "no ramdisk"
    if modules and modules[0].entry.paddr == image:
        return "the ramdisk, module 0"
    return "the ramdisk" + _unlisted(source, image)


def _unlisted(source: _Source, pointer: int) -> str:
    """Return a remark if the memory map has no entry for an address; empty if it has one, or if there is no map."""
    memory_map = source.capture.memory_map
    entries = decode_entries(memory_map.entries) if memory_map else ()
    is_listed = not entries or any(entry.addr <= pointer < entry.end for entry in entries)
    return "" if is_listed else ": not in the memory map"


def _ramdisk_size(source: _Source) -> str:
    return text.size(source.wide("ramdisk_size", "ext_ramdisk_size"))


def _cmd_line_ptr(source: _Source) -> str:
    pointer = source.wide("cmd_line_ptr", "ext_cmd_line_ptr")
    cmdline = source.capture.cmdline
    if pointer == 0:
        return "no command line"
    if cmdline and cmdline.paddr == pointer:
        return start_info_rows.guest_string(source.capture, "cmdline", cmdline)
    return "command line" + _unlisted(source, pointer)


def _acpi_rsdp_addr(source: _Source) -> str:
    pointer = source.record.acpi_rsdp_addr
    return start_info_rows.rsdp_meaning(source.capture, pointer) if pointer else "0: the kernel searches for the RSDP"


_MEANINGS: dict[str, Callable[[_Source], str]] = {
    "acpi_rsdp_addr": _acpi_rsdp_addr,
    "e820_entries": _e820_entries,
    "e820_table": _e820_table,
    "hdr.ramdisk_image": _ramdisk_image,
    "hdr.ramdisk_size": _ramdisk_size,
    "hdr.cmd_line_ptr": _cmd_line_ptr,
}
