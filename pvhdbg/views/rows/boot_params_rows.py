"""struct boot_params as a tree of rows: pvh_bootparams, and the kernel's copy of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from pvhdbg.abi.boot_params import BootParams
from pvhdbg.abi.e820 import ZERO_PAGE_ENTRIES, BootE820Entry
from pvhdbg.abi.layout import Struct
from pvhdbg.views.rows import map_rows, start_info_rows, text
from pvhdbg.views.rows import row as rows
from pvhdbg.views.rows.row import Row, absent, below, field_row

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from pvhdbg.boot.stop.capture import Capture

PARAMS, KERNEL_COPY = "boot_params", "kernel_boot_params"


class _Given(NamedTuple):
    """The record, and the capture that tells what its addresses lead to."""

    record: BootParams
    capture: Capture

    @property
    def entries(self) -> Sequence[BootE820Entry]:
        return self.record.e820_table[: self.record.e820_entries]

    def wide(self, low: str, high: str) -> int:
        """An address or size kept in two halves, the low one in the setup header."""
        return int(getattr(self.record.hdr, low)) | int(getattr(self.record, high)) << 32


def boot_params_rows(
    capture: Capture, key: str = PARAMS, *, handed_over: Capture | None = None, folded: bool = False
) -> list[Row]:
    """Every field, structures above their own fields; `folded` makes one row of each run of zero fields.

    `handed_over` is an earlier capture that knows modules and command line, where this one does not.
    """
    record = capture.kernel_boot_params if key == KERNEL_COPY else capture.boot_params
    if record is None:
        return [absent(capture, key)]
    given = _Given(record, handed_over or capture)
    tree = list(_tree(given, record, key, ""))
    return rows.fold([each for each in tree if not _is_entry_field(each)]) if folded else tree


def _is_entry_field(row: Row) -> bool:
    field = row.field()
    return field is not None and field.owner is BootE820Entry


def _tree(given: _Given, record: Struct, path: str, inner: str) -> Iterator[Row]:
    for field, value in record.rows():
        meaning = _MEANINGS.get(inner + field.name)
        row = field_row(record, field, path, meaning and meaning(given))
        yield row._replace(leads_to=_target(given, inner + field.name) or row.leads_to)
        if isinstance(value, Struct):
            yield from below(list(_tree(given, value, row.path, f"{field.name}.")), base=field.offset)
        elif field is BootParams.e820_table:
            yield from below(_e820(given, row.path))
        elif isinstance(value, tuple) and isinstance(value[0], Struct):
            yield from below(list(_array(given, value, row.path)), base=field.offset)


def _array(given: _Given, records: Sequence[Struct], path: str) -> Iterator[Row]:
    for index, record in enumerate(records):
        at = f"{path}[{index}]"
        yield Row(at, f"[{index}]", "", address=record.at, offset=index * record.SIZE, raw=record.raw)
        yield from below(list(_tree(given, record, at, f"{at}.")), base=index * record.SIZE)


def _e820(given: _Given, path: str) -> list[Row]:
    base, used = BootParams.e820_table.offset, len(given.entries)
    listed = map_rows.entry_rows(given.entries, path, fields=True, base=base)
    rest = given.record.bytes_of(BootParams.e820_table)[used * BootE820Entry.SIZE :]
    if not any(rest):
        return listed
    meaning = f"not 0, though e820_entries is {given.record.e820_entries}"
    return [*listed, Row(path, f"[{used}] …", rest[: BootE820Entry.SIZE].hex(" "), meaning, raw=rest)]


def _target(given: _Given, name: str) -> int | None:
    halves = {
        "hdr.ramdisk_image": ("ramdisk_image", "ext_ramdisk_image"),
        "hdr.cmd_line_ptr": ("cmd_line_ptr", "ext_cmd_line_ptr"),
    }.get(name)
    return given.wide(*halves) if halves else None


def _e820_entries(given: _Given) -> str:
    over = given.record.e820_entries - ZERO_PAGE_ENTRIES
    return f"{over} more than the table holds" if over > 0 else f"of {ZERO_PAGE_ENTRIES}"


def _e820_table(given: _Given) -> str:
    return map_rows.summary(given.entries)


def _ramdisk_image(given: _Given) -> str:
    image = given.wide("ramdisk_image", "ext_ramdisk_image")
    modules = given.capture.modules
    if image == 0:
        return "no ramdisk"
    if modules and modules[0].entry.paddr == image:
        return "the ramdisk, module 0"
    return "the ramdisk"


def _ramdisk_size(given: _Given) -> str:
    return text.size(given.wide("ramdisk_size", "ext_ramdisk_size"))


def _cmd_line_ptr(given: _Given) -> str:
    pointer = given.wide("cmd_line_ptr", "ext_cmd_line_ptr")
    cmdline = given.capture.cmdline
    if pointer == 0:
        return "no command line"
    if cmdline and cmdline.paddr == pointer:
        return start_info_rows.string(given.capture, "cmdline", cmdline)
    return "command line"


def _acpi_rsdp_addr(given: _Given) -> str:
    pointer = given.record.acpi_rsdp_addr
    return start_info_rows.rsdp(given.capture, pointer) if pointer else "not given: the kernel looks elsewhere"


_MEANINGS: dict[str, Callable[[_Given], str]] = {
    "acpi_rsdp_addr": _acpi_rsdp_addr,
    "e820_entries": _e820_entries,
    "e820_table": _e820_table,
    "hdr.ramdisk_image": _ramdisk_image,
    "hdr.ramdisk_size": _ramdisk_size,
    "hdr.cmd_line_ptr": _cmd_line_ptr,
}
