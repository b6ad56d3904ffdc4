"""What changed, as lines for a person: `path: before -> after`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pvhdbg.abi.cpu import NAMED_BITS
from pvhdbg.abi.e820 import E820_TYPES, BootE820Entry
from pvhdbg.abi.layout import Bits, Struct
from pvhdbg.abi.start_info import MemmapTableEntry
from pvhdbg.abi.text import printable
from pvhdbg.boot.record import compare
from pvhdbg.boot.record.compare import Absent
from pvhdbg.boot.record.document import Death, Rewrite
from pvhdbg.boot.stop.capture import E820, MemoryMap, Module
from pvhdbg.image.facts import ImageFacts, Note, Segment
from pvhdbg.views.rows import map_rows, text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from pvhdbg.abi.layout import Field
    from pvhdbg.boot.record.compare import Change, Comparison
    from pvhdbg.boot.stop.capture import Capture, MapRecord

MOST = 200
"""Changes that are listed of one thing."""
BYTES_SHOWN = 16
SAME = "nothing changed\n"

_RUN = ("kernel", "machine", "outcome")
_COUNTS = ("nr_entries", "class", "type")
"""Integers that are in no structure and are no addresses."""
_BITS = {f"registers.{name}": bits for name, bits in NAMED_BITS.items()}


def captures(before: Capture, after: Capture) -> str:
    """From one stop to another: boot data first, the CPU last, what is the same on one line."""
    changes = compare.compare_captures(before, after)
    pairs = compare.compared_keys(before, after)
    keys = [new for _, new in pairs] + list(compare.CPU)
    changed = {key: [each for each in changes if compare.is_within(each.path, key)] for key in keys}
    lines = [f"{before.stage} -> {after.stage}"]
    lines += [f"  ({new} is compared with {old}, which it is a copy of)" for old, new in pairs if old != new]
    lines += [line for key in keys for line in _lines(changed[key])]
    unchanged = [key for key in keys if not changed[key] and getattr(after, key) is not None]
    return "\n".join([*lines, *_unchanged("unchanged", unchanged)]) + "\n"


def documents(compared: Comparison) -> str:
    """Two runs: what differs before any stage, then stage by stage; what is the same on one line."""
    if not compared.differs:
        return SAME
    run = {key: [each for each in compared.run if compare.is_within(each.path, key)] for key in _RUN}
    sections = [*run.items(), *((f"stage {each.stage}", each.changes) for each in compared.stages)]
    lines = [each for name, changes in sections if changes for each in (f"{name}:", *_lines(changes))]
    lines += _unchanged("unchanged", [key for key in _RUN if not run[key]])
    lines += _unchanged("unchanged stages", [each.stage for each in compared.stages if not each.changes])
    return "\n".join(lines) + "\n"


def _unchanged(word: str, names: Sequence[str]) -> list[str]:
    return [f"{word}: {', '.join(names)}"] if names else []


def _lines(changes: Sequence[Change]) -> Iterator[str]:
    yield from (f"  {line(each)}" for each in changes[:MOST])
    if len(changes) > MOST:
        yield f"  … and {len(changes) - MOST} more"


def line(change: Change) -> str:
    """`start_info.magic: 0x336ec578 -> 0x0`."""
    place, before, after = change.path, change.before, change.after
    if isinstance(before, bytes) and isinstance(after, bytes):
        first = next((at for at, (old, new) in enumerate(zip(before, after, strict=False)) if old != new), 0)
        place += f", from byte {first} on" if first else ""
        before, after = before[first:], after[first:]
    return f"{place}: {value(before, change)} -> {value(after, change)}"


def value(of: object, change: Change) -> str:
    """One side of a change; fit for a terminal, whatever a guest put there."""
    if isinstance(of, int):
        return _integer(of, change)
    return next(show(of) for kind, show in _SHOWN if isinstance(of, kind))


def _integer(of: int, change: Change) -> str:
    if change.fields:
        field = change.fields[0]
        return f"{field.text(of)}{_name(field, of)}"
    if change.path in _BITS:
        return f"{of:#x} ({_BITS[change.path].text(of) or 'none set'})"
    return str(of) if change.path.rpartition(".")[2] in _COUNTS else f"{of:#x}"


def _name(field: Field[Any], of: int) -> str:
    if field.names is None:
        return ""
    name = field.names.text(of) if isinstance(field.names, Bits) else field.names.name(of)
    return f" ({name})" if name else ""


def _entry(of: MapRecord) -> str:
    return f"{text.span(of.addr, map_rows.end(of))} {E820_TYPES.label(of.type)}"


def _struct(of: Struct) -> str:
    return f"struct {of.C_NAME} at {text.address(of.at)}"


def _module(of: Module) -> str:
    return text.span(*of.span)


def _map(of: MemoryMap | E820) -> str:
    return map_rows.summary(of.entries)


def _bytes(of: bytes) -> str:
    return of[:BYTES_SHOWN].hex(" ") + ("…" if len(of) > BYTES_SHOWN else "")


def _segment(of: Segment) -> str:
    return text.span(of.paddr, of.end)


def _note(of: Note) -> str:
    return f"{printable(of.owner)} {of.type}"


def _path(of: ImageFacts | Rewrite) -> str:
    return printable(of.path)


def _death(of: Death) -> str:
    return printable(of.how)


def _list(of: tuple[object, ...]) -> str:
    if not of:
        return "none"
    return text.counted(len(of), "module" if isinstance(of[0], Module) else "item")


_SHOWN: tuple[tuple[type | tuple[type, ...], Callable[[Any], str]], ...] = (
    (Absent, lambda of: printable(of.reason)),
    (str, text.quoted),
    (bytes, _bytes),
    ((MemmapTableEntry, BootE820Entry), _entry),
    (Struct, _struct),
    (Module, _module),
    ((MemoryMap, E820), _map),
    (Segment, _segment),
    (Note, _note),
    ((ImageFacts, Rewrite), _path),
    (Death, _death),
    (tuple, _list),
    (object, lambda of: printable(str(of))),
)
"""How each kind of value is told on one line; the first that fits."""
