"""Compare two captures, or two whole runs. The differences are values. Pure functions."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from pvhdbg.abi.boot_params import BootParams
from pvhdbg.abi.e820 import BootE820Entry, E820Table
from pvhdbg.abi.layout import Field, Struct
from pvhdbg.abi.start_info import StartInfo
from pvhdbg.boot.record.document import Death, MachineFacts, Outcome, Rewrite, Watched
from pvhdbg.boot.stop import stages
from pvhdbg.boot.stop.capture import E820, MemoryMap, Module, Text
from pvhdbg.boot.stop.stages import CAPTURE_KEYS
from pvhdbg.image.facts import ImageFacts, Note, Segment
from pvhdbg.lazy_pattern import pattern
from pvhdbg.named_tuple import NamedTuple

if TYPE_CHECKING:
    from pvhdbg.boot.record.document import Document
    from pvhdbg.boot.stop.capture import Capture

CPU = ("address_kind", "cpu_mode", "registers")
COPIES = {"pvh_start_info": "start_info", "kernel_boot_params": "boot_params"}
"""The structures that Linux copies, by the key of the copy. The value is the key of the original."""

NO_ITEM, NO_VALUE = "no such item", "none"
_NO_NOTE = (0, None)
"""Stands for the index and the note, in a run that lacks the note."""

_FILE_DESCRIPTOR = pattern(r"\bfd=\d+")


class Absent(NamedTuple):
    """Stands in for a value that does not exist, and gives the reason."""

    reason: str


class Change(NamedTuple):
    """One value that differs. `path` is the path of the value in the JSON document, below the stop.

    `before` and `after` are each an integer, a string, bytes or Absent. If one of them is Absent, the other may also be
    a whole record or list. `fields` has the field of the C structure that contains the value; it is empty for other
    values.
    """

    path: str
    before: object
    after: object
    fields: tuple[Field[Any], ...] = ()


class StageChanges(NamedTuple):
    """The differences at one stage. If only one run reached the stage, there is one Change, with the path `stage`."""

    stage: str
    changes: tuple[Change, ...]


class Comparison(NamedTuple):
    """The differences between two runs. The paths in `run` begin with `kernel`, `machine` or `outcome`."""

    run: tuple[Change, ...]
    stages: tuple[StageChanges, ...]

    @property
    def differs(self) -> bool:
        return bool(self.run) or any(stage.changes for stage in self.stages)


def compare_captures(before: Capture, after: Capture, *, registers: bool = True) -> tuple[Change, ...]:
    """Return the changes from one stop to another, in the order of the JSON document.

    If `registers` is false, only boot data is compared. If one stop has only the original of a structure, and the other
    has only the copy, the copy is compared with the original.
    """
    keys = [*((key, key) for key in (CPU if registers else ())), *compared_keys(before, after)]
    return tuple(change for old, new in keys for change in _compare_keys(before, old, after, new))


def _compare_keys(before: Capture, old: str, after: Capture, new: str) -> Iterator[Change]:
    """Compare key `old` of one stop with key `new` of another, without the address of a copy: it always differs."""
    for change in _compare(_value_of(before, old), _value_of(after, new)):
        if old == new or change.path != f"{new}.paddr":
            yield change


def compared_keys(before: Capture, after: Capture) -> list[tuple[str, str]]:
    """Return the pairs of keys to compare: a key of `before`, and a key of `after`."""
    crossed = [
        (old, new)
        for pair in COPIES.items()
        for old, new in (pair, pair[::-1])
        if _has_only(before, old, new) and _has_only(after, new, old)
    ]
    taken = {key for pair in crossed for key in pair}
    return sorted(
        [*crossed, *((key, key) for key in CAPTURE_KEYS if key not in taken)],
        key=lambda pair: CAPTURE_KEYS.index(pair[1]),
    )


def _has_only(capture: Capture, key: str, counterpart: str) -> bool:
    return getattr(capture, key) is not None and getattr(capture, counterpart) is None


def values_before(before: Capture, after: Capture) -> dict[str, object]:
    """Return the old value of each changed value, by its path."""
    return {change.path: change.before for change in compare_captures(before, after)}


def is_within(path: str, outer: str) -> bool:
    """Return whether a path is `outer` or below it."""
    return path.startswith(outer) and path[len(outer) : len(outer) + 1] in ("", ".", "[")


def compare_runs(before: Document, after: Document) -> Comparison:
    """Compare two runs: kernel, machine and outcome, then stage by stage, including registers."""
    parts = zip(_run(before), _run(after), strict=True)
    run = (change for pair in parts for change in _compare(*pair))
    old, new = ({stop.stage: stop for stop in document.stops} for document in (before, after))
    names = [name for name in (*stages.NAMES, stages.DIED) if name in old or name in new]
    return Comparison(tuple(run), tuple(_stage(name, old.get(name), new.get(name)) for name in names))


def _run(document: Document) -> tuple[_Value, ...]:
    """Return a run's kernel, machine and outcome, without the file descriptor numbers in QEMU's arguments."""
    argv = tuple(_FILE_DESCRIPTOR.sub("fd=", argument) for argument in document.machine.argv)
    parts = {"kernel": document.kernel, "machine": document.machine._replace(argv=argv), "outcome": document.outcome}
    return tuple(_Value(key, value, {}) for key, value in parts.items())


def _stage(name: str, before: Capture | None, after: Capture | None) -> StageChanges:
    if before and after:
        return StageChanges(name, compare_captures(before, after))
    absent = Absent("never reached")
    return StageChanges(name, (Change("stage", name if before else absent, name if after else absent),))


_Fields = tuple[Field[Any], ...]
_Children = dict[str, tuple[object, _Fields]]
"""The values inside a value, each with the field that contains it. The keys extend the path of the outer value."""


class _Value(NamedTuple):
    """A value to compare, with its path: a copy and its original have different paths."""

    path: str
    value: object
    missing: Mapping[str, str]
    fields: _Fields = ()

    def child(self, suffix: str, children: _Children) -> _Value:
        value, fields = children.get(suffix, (None, ()))
        return _Value(self.path + suffix, value, self.missing, fields or self.fields)

    def shown(self) -> object:
        if self.value is not None:
            return self.value
        return Absent(self.missing.get(self.path, NO_ITEM if self.path.endswith("]") else NO_VALUE))


def _value_of(capture: Capture, key: str) -> _Value:
    return _Value(key, _plain(getattr(capture, key)), capture.missing)


def _compare(before: _Value, after: _Value) -> Iterator[Change]:
    if before.value == after.value:
        return
    if _is_notes(before.value) and _is_notes(after.value):
        yield from _compare_notes(before, after)
        return
    old, new = _children(before.value), _children(after.value)
    if old is None or new is None:
        yield Change(after.path, before.shown(), after.shown(), after.fields or before.fields)
        return
    for suffix in _suffixes(before.value, old, after.value, new):
        yield from _compare(before.child(suffix, old), after.child(suffix, new))
    if isinstance(before.value, BootParams) and isinstance(after.value, BootParams):
        yield from _compare_uncounted(before.value, after.value, after.path)


def _is_notes(value: object) -> bool:
    return isinstance(value, tuple) and bool(value) and isinstance(value[0], Note)


def _compare_notes(before: _Value, after: _Value) -> Iterator[Change]:
    """Compare notes of the same owner and type: linkers put them in different orders.

    An index in a path is that in the second run, or in the first for a note that the second run lacks.
    """
    old, new = _by_kind(before.value), _by_kind(after.value)
    for kind, (index, _) in (old | new).items():
        (_, was), (_, now) = old.get(kind, _NO_NOTE), new.get(kind, _NO_NOTE)
        path = f"{after.path}[{index}]"
        yield from _compare(_Value(path, was, before.missing), _Value(path, now, after.missing))


def _by_kind(notes: Any) -> dict[tuple[str, int, int], tuple[int, Note]]:  # noqa: ANN401 - _is_notes has checked it
    """Return each note and its index, by its owner, its type, and how many such notes precede it."""
    found: dict[tuple[str, int, int], tuple[int, Note]] = {}
    counts: Counter[tuple[str, int]] = Counter()
    for index, note in enumerate(notes):
        found[note.owner, note.type, counts[note.owner, note.type]] = (index, note)
        counts[note.owner, note.type] += 1
    return found


def _suffixes(before: object, old: _Children, after: object, new: _Children) -> Iterable[str]:
    """Return the suffixes to compare. Of two different C structures, compare the fields that both have.

    An example is the map entries of two protocols.
    """
    if isinstance(before, Struct) and isinstance(after, Struct) and type(before) is not type(after):
        return [suffix for suffix in old if suffix in new]
    return old | new


def _compare_uncounted(before: BootParams, after: BootParams, path: str) -> Iterator[Change]:
    """Compare the bytes of e820_table after the last counted entry: they are not decoded, but they may change."""
    field = BootParams.e820_table
    counted = max(len(_counted_entries(before)), len(_counted_entries(after))) * BootE820Entry.SIZE
    old, new = before.bytes_of(field)[counted:], after.bytes_of(field)[counted:]
    if old != new:
        yield Change(f"{path}.e820_table", old, new, (field,))


def _counted_entries(record: BootParams) -> tuple[BootE820Entry, ...]:
    return record.e820_table[: record.e820_entries]


def _plain(value: object) -> object:
    """Return the JSON form of a Text, which is a string; return any other value unchanged."""
    return value.raw.decode("latin-1") if isinstance(value, Text) else value


def _children(value: object) -> _Children | None:
    """Return the values inside `value`; None for a value that is not composed of others."""
    if isinstance(value, Struct):
        return _fields(value)
    if isinstance(value, Mapping):
        return {f".{name}": (child, ()) for name, child in value.items()}
    for kind, names in _NAMES.items():
        if isinstance(value, kind):
            return {f".{name}": (_plain(getattr(value, key)), ()) for name, key in names.items()}
    if isinstance(value, Module):
        return _fields(value.entry) | {".cmdline": (_plain(value.cmdline), ())}
    if isinstance(value, E820):
        return {"": (value.nr_entries, (E820Table.nr_entries,)), **_items(value.entries)}
    return _items(value) if isinstance(value, tuple) and type(value) is tuple else None


def _items(values: Iterable[object]) -> _Children:
    return {f"[{index}]": (item, ()) for index, item in enumerate(values)}


def _fields(record: Struct) -> _Children:
    """Return the fields of a record, and also its address if the JSON document has the address of this structure."""
    children: _Children = {f".{field.name}": (value, (field,)) for field, value in record.rows()}
    if isinstance(record, BootParams):
        children[".e820_table"] = _counted_entries(record), ()
    if isinstance(record, (StartInfo, BootParams)):
        children = {".paddr": (record.at, ()), **children}
    return children


def _same_names(*names: str) -> dict[str, str]:
    return dict(zip(names, names, strict=True))


_NAMES: dict[type, dict[str, str]] = {
    MemoryMap: _same_names(*MemoryMap._fields),
    ImageFacts: {"path": "path", "kind": "kind", "class": "elf_class"}
    | _same_names("entry", "build_id", "release", "segments", "notes"),
    Segment: _same_names("paddr", "vaddr", "filesz", "memsz"),
    Note: {"owner": "owner", "type": "type", "hex": "desc"},
    MachineFacts: _same_names(*MachineFacts._fields),
    Rewrite: _same_names(*Rewrite._fields),
    Outcome: _same_names("reached", "ended", "died", "watched")
    | {"timeout.stage": "waited_for", "timeout.rip": "rip", "timeout.symbol": "symbol"},
    Death: _same_names(*Death._fields),
    Watched: _same_names("ended", "rip", "symbol", "message"),  # times and logs differ in each run
}
"""For each of our own record types: the keys in the JSON document, and the attribute that each key stands for."""
