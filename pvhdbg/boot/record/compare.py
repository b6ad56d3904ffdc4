"""Two captures, or two whole runs, compared: what changed, as values. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from pvhdbg.abi.boot_params import BootParams
from pvhdbg.abi.e820 import BootE820Entry, E820Table
from pvhdbg.abi.layout import Field, Struct
from pvhdbg.abi.start_info import StartInfo
from pvhdbg.boot.record.document import Death, MachineFacts, Outcome, Rewrite
from pvhdbg.boot.stop import stages
from pvhdbg.boot.stop.capture import E820, MemoryMap, Module, Text
from pvhdbg.boot.stop.stages import CAPTURE_KEYS
from pvhdbg.image.facts import ImageFacts, Note, Segment

if TYPE_CHECKING:
    from pvhdbg.boot.record.document import Document
    from pvhdbg.boot.stop.capture import Capture

CPU = ("address_kind", "cpu_mode", "registers")
COPIES = {"pvh_start_info": "start_info", "kernel_boot_params": "boot_params"}
"""What Linux copies, by the copy's key."""

NO_ITEM, NOTHING = "no such item", "none"

_FILE_DESCRIPTOR = re.compile(r"\bfd=\d+")


class Absent(NamedTuple):
    """What stands for a value that does not exist: why it does not."""

    reason: str


class Change(NamedTuple):
    """One value that is not the same. `path` is that of the JSON document, below its stop.

    A value is an integer, a string, bytes, Absent, or, where the other side has none at all, a whole record or list.
    `fields` is the field of a structure that the value is in; empty where it is in none.
    """

    path: str
    before: object
    after: object
    fields: tuple[Field[Any], ...] = ()


class StageChanges(NamedTuple):
    """What is not the same at one stage: `stage` alone where only one of the two runs came there."""

    stage: str
    changes: tuple[Change, ...]


class Comparison(NamedTuple):
    """Two runs compared. The paths of `run` begin with kernel, machine or outcome."""

    run: tuple[Change, ...]
    stages: tuple[StageChanges, ...]

    @property
    def differs(self) -> bool:
        return bool(self.run) or any(each.changes for each in self.stages)


def compare_captures(before: Capture, after: Capture, *, registers: bool = True) -> tuple[Change, ...]:
    """What changed from one stop to another, in the order of the JSON document. Without `registers`, boot data alone.

    Where one stop has only the original and the other only its copy, the copy is compared with the original.
    """
    keys = [*((key, key) for key in (CPU if registers else ())), *compared_keys(before, after)]
    return tuple(change for old, new in keys for change in _things(before, old, after, new))


def _things(before: Capture, old: str, after: Capture, new: str) -> Iterator[Change]:
    """A copy is elsewhere than its original: that is no change."""
    for each in _compare(_part(before, old), _part(after, new)):
        if old == new or each.path != f"{new}.paddr":
            yield each


def compared_keys(before: Capture, after: Capture) -> list[tuple[str, str]]:
    """Which thing of the one stop is compared with which of the other."""
    crossed = [
        (old, new)
        for pair in COPIES.items()
        for old, new in (pair, pair[::-1])
        if _alone(before, old, new) and _alone(after, new, old)
    ]
    taken = {key for pair in crossed for key in pair}
    return sorted(
        [*crossed, *((key, key) for key in CAPTURE_KEYS if key not in taken)],
        key=lambda pair: CAPTURE_KEYS.index(pair[1]),
    )


def _alone(capture: Capture, key: str, other: str) -> bool:
    return getattr(capture, key) is not None and getattr(capture, other) is None


def values_before(before: Capture, after: Capture) -> dict[str, object]:
    """The value before, by path, of all that changed."""
    return {each.path: each.before for each in compare_captures(before, after)}


def is_within(path: str, outer: str) -> bool:
    """Whether a path is `outer` or leads to something in it."""
    return path.startswith(outer) and path[len(outer) : len(outer) + 1] in ("", ".", "[")


def compare_runs(before: Document, after: Document) -> Comparison:
    """Two runs: kernel, machine and outcome, then stage by stage. Registers are compared, too."""
    parts = zip(_run(before), _run(after), strict=True)
    run = (change for pair in parts for change in _compare(*pair))
    old, new = ({each.stage: each for each in document.stops} for document in (before, after))
    names = [name for name in (*stages.NAMES, stages.DIED) if name in old or name in new]
    return Comparison(tuple(run), tuple(_stage(name, old.get(name), new.get(name)) for name in names))


