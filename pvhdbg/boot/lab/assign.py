"""`--set`: one thing that was handed over, changed."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from pvhdbg.abi.e820 import E820Table
from pvhdbg.abi.start_info import ModlistEntry, StartInfo
from pvhdbg.boot.lab.patches import Write, field_write, start_info
from pvhdbg.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pvhdbg.abi.layout import Field, Struct
    from pvhdbg.boot.lab.allocator import Room
    from pvhdbg.boot.lab.assignment import Assignment
    from pvhdbg.boot.stop.capture import Capture, Text

ITEMS = (
    "what can be set: start_info.FIELD, cmdline, modules[N].FIELD, modules[N].cmdline, memory_map.entries[N].FIELD, "
    'and memory_map.nr_entries of an "e820 data" module'
)

T = TypeVar("T")


def set_item(seen: Capture, wanted: Assignment, free: Room) -> list[Write]:
    """What to write for one `--set`. A place that it needs is taken from `free`.

    :raise UserError: if there is no such item, or the value is not one for it.
    """
    names = tuple(each.name for each in wanted.parts)
    indexed = tuple(each.number is not None for each in wanted.parts)
    if names == ("cmdline",) and indexed == (False,):
        return _set_text(wanted, free, seen.cmdline, (start_info(seen), "start_info", StartInfo.cmdline_paddr))
    if names[0] == "start_info" and indexed == (False, False):
        return [_setfield_write(wanted, start_info(seen), "start_info")]
    if names[0] == "modules" and indexed == (True, False):
        return _set_module(seen, wanted, free)
    if names[0] == "memory_map" and indexed in ((False, False), (False, True, False)):
        return [_set_map(seen, wanted)]
    raise _no_such(wanted)


def _set_module(seen: Capture, wanted: Assignment, free: Room) -> list[Write]:
    module = _item(wanted, 0, seen.modules or ())
    path = f"modules[{wanted.parts[0].number}]"
    if wanted.parts[1].name == "cmdline":
        return _set_text(wanted, free, module.cmdline, (module.entry, path, ModlistEntry.cmdline_paddr))
    return [_setfield_write(wanted, module.entry, path)]


def _set_map(seen: Capture, wanted: Assignment) -> Write:
    given = seen.memory_map
    names = [each.name for each in wanted.parts[1:]]
    if given is None or given.paddr is None:
        raise _no_such(wanted, "there is no memory map")
    if names == ["nr_entries"]:
        if not given.is_module:
            raise _no_such(wanted, "the map is no module", "start_info.memmap_entries counts this one")
        return field_write(E820Table(b"", given.paddr), "memory_map", E820Table.nr_entries, _integer(wanted, 4))
    if names[0] == "entries" and len(names) == 2:
        return _setfield_write(wanted, _item(wanted, 1, given.entries), f"memory_map.entries[{wanted.parts[1].number}]")
    raise _no_such(wanted)


def _setfield_write(wanted: Assignment, record: Struct, path: str) -> Write:
    name = wanted.parts[-1].name
    try:
        field = record.field(name)
    except KeyError:
        names = ", ".join(each.name for each in record.FIELDS)
        raise _no_such(wanted, f"struct {record.C_NAME} has no {name}", f"it has {names}") from None
    if not record.has(field):
        raise _no_such(wanted, "not in version 0 of the structure", "start_info.version=1 comes first")
    return field_write(record, path, field, _integer(wanted, field.size))


def _set_text(wanted: Assignment, free: Room, old: Text | None, pointer: tuple[Struct, str, Field[int]]) -> list[Write]:
    """In place where it fits; else at a place of its own, to which `pointer` then leads."""
    if not isinstance(wanted.value, bytes):
        raise UserError(f"{wanted.path}: takes a string, not {wanted.value}", "quote it, also against the shell")
    data = wanted.value + b"\0"
    if old is not None and len(wanted.value) <= len(old.raw):
        return [Write(wanted.path, old.paddr, data)]
    at = free.place(len(data))
    return [Write(wanted.path, at, data), field_write(*pointer, at)]


def _item(wanted: Assignment, part: int, there: Sequence[T]) -> T:
    index = wanted.parts[part].number
    if index is None or index >= len(there):
        raise _no_such(wanted, f"there are {len(there)}, counted from 0")
    return there[index]


def _integer(wanted: Assignment, size: int) -> int:
    if isinstance(wanted.value, bytes):
        raise UserError(f"{wanted.path}: takes an integer, not a string")
    if not 0 <= wanted.value < 1 << 8 * size:
        raise UserError(f"{wanted.path}: {wanted.value:#x} is out of range", f"it is a u{8 * size}")
    return wanted.value


def _no_such(wanted: Assignment, why: str = "no such item", hint: str = ITEMS) -> UserError:
    return UserError(f"{wanted.path}: {why}", hint)
