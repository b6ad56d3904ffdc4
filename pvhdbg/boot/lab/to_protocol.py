"""`--protocol`: pass the same memory map in another form."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pvhdbg.abi.e820 import E820_DATA, BootE820Entry, E820Table
from pvhdbg.abi.layout import pack
from pvhdbg.abi.start_info import MemmapTableEntry, ModlistEntry, StartInfo
from pvhdbg.boot.lab.patches import Patch, required_start_info, start_info_patches
from pvhdbg.boot.stop.map_entries import decode_entries
from pvhdbg.boot.stop.protocols import AS_IS, E820_MODULE, MEMMAP, V0
from pvhdbg.errors import UserError

if TYPE_CHECKING:
    from pvhdbg.boot.lab.allocator import Allocator
    from pvhdbg.boot.stop.capture import Capture, MemoryMap


def as_is(_capture: Capture, _allocator: Allocator) -> list[Patch]:
    return []


def to_e820_module(capture: Capture, allocator: Allocator) -> list[Patch]:
    """Pass a version 0 start_info and the map as module 1. Module 0 is the initrd or empty; other modules follow."""
    info, memory_map = required_start_info(capture), _whole_map(capture)
    if memory_map.is_module:
        return start_info_patches(info, version=0)
    blob = len(memory_map.entries).to_bytes(E820Table.SIZE, "little") + b"".join(
        pack(BootE820Entry, *entry) for entry in decode_entries(memory_map.entries)
    )
    name = E820_DATA + b"\0"
    blob_paddr, name_paddr = allocator.allocate(len(blob)), allocator.allocate(len(name))
    modules = [module.entry.raw for module in capture.modules or ()] or [bytes(ModlistEntry.SIZE)]
    modules.insert(1, pack(ModlistEntry, blob_paddr, len(blob), name_paddr))
    modlist_paddr = allocator.allocate(len(modules) * ModlistEntry.SIZE)
    return [
        Patch("memory_map", blob_paddr, blob),
        Patch("modules[1].cmdline", name_paddr, name),
        Patch("modules", modlist_paddr, b"".join(modules)),
        *start_info_patches(info, nr_modules=len(modules), modlist_paddr=modlist_paddr, version=0),
    ]


def to_memmap(capture: Capture, allocator: Allocator) -> list[Patch]:
    """Pass a version 1 start_info with memmap_paddr and memmap_entries set, and no module with the map."""
    info, memory_map = required_start_info(capture), _whole_map(capture)
    if memory_map.protocol == MEMMAP:
        return []
    table = b"".join(pack(MemmapTableEntry, *entry) for entry in decode_entries(memory_map.entries))
    table_paddr = allocator.allocate(len(table))
    entries = len(memory_map.entries)
    return [
        Patch("memory_map", table_paddr, table),
        *_remove_map_module(capture, info),
        *start_info_patches(info, memmap_paddr=table_paddr, memmap_entries=entries, reserved=0, version=1),
    ]


def to_v0(capture: Capture, _allocator: Allocator) -> list[Patch]:
    """Pass a version 0 start_info without a memory map."""
    info = required_start_info(capture)
    return [*_remove_map_module(capture, info), *start_info_patches(info, version=0)]


def _remove_map_module(capture: Capture, info: StartInfo) -> list[Patch]:
    """Return the patches that remove the map from the module list.

    If only an empty module 0 remains, it is removed too: its only purpose was to make the map module 1.
    """
    if capture.memory_map is None or not capture.memory_map.is_module:
        return []
    remaining = [module.entry for index, module in enumerate(capture.modules or ()) if index != 1]
    if len(remaining) == 1 and not remaining[0].paddr and not remaining[0].size:
        return start_info_patches(info, nr_modules=0, modlist_paddr=0)
    return [
        Patch("modules", info.modlist_paddr, b"".join(entry.raw for entry in remaining)),
        *start_info_patches(info, nr_modules=len(remaining)),
    ]


def _whole_map(capture: Capture) -> MemoryMap:
    memory_map = capture.memory_map
    if memory_map is None or memory_map.protocol not in (MEMMAP, E820_MODULE):
        raise UserError("no memory map to convert")
    if len(memory_map.entries) != memory_map.nr_entries:
        count = len(memory_map.entries)
        raise UserError(f"cannot convert the memory map: only {count} of {memory_map.nr_entries} entries were read")
    return memory_map


TO_PROTOCOL = {AS_IS: as_is, E820_MODULE: to_e820_module, MEMMAP: to_memmap, V0: to_v0}
