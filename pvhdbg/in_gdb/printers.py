"""gdb's `print` for what a PVH guest is handed: values as the field shows them, with what they mean."""

from __future__ import annotations

from typing import TYPE_CHECKING

import gdb

from pvhdbg.abi.e820 import BootE820Entry
from pvhdbg.abi.setup_header import SetupHeader
from pvhdbg.abi.start_info import MAGIC, MemmapTableEntry, ModlistEntry, StartInfo

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pvhdbg.abi.layout import Field, Struct

_STRUCTURES = {each.C_NAME: each for each in (StartInfo, ModlistEntry, MemmapTableEntry, BootE820Entry, SetupHeader)}


class Printers:
    """One pretty-printer in gdb's sense: `disable pretty-printer global pvhdbg` turns it off."""

    name = "pvhdbg"
    enabled = True
    subprinters = None

    def __call__(self, value: gdb.Value) -> _Printer | None:
        ctype = value.type.strip_typedefs()
        table = _STRUCTURES.get(ctype.tag or "") if ctype.code == gdb.TYPE_CODE_STRUCT else None
        # Somebody else's structure may have the same name.
        return _Printer(value, table) if table and ctype.sizeof == table.SIZE else None


def register() -> None:
    """Last of all: a user's own printers for these come first."""
    others = [each for each in gdb.pretty_printers if getattr(each, "name", None) != Printers.name]
    gdb.pretty_printers[:] = [*others, Printers()]  # type: ignore[list-item]  # its protocol is stricter than gdb


class _Printer:
    def __init__(self, value: gdb.Value, table: type[Struct]) -> None:
        self._value = value
        self._fields = {each.name: each for each in table.FIELDS}

    def children(self) -> Iterator[tuple[str, gdb.Value | str]]:
        """A value is formatted by gdb as the user asked; a string is shown as it is."""
        speaks = not _has_format()
        for each in self._value.type.strip_typedefs().fields():
            name = str(each.name)
            value = self._value[each]
            field = self._fields.get(name)
            yield name, _told(value, field) if field and speaks else value


def _has_format() -> bool:
    """Whether the user asks for a format of his own, as in p/x; gdb 12 does not tell."""
    return hasattr(gdb, "print_options") and "format" in gdb.print_options()


def _told(value: gdb.Value, field: Field[int]) -> gdb.Value | str:
    """A plain count stays gdb's own to format; a byte would be a character to it."""
    number = int(value)
    meaning = _magic(number) if field is StartInfo.magic else field.value_name(number)
    shown = field.text(number)
    if meaning:
        return f"{shown} ({meaning})"
    return value if shown == str(number) and field.size > 1 else shown


def _magic(number: int) -> str:
    return "right" if number == MAGIC else f"wrong: should be {MAGIC:#x}"
