"""`--protocol`: what was handed over, in another form."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pvhdbg.abi.e820 import E820_DATA, BootE820Entry, E820Table
from pvhdbg.abi.start_info import MemmapTableEntry, ModlistEntry, StartInfo
from pvhdbg.boot.lab.patches import Write, info_writes, record_of, start_info
from pvhdbg.boot.stop.protocols import AS_IS, E820_MODULE, MEMMAP, V0
from pvhdbg.errors import UserError

if TYPE_CHECKING:
    from pvhdbg.boot.lab.allocator import Room
    from pvhdbg.boot.stop.capture import Capture, MemoryMap


def as_is(_seen: Capture, _free: Room) -> list[Write]:
    return []


def to_e820_module(seen: Capture, free: Room) -> list[Write]:
    """Version 0; module 0 is the initrd or an empty one, module 1 the map, named; other modules follow."""
    info, given = start_info(seen), _whole_map(seen)
    if given.is_module:
        return info_writes(info, version=0)
    blob = len(given.entries).to_bytes(E820Table.SIZE, "little") + b"".join(
        record_of(BootE820Entry, each.addr, each.size, each.type) for each in given.entries
    )
    name = E820_DATA + b"\0"
    blob_at, name_at = free.place(len(blob)), free.place(len(name))
    modules = [each.entry.raw for each in seen.modules or ()] or [bytes(ModlistEntry.SIZE)]
    modules.insert(1, record_of(ModlistEntry, blob_at, len(blob), name_at))
    modlist_at = free.place(len(modules) * ModlistEntry.SIZE)
    return [
        Write("memory_map", blob_at, blob),
        Write("modules[1].cmdline", name_at, name),
        Write("modules", modlist_at, b"".join(modules)),
        *info_writes(info, nr_modules=len(modules), modlist_paddr=modlist_at, version=0),
    ]


def to_memmap(seen: Capture, free: Room) -> list[Write]:
    """The reverse: a table of version 1, and no module for the map."""
    info, given = start_info(seen), _whole_map(seen)
    if given.protocol == MEMMAP:
        return []
    table = b"".join(record_of(MemmapTableEntry, each.addr, each.size, each.type) for each in given.entries)
    table_at = free.place(len(table))
    return [
        Write("memory_map", table_at, table),
        *_without_map_module(seen, info),
        *info_writes(info, memmap_paddr=table_at, memmap_entries=len(given.entries), reserved=0, version=1),
    ]


def to_v0(seen: Capture, _free: Room) -> list[Write]:
    """No map at all."""
    info = start_info(seen)
    return [*_without_map_module(seen, info), *info_writes(info, version=0)]


def _without_map_module(seen: Capture, info: StartInfo) -> list[Write]:
    """The module list without the map, and without an empty module that only made it the second."""
    if seen.memory_map is None or not seen.memory_map.is_module:
        return []
    kept = [each.entry for index, each in enumerate(seen.modules or ()) if index != 1]
    if len(kept) == 1 and not kept[0].paddr and not kept[0].size:
        return info_writes(info, nr_modules=0, modlist_paddr=0)
    return [
        Write("modules", info.modlist_paddr, b"".join(each.raw for each in kept)),
        *info_writes(info, nr_modules=len(kept)),
    ]


def _whole_map(seen: Capture) -> MemoryMap:
    given = seen.memory_map
    if given is None or given.protocol not in (MEMMAP, E820_MODULE):
        raise UserError("there is no memory map to hand over in another form")
    if len(given.entries) != given.nr_entries:
        raise UserError(f"of the memory map's {given.nr_entries} entries only {len(given.entries)} could be read")
    return given


TO_PROTOCOL = {AS_IS: as_is, E820_MODULE: to_e820_module, MEMMAP: to_memmap, V0: to_v0}
