"""The laboratory at the entry stop: what a VMM handed over is turned into another form, or changed in one place.

Pure but for `apply`: a Capture and a change give the bytes to be written, in order.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from pvhdbg.abi.e820 import E820_DATA, BootE820Entry, E820Table
from pvhdbg.abi.layout import Field, Struct
from pvhdbg.abi.start_info import MemmapTableEntry, ModlistEntry, StartInfo
from pvhdbg.boot.capture import MemoryMap
from pvhdbg.boot.document import Rewrite
from pvhdbg.boot.protocols import AS_IS, E820_MODULE, MEMMAP, V0
from pvhdbg.boot.read import capture
from pvhdbg.boot.room import Room, room
from pvhdbg.boot.setting import Setting
from pvhdbg.errors import TargetError, UserError

if TYPE_CHECKING:
    from pvhdbg.boot.capture import Capture, Text
    from pvhdbg.image.facts import ImageFacts
    from pvhdbg.target.base import WritableTarget

ITEMS = (
    "what can be set: start_info.FIELD, cmdline, modules[N].FIELD, modules[N].cmdline, memory_map.entries[N].FIELD, "
    'and memory_map.nr_entries of an "e820 data" module'
)

T = TypeVar("T")
Change = str | Setting
"""One of PROTOCOLS, or one thing to be set."""


class Write(NamedTuple):
    """Bytes for guest memory, and the path of what they are."""

    path: str
    paddr: int
    data: bytes


def apply(
    target: WritableTarget, image: ImageFacts | None, entry: Capture, changes: Sequence[Change]
) -> tuple[tuple[Rewrite, ...], Capture]:
    """Make each change in turn, on a machine that stands at its entry; what was written, and the entry as it is then.

    `entry` is the capture of that stop before any change.

    :raise UserError: if a change can't be made; those before it have been.
    """
    free, seen = room(entry, image), entry
    done: list[Rewrite] = []
    for change in changes:
        for write in writes(seen, change, free):
            before = target.read_phys(write.paddr, len(write.data))
            target.write_phys(write.paddr, write.data)
            done.append(Rewrite(write.path, write.paddr, before, write.data))
        seen = capture(target, "entry", image, None)
    return tuple(done), seen


def writes(seen: Capture, change: Change, free: Room) -> list[Write]:
    """What to write for one change. Places that it needs are taken from `free`.

    :raise UserError: if there is no such item, or the value is not one for it.
    """
    if isinstance(change, Setting):
        return _set(seen, change, free)
    return {AS_IS: _as_is, E820_MODULE: _to_e820_module, MEMMAP: _to_memmap, V0: _to_v0}[change](seen, free)


# --protocol


def _as_is(_seen: Capture, _free: Room) -> list[Write]:
    return []


def _to_e820_module(seen: Capture, free: Room) -> list[Write]:
    """Version 0; module 0 is the initrd or an empty one, module 1 the map, named; other modules follow."""
    info, given = _start_info(seen), _whole_map(seen)
    if given.protocol == E820_MODULE:
        return [_field(info, "start_info", StartInfo.version, 0)]
    blob = len(given.entries).to_bytes(E820Table.SIZE, "little") + b"".join(
        _entry(BootE820Entry, each.addr, each.size, each.type) for each in given.entries
    )
    name = E820_DATA + b"\0"
    blob_at, name_at = free.place(len(blob)), free.place(len(name))
    modules = [each.entry.raw for each in seen.modules or ()] or [bytes(ModlistEntry.SIZE)]
    modules.insert(1, _entry(ModlistEntry, blob_at, len(blob), name_at))
    modlist_at = free.place(len(modules) * ModlistEntry.SIZE)
    return [
        Write("memory_map", blob_at, blob),
        Write("modules[1].cmdline", name_at, name),
        Write("modules", modlist_at, b"".join(modules)),
        _field(info, "start_info", StartInfo.nr_modules, len(modules)),
        _field(info, "start_info", StartInfo.modlist_paddr, modlist_at),
        _field(info, "start_info", StartInfo.version, 0),
    ]


def _to_memmap(seen: Capture, free: Room) -> list[Write]:
    """The reverse: a table of version 1, and no module for the map."""
    info, given = _start_info(seen), _whole_map(seen)
    if given.protocol == MEMMAP:
        return []
    table = b"".join(_entry(MemmapTableEntry, each.addr, each.size, each.type) for each in given.entries)
    table_at = free.place(len(table))
    return [
        Write("memory_map", table_at, table),
        *_without_map_module(seen, info),
        _field(info, "start_info", StartInfo.memmap_paddr, table_at),
        _field(info, "start_info", StartInfo.memmap_entries, len(given.entries)),
        _field(info, "start_info", StartInfo.reserved, 0),
        _field(info, "start_info", StartInfo.version, 1),
    ]


def _to_v0(seen: Capture, _free: Room) -> list[Write]:
    """No map at all."""
    info = _start_info(seen)
    return [*_without_map_module(seen, info), _field(info, "start_info", StartInfo.version, 0)]


def _without_map_module(seen: Capture, info: StartInfo) -> list[Write]:
    """The module list without the map, and without an empty module that only made it the second."""
    if seen.memory_map is None or seen.memory_map.protocol != E820_MODULE:
        return []
    kept = [each.entry for index, each in enumerate(seen.modules or ()) if index != 1]
    if len(kept) == 1 and not kept[0].paddr and not kept[0].size:
        return [
            _field(info, "start_info", StartInfo.nr_modules, 0),
            _field(info, "start_info", StartInfo.modlist_paddr, 0),
        ]
    return [
        Write("modules", info.modlist_paddr, b"".join(each.raw for each in kept)),
        _field(info, "start_info", StartInfo.nr_modules, len(kept)),
    ]


def _whole_map(seen: Capture) -> MemoryMap:
    given = seen.memory_map
    if given is None or given.protocol not in (MEMMAP, E820_MODULE):
        raise UserError("there is no memory map to hand over in another form")
    if len(given.entries) != given.nr_entries:
        raise UserError(f"of the memory map's {given.nr_entries} entries only {len(given.entries)} could be read")
    return given


# --set


def _set(seen: Capture, wanted: Setting, free: Room) -> list[Write]:
    names = tuple(each.name for each in wanted.parts)
    indexed = tuple(each.number is not None for each in wanted.parts)
    if names == ("cmdline",) and indexed == (False,):
        return _set_text(wanted, free, seen.cmdline, (_start_info(seen), "start_info", StartInfo.cmdline_paddr))
    if names[0] == "start_info" and indexed == (False, False):
        return [_set_field(wanted, _start_info(seen), "start_info")]
    if names[0] == "modules" and indexed == (True, False):
        return _set_module(seen, wanted, free)
    if names[0] == "memory_map" and indexed in ((False, False), (False, True, False)):
        return [_set_map(seen, wanted)]
    raise _no_such(wanted)


def _set_module(seen: Capture, wanted: Setting, free: Room) -> list[Write]:
    module = _item(wanted, 0, seen.modules or ())
    path = f"modules[{wanted.parts[0].number}]"
    if wanted.parts[1].name == "cmdline":
        return _set_text(wanted, free, module.cmdline, (module.entry, path, ModlistEntry.cmdline_paddr))
    return [_set_field(wanted, module.entry, path)]


def _set_map(seen: Capture, wanted: Setting) -> Write:
    given = seen.memory_map
    names = [each.name for each in wanted.parts[1:]]
    if given is None or given.paddr is None:
        raise _no_such(wanted, "there is no memory map")
    if names == ["nr_entries"]:
        if given.protocol != E820_MODULE:
            raise _no_such(wanted, "the map is no module", "start_info.memmap_entries counts this one")
        return _field(E820Table(b"", given.paddr), "memory_map", E820Table.nr_entries, _integer(wanted, 4))
    if names[0] == "entries" and len(names) == 2:
        return _set_field(wanted, _item(wanted, 1, given.entries), f"memory_map.entries[{wanted.parts[1].number}]")
    raise _no_such(wanted)


def _set_field(wanted: Setting, record: Struct, path: str) -> Write:
    name = wanted.parts[-1].name
    try:
        field = record.field(name)
    except KeyError:
        names = ", ".join(each.name for each in record.FIELDS)
        raise _no_such(wanted, f"struct {record.C_NAME} has no {name}", f"it has {names}") from None
    if not record.has(field):
        raise _no_such(wanted, "not in version 0 of the structure", "start_info.version=1 comes first")
    return _field(record, path, field, _integer(wanted, field.size))


def _set_text(wanted: Setting, free: Room, old: Text | None, pointer: tuple[Struct, str, Field[int]]) -> list[Write]:
    """In place where it fits; else at a place of its own, to which `pointer` then leads."""
    if not isinstance(wanted.value, bytes):
        raise UserError(f"{wanted.path}: takes a string, not {wanted.value}", "quote it, also against the shell")
    data = wanted.value + b"\0"
    if old is not None and len(wanted.value) <= len(old.raw):
        return [Write(wanted.path, old.paddr, data)]
    at = free.place(len(data))
    return [Write(wanted.path, at, data), _field(*pointer, at)]


def _item(wanted: Setting, part: int, there: Sequence[T]) -> T:
    index = wanted.parts[part].number
    if index is None or index >= len(there):
        raise _no_such(wanted, f"there are {len(there)}, counted from 0")
    return there[index]


def _integer(wanted: Setting, size: int) -> int:
    if isinstance(wanted.value, bytes):
        raise UserError(f"{wanted.path}: takes an integer, not a string")
    if not 0 <= wanted.value < 1 << 8 * size:
        raise UserError(f"{wanted.path}: {wanted.value:#x} is out of range", f"it is a u{8 * size}")
    return wanted.value


def _no_such(wanted: Setting, why: str = "no such item", hint: str = ITEMS) -> UserError:
    return UserError(f"{wanted.path}: {why}", hint)


# Both


def _start_info(seen: Capture) -> StartInfo:
    if seen.start_info is None:
        raise TargetError(f"no start_info to change: {seen.missing.get('start_info', 'it was not read')}")
    return seen.start_info


def _field(record: Struct, path: str, field: Field[int], value: int) -> Write:
    at = record.address_of(field)
    assert at is not None  # noqa: S101 - it was read from somewhere
    return Write(f"{path}.{field.name}", at, value.to_bytes(field.size, "little"))


def _entry(of: type[Struct], *values: int) -> bytes:
    """A record of the first fields' values; the others are 0."""
    fields = zip(of.FIELDS, values, strict=False)
    return b"".join(value.to_bytes(field.size, "little") for field, value in fields).ljust(of.SIZE, b"\0")
