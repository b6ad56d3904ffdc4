"""Pretty-printers: gdb's `print` shows the ABI's structures with the meanings of their values, like pvhdbg."""

from __future__ import annotations

from typing import TYPE_CHECKING

import gdb

from pvhdbg.abi.e820 import BootE820Entry
from pvhdbg.abi.setup_header import SetupHeader
from pvhdbg.abi.start_info import MemmapTableEntry, ModlistEntry, StartInfo
from pvhdbg.views.rows.start_info_rows import magic_meaning

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pvhdbg.abi.layout import Field, Struct

_STRUCTURES = {
    struct.C_NAME: struct for struct in (StartInfo, ModlistEntry, MemmapTableEntry, BootE820Entry, SetupHeader)
}


class Printers:
    """The lookup function for all pretty-printers. `disable pretty-printer global pvhdbg` turns them off."""

    name = "pvhdbg"
    enabled = True
    subprinters = None

    def __call__(self, value: gdb.Value) -> _Printer | None:
        ctype = value.type.strip_typedefs()
        struct = _STRUCTURES.get(ctype.tag or "") if ctype.code == gdb.TYPE_CODE_STRUCT else None
        # Another program may have a structure with the same name.
        return _Printer(value, struct) if struct and ctype.sizeof == struct.SIZE else None


def register() -> None:
    """Add the printers at the end of gdb's list, so that the user's own printers take precedence."""
    others = [printer for printer in gdb.pretty_printers if getattr(printer, "name", None) != Printers.name]
    gdb.pretty_printers[:] = [*others, Printers()]  # type: ignore[list-item]  # the protocol in types-gdb is stricter than gdb


class _Printer:
    def __init__(self, value: gdb.Value, struct: type[Struct]) -> None:
        self._value = value
        self._fields = {field.name: field for field in struct.FIELDS}

    def children(self) -> Iterator[tuple[str, gdb.Value | str]]:
        """Yield the fields. gdb formats a gdb.Value as the user requested, and prints a string unchanged."""
        is_plain = not _has_format()
        for member in self._value.type.strip_typedefs().fields():
            name = str(member.name)
            value = self._value[member]
            field = self._fields.get(name)
            yield name, _with_meaning(value, field) if field and is_plain else value


def _has_format() -> bool:
    """Return whether the user requested a format, as in p/x. gdb 12 does not report the format: return False there."""
    return hasattr(gdb, "print_options") and "format" in gdb.print_options()


def _with_meaning(value: gdb.Value, field: Field[int]) -> gdb.Value | str:
    """Return the text that pvhdbg shows for `value`, or `value` itself if gdb would print the same text.

    A field of one byte is always returned as text, because gdb would print it as a character.
    """
    number = int(value)
    meaning = magic_meaning(number) if field is StartInfo.magic else field.value_name(number)
    shown = field.text(number)
    if meaning:
        return f"{shown} ({meaning})"
    return value if shown == str(number) and field.size > 1 else shown
