"""Differences as lines of text: `path: before -> after`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pvhdbg.abi.cpu import NAMED_BITS
from pvhdbg.abi.e820 import E820_TYPES, BootE820Entry, E820Table
from pvhdbg.abi.layout import Bits, Struct
from pvhdbg.abi.start_info import MemmapTableEntry
from pvhdbg.abi.text import printable
from pvhdbg.boot.record import compare
from pvhdbg.boot.record.compare import Absent
from pvhdbg.boot.record.document import Death, Rewrite, VmmFacts
from pvhdbg.boot.stop.capture import E820, MemoryMap, Module
from pvhdbg.image.facts import ImageFacts, Note, Segment
from pvhdbg.views.rows import map_rows, text
from pvhdbg.views.rows.boot_params_rows import symbol_path as _name

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from pvhdbg.abi.layout import Field
    from pvhdbg.boot.record.compare import Change, Comparison
    from pvhdbg.boot.record.readers import ReadChange
    from pvhdbg.boot.stop.capture import Capture, MapRecord

MOST = 200
"""The most changes that are listed for one structure or one stage."""
NO_DIFFERENCES = "no differences\n"

_NOT_YET = ("not valid before ", compare.NO_ITEM)
_RUN = ("kernel", "machine", "outcome")
_COUNTS = ("nr_entries", "class", "type")
"""Integers outside structures that are shown in decimal, because they are not addresses."""
_BITS = {f"registers.{name}": bits for name, bits in NAMED_BITS.items()}


def captures(before: Capture, after: Capture) -> str:
    """Return what changed from one stop to another: boot data, then registers, then one line with what is unchanged."""
    changes = compare.compare_captures(before, after)
    pairs = compare.compared_keys(before, after)
    keys = [new for _, new in pairs] + list(compare.CPU)
    changed = {key: [change for change in changes if compare.is_within(change.path, key)] for key in keys}
    lines = [f"{before.stage} -> {after.stage}"]
    lines += [
        f"  ({_name(new)} is compared with {_name(old)}: one is a copy of the other)"
        for old, new in pairs
        if old != new
    ]
    lines += [line for key in keys for line in _lines(changed[key])]
    unchanged = [_name(key) for key in keys if not changed[key] and getattr(after, key) is not None]
    return "\n".join([*lines, *_unchanged("unchanged", unchanged)]) + "\n"


def documents(compared: Comparison, read: Sequence[ReadChange] = ()) -> str:
    """Return how two runs differ: kernel, machine and outcome, then each stage, then what is unchanged.

    `read` has the differences at the entry whose readers are known; they come last.
    """
    if not compared.differs:
        return NO_DIFFERENCES
    run = {key: [change for change in compared.run if compare.is_within(change.path, key)] for key in _RUN}
    sections = [*run.items(), *((f"stage {stage.stage}", stage.changes) for stage in compared.stages)]
    lines = [line for name, changes in sections if changes for line in (f"{name}:", *_lines(changes))]
    lines += _unchanged("unchanged", [key for key in _RUN if not run[key]])
    lines += _unchanged("unchanged stages", [stage.stage for stage in compared.stages if not stage.changes])
    return "\n".join([*lines, *_read_lines(read)]) + "\n"


def _read_lines(read: Sequence[ReadChange]) -> Iterator[str]:
    if read:
        count = sum(bool(item.functions) for item in read)
        values = text.counted(len(read), "value")
        yield f"boot data that differs at the entry: until xen_prepare_pvh returns, the guest reads {count} of {values}"
    for item in read[:MOST]:
        functions = ", ".join(map(printable, item.functions))
        yield f"  {line(item.change)}: {f'read by {functions}' if functions else 'not read'}"
    if len(read) > MOST:
        yield f"  … and {len(read) - MOST} more"


def _unchanged(word: str, names: Sequence[str]) -> list[str]:
    return [f"{word}: {', '.join(names)}"] if names else []


def _lines(changes: Sequence[Change]) -> Iterator[str]:
    yield from (f"  {line(change)}" for change in changes[:MOST])
    if len(changes) > MOST:
        yield f"  … and {len(changes) - MOST} more"


def line(change: Change) -> str:
    """Return a change as text: `start_info.magic: 0x336ec578 -> 0x0`. Equal bytes at the beginning are left out."""
    path, before, after = _name(change.path), change.before, change.after
    if isinstance(before, bytes) and isinstance(after, bytes):
        first = next((at for at, (old, new) in enumerate(zip(before, after, strict=False)) if old != new), 0)
        path += f", starting at byte {first}" if first else ""
        before, after = before[first:], after[first:]
    return f"{path}: {value(before, change)} -> {value(after, change)}"


def value(side: object, change: Change) -> str:
    """Return one side of a change as text without control characters."""
    if isinstance(side, int):
        return _integer(side, change)
    if change.path == "stage" and isinstance(side, str):
        return "reached"
    return next(show(side) for kind, show in _SHOWN if isinstance(side, kind))


def _integer(number: int, change: Change) -> str:
    if change.fields:
        field = change.fields[0]
        if field is E820Table.nr_entries:
            return text.counted(number, "entry")
        return f"{field.text(number)}{_meaning(field, number)}"
    if change.path in _BITS:
        return f"{number:#x} ({_BITS[change.path].text(number) or 'none set'})"
    return str(number) if change.path.rpartition(".")[2] in _COUNTS else f"{number:#x}"


def _meaning(field: Field[Any], number: int) -> str:
    if field.names is None:
        return ""
    name = field.names.text(number) if isinstance(field.names, Bits) else field.names.name(number)
    return f" ({name})" if name else ""


def _absent(absent: Absent) -> str:
    """Return the reason, but only "absent" if the value never existed before that point."""
    return "absent" if absent.reason.startswith(_NOT_YET) else printable(absent.reason)


def _entry(entry: MapRecord) -> str:
    return f"{text.span(entry.addr, map_rows.end(entry))} {E820_TYPES.label(entry.type)}"


def _struct(record: Struct) -> str:
    return f"struct {record.C_NAME} at {text.address(record.at)}"


def _module(module: Module) -> str:
    return text.span(*module.span)


def _map(table: MemoryMap | E820) -> str:
    return map_rows.summary(table.entries)


def _segment(segment: Segment) -> str:
    return text.span(segment.paddr, segment.end)


def _note(note: Note) -> str:
    return f"{printable(note.owner)} {note.type}"


def _path(item: ImageFacts | Rewrite) -> str:
    return printable(item.path)


def _death(death: Death) -> str:
    return printable(death.how)


def _vmm(vmm: VmmFacts) -> str:
    return printable(f"{vmm.name} {vmm.version}".rstrip())


def _list(items: tuple[object, ...]) -> str:
    if not items:
        return "none"
    return text.counted(len(items), "module" if isinstance(items[0], Module) else "item")


_SHOWN: tuple[tuple[type | tuple[type, ...], Callable[[Any], str]], ...] = (
    (Absent, _absent),
    (VmmFacts, _vmm),
    (str, text.quoted),
    (bytes, text.hex_start),
    ((MemmapTableEntry, BootE820Entry), _entry),
    (Struct, _struct),
    (Module, _module),
    ((MemoryMap, E820), _map),
    (Segment, _segment),
    (Note, _note),
    ((ImageFacts, Rewrite), _path),
    (Death, _death),
    (tuple, _list),
    (object, lambda value: printable(str(value))),
)
"""How a value is shown on one line: the function for the first type that matches."""