def _run(document: Document) -> tuple[_Part, ...]:
    """What a run has beside its stops. File descriptors among QEMU's arguments are left out."""
    argv = tuple(_FILE_DESCRIPTOR.sub("fd=", each) for each in document.machine.argv)
    parts = {"kernel": document.kernel, "machine": document.machine._replace(argv=argv), "outcome": document.outcome}
    return tuple(_Part(key, value, {}) for key, value in parts.items())


def _stage(name: str, before: Capture | None, after: Capture | None) -> StageChanges:
    if before and after:
        return StageChanges(name, compare_captures(before, after))
    never = Absent("never reached")
    return StageChanges(name, (Change("stage", name if before else never, name if after else never),))


_Fields = tuple[Field[Any], ...]
_Inside = dict[str, tuple[object, _Fields]]
"""What a value is made of, by what is added to its path, each with the field it is in."""


class _Part(NamedTuple):
    """A value on its way through the comparison, with its own path: a copy and its original have different ones."""

    path: str
    value: object
    missing: Mapping[str, str]
    fields: _Fields = ()

    def below(self, key: str, inside: _Inside) -> _Part:
        value, fields = inside.get(key, (None, ()))
        return _Part(self.path + key, value, self.missing, fields or self.fields)

    def shown(self) -> object:
        if self.value is not None:
            return self.value
        return Absent(self.missing.get(self.path, NO_ITEM if self.path.endswith("]") else NOTHING))


def _part(capture: Capture, key: str) -> _Part:
    return _Part(key, _plain(getattr(capture, key)), capture.missing)


def _compare(before: _Part, after: _Part) -> Iterator[Change]:
    if before.value == after.value:
        return
    old, new = _inside(before.value), _inside(after.value)
    if old is None or new is None:
        yield Change(after.path, before.shown(), after.shown(), after.fields or before.fields)
        return
    for key in _keys(before.value, old, after.value, new):
        yield from _compare(before.below(key, old), after.below(key, new))
    if isinstance(before.value, BootParams) and isinstance(after.value, BootParams):
        yield from _unlisted(before.value, after.value, after.path)


def _keys(before: object, old: _Inside, after: object, new: _Inside) -> Iterable[str]:
    """Of structures of different kinds (the entries of two protocols' maps) what both have."""
    if isinstance(before, Struct) and isinstance(after, Struct) and type(before) is not type(after):
        return [key for key in old if key in new]
    return old | new


def _unlisted(before: BootParams, after: BootParams, path: str) -> Iterator[Change]:
    """The bytes of e820_table that neither e820_entries counts: nothing decodes them, but they may change."""
    field = BootParams.e820_table
    listed = max(len(_listed(before)), len(_listed(after))) * BootE820Entry.SIZE
    old, new = before.bytes_of(field)[listed:], after.bytes_of(field)[listed:]
    if old != new:
        yield Change(f"{path}.e820_table", old, new, (field,))


def _listed(record: BootParams) -> tuple[BootE820Entry, ...]:
    return record.e820_table[: record.e820_entries]


def _plain(value: object) -> object:
    """A guest's string as the document has it; everything else as it is."""
    return value.raw.decode("latin-1") if isinstance(value, Text) else value


def _inside(value: object) -> _Inside | None:
    """What a value is made of; null if it is one value."""
    if isinstance(value, Struct):
        return _fields(value)
    if isinstance(value, Mapping):
        return {f".{name}": (each, ()) for name, each in value.items()}
    for kind, names in _NAMES.items():
        if isinstance(value, kind):
            return {f".{name}": (_plain(getattr(value, key)), ()) for name, key in names.items()}
    if isinstance(value, Module):
        return _fields(value.entry) | {".cmdline": (_plain(value.cmdline), ())}
    if isinstance(value, E820):
        return {"": (value.nr_entries, (E820Table.nr_entries,)), **_items(value.entries)}
    return _items(value) if isinstance(value, tuple) and type(value) is tuple else None


def _items(values: Iterable[object]) -> _Inside:
    return {f"[{index}]": (each, ()) for index, each in enumerate(values)}


def _fields(record: Struct) -> _Inside:
    """The fields that it has, and where it lies if the document tells: a structure in another lies where that does."""
    found: _Inside = {f".{field.name}": (value, (field,)) for field, value in record.rows()}
    if isinstance(record, BootParams):
        found[".e820_table"] = _listed(record), ()
    if isinstance(record, (StartInfo, BootParams)):
        found = {".paddr": (record.at, ()), **found}
    return found


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
    Outcome: _same_names("reached", "ended", "died")
    | {"timeout.stage": "waited_for", "timeout.rip": "rip", "timeout.symbol": "symbol"},
    Death: _same_names(*Death._fields),
}
"""Of our own records what the document tells: its key and the attribute."""
