"""`--set`: change one field or string of the boot data that the VMM passed."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from pvhdbg.abi.e820 import E820Table
from pvhdbg.abi.start_info import ModlistEntry, StartInfo
from pvhdbg.boot.lab.assignment import SHELL_HINT
from pvhdbg.boot.lab.patches import Patch, field_patch, required_start_info
from pvhdbg.boot.stop.stages import CAPTURE_KEYS
from pvhdbg.errors import UserError
from pvhdbg.lazy_pattern import pattern

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pvhdbg.abi.layout import Field, Struct
    from pvhdbg.boot.lab.allocator import Allocator
    from pvhdbg.boot.lab.assignment import Assignment
    from pvhdbg.boot.stop.capture import Capture, Text

ITEMS = (
    "use start_info.FIELD, cmdline, modules[N].FIELD, modules[N].cmdline, memory_map.entries[N].FIELD, "
    'or memory_map.nr_entries of an "e820 data" module'
)

_CORRECTIONS = (
    (pattern("|".join(field.name for field in StartInfo.FIELDS)), r"start_info.\g<0>"),
    (pattern(r"(?:memory_map|memmap|entries)(\[.*)"), r"memory_map.entries\1"),
    (pattern(r"module(\[.*)"), r"modules\1"),
    (pattern(r"modules?\.(.*)"), r"modules[0].\1"),
)
"""Wrong paths that users are likely to type, and the path that each of them means."""

T = TypeVar("T")


def assign(capture: Capture, assignment: Assignment, allocator: Allocator) -> list[Patch]:
    """Return the bytes to write for one `--set`.

    :raise UserError: if the path is unknown, or the value does not fit the field.
    """
    names = tuple(part.name for part in assignment.parts)
    indexed = tuple(part.number is not None for part in assignment.parts)
    if names == ("cmdline",) and indexed == (False,):
        pointer = required_start_info(capture), "start_info", StartInfo.cmdline_paddr
        return _set_text(assignment, allocator, capture.cmdline, pointer)
    if names[0] == "start_info" and indexed == (False, False):
        return [_set_field(assignment, required_start_info(capture), "start_info")]
    if names[0] == "modules" and indexed == (True, False):
        return _set_module(capture, assignment, allocator)
    if names[0] == "memory_map" and indexed in ((False, False), (False, True, False)):
        return [_set_map(capture, assignment)]
    raise _unknown(assignment)


def _set_module(capture: Capture, assignment: Assignment, allocator: Allocator) -> list[Patch]:
    module = _indexed(assignment, 0, capture.modules or (), ("module", "boot", "add a module with -i FILE"))
    path = f"modules[{assignment.parts[0].number}]"
    if assignment.parts[1].name == "cmdline":
        return _set_text(assignment, allocator, module.cmdline, (module.entry, path, ModlistEntry.cmdline_paddr))
    return [_set_field(assignment, module.entry, path)]


def _set_map(capture: Capture, assignment: Assignment) -> Patch:
    memory_map = capture.memory_map
    names = [part.name for part in assignment.parts[1:]]
    if memory_map is None or memory_map.paddr is None:
        raise _error(assignment, "there is no memory map")
    if names == ["nr_entries"]:
        if not memory_map.is_module:
            raise _error(assignment, 'the map is not an "e820 data" module', "set start_info.memmap_entries instead")
        table = E820Table(b"", memory_map.paddr)
        return field_patch(table, "memory_map", E820Table.nr_entries, _integer(assignment, 4))
    if names[0] == "entries" and len(names) == 2:
        entry = _indexed(assignment, 1, memory_map.entries, ("entry", "memory map", "see `memmap` for the memory map"))
        return _set_field(assignment, entry, f"memory_map.entries[{assignment.parts[1].number}]")
    raise _unknown(assignment)


def _set_field(assignment: Assignment, record: Struct, path: str) -> Patch:
    name = assignment.parts[-1].name
    try:
        field = record.field(name)
    except KeyError:
        names = ", ".join(known.name for known in record.FIELDS)
        raise _error(assignment, f"struct {record.C_NAME} has no field {name}", f"use one of: {names}") from None
    if not record.has(field):
        raise _error(assignment, "not in version 0 of the structure", "set start_info.version=1 first")
    return field_patch(record, path, field, _integer(assignment, field.size))


def _set_text(
    assignment: Assignment, allocator: Allocator, old: Text | None, pointer: tuple[Struct, str, Field[int]]
) -> list[Patch]:
    """Return the patches that set a string.

    It is set in place if it fits, otherwise in new memory, and then `pointer` gets the new address.
    """
    if not isinstance(assignment.value, bytes):
        raise UserError(
            f"{assignment.path}: expected a string, not {assignment.value}",
            f"quote the value; {SHELL_HINT}",
        )
    data = assignment.value + b"\0"
    if old is not None and len(assignment.value) <= len(old.raw):
        return [Patch(assignment.path, old.paddr, data)]
    paddr = allocator.allocate(len(data))
    return [Patch(assignment.path, paddr, data), field_patch(*pointer, paddr)]


def _indexed(assignment: Assignment, part: int, items: Sequence[T], words: tuple[str, str, str]) -> T:
    """Return the item that one part of the path indexes.

    `words` are the words for an item and for the list's owner, and the hint for an empty list.
    """
    index = assignment.parts[part].number
    if index is not None and index < len(items):
        return items[index]
    item, owner, hint_if_empty = words
    if not items:
        raise _error(assignment, f"no such {item}: this {owner} has none", hint_if_empty)
    indexes = f"0 to {len(items) - 1}" if len(items) > 1 else "only 0"
    raise _error(assignment, f"no such {item}: this {owner} has {indexes}", "use one of these indexes")


def _integer(assignment: Assignment, size: int) -> int:
    """Return the value of an assignment to an integer field of `size` bytes.

    :raise UserError: if the value is a string or does not fit.
    """
    if isinstance(assignment.value, bytes):
        raise UserError(f"{assignment.path}: expected an integer, not a string")
    limit = 1 << 8 * size
    if not 0 <= assignment.value < limit:
        raise UserError(
            f"{assignment.path}: {assignment.value:#x} is out of range",
            f"use a value from 0 to {limit - 1:#x} (the field is a u{8 * size})",
        )
    return assignment.value


def corrected(path: str) -> str:
    """Return the path that the user probably meant; the same path if none is known."""
    matches = ((pattern.fullmatch(path), replacement) for pattern, replacement in _CORRECTIONS)
    return next((match.expand(replacement) for match, replacement in matches if match), path)


def _unknown(assignment: Assignment) -> UserError:
    """Return the error for a path that is unknown or cannot be set."""
    meant = corrected(assignment.path)
    if meant != assignment.path:
        return UserError(f"unknown path: {assignment.path}", f"did you mean `{meant}`?")
    if assignment.parts[0].name in (*CAPTURE_KEYS, "registers"):
        return _error(assignment, "cannot be set")
    return UserError(f"unknown path: {assignment.path}", ITEMS)


def _error(assignment: Assignment, why: str, hint: str = ITEMS) -> UserError:
    return UserError(f"{assignment.path}: {why}", hint)
