"""The differences between two handovers, and handovers that have only some of them. Pure functions.

A pointer and the bytes that it points to are one difference: GDTR comes with the GDT, rsdp_paddr with the ACPI tables,
and ESP with the lack of memory where a guest pushes if ESP is 0.
"""

from __future__ import annotations

from difflib import SequenceMatcher
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from pvhdbg.abi.e820 import E820_TYPES
from pvhdbg.abi.layout import pack
from pvhdbg.abi.start_info import SIZE_V0, MemmapTableEntry, ModlistEntry, StartInfo
from pvhdbg.boot.handover.handover import Handover
from pvhdbg.boot.stop import ranges
from pvhdbg.errors import UserError
from pvhdbg.named_tuple import NamedTuple
from pvhdbg.vmm_profiles.cpu_state import CpuState, Segment, Table
from pvhdbg.vmm_profiles.profile import Placed

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from pvhdbg.boot.stop.ranges import AddressRange

Values = dict[str, Any]
"""The parts of a handover, by their paths."""

_BIOS_AREA = (0xE0000, 0x100000)
_ENTRY = MemmapTableEntry.SIZE
_OWN_FIELDS = ("magic", "version", "flags", "rsdp_paddr", "reserved")
_START_INFO, _CMDLINE, _MODULES, _MAP = "start_info.paddr", "cmdline", "modules", "memory_map.paddr"
_RSP, _NO_MEMORY = "registers.rsp", "no memory below 4 GiB"
_ENTRIES, _CLEARED, _RSDP = "memory_map.entries", "memory below 0xe0000", "start_info.rsdp_paddr"


class Difference(NamedTuple):
    """What differs: `path` as in the JSON document where it has one, and the value in each handover, as text."""

    path: str
    before: str
    after: str


class _Parts(NamedTuple):
    """A handover in parts that can be exchanged. `values` has them by path; `owned` is the memory of a path."""

    values: Values
    owned: dict[str, tuple[Placed, ...]]


class Mixture:
    """Two handovers for the same boot. `differences` are those from the first to the second."""

    def __init__(self, first: Handover, second: Handover) -> None:
        self._first, self._second = _parts(first), _parts(second)
        self._units = list(_units(self._first, self._second))
        self.differences = tuple(difference for difference, _ in self._units)

    def handover(self, taken: Collection[int]) -> Handover:
        """Return the first handover with some of the differences, by their indexes.

        :raise UserError: if parts of the two handovers would overlap in memory.
        """
        values = {**self._first.values}
        owned = dict(self._first.owned)
        opcodes = []
        for index in taken:
            path, opcode = self._units[index][1]
            if opcode is not None:
                opcodes.append(opcode)
                continue
            values[path] = self._second.values.get(path)
            owned[path] = self._second.owned.get(path, ())
        values[_ENTRIES] = self._entries(opcodes)
        return _handover(values, [placed for group in owned.values() for placed in group])

    def _entries(self, opcodes: list[tuple[int, int, int, int]]) -> tuple[bytes, ...]:
        before, after = (_entries_of(parts) for parts in (self._first, self._second))
        entries = list(before)
        for start, end, other_start, other_end in sorted(opcodes, reverse=True):
            entries[start:end] = after[other_start:other_end]
        return tuple(entries)


def _entries_of(parts: _Parts) -> tuple[bytes, ...]:
    entries: tuple[bytes, ...] = parts.values[_ENTRIES]
    return entries


def _parts(handover: Handover) -> _Parts:
    placed = {item.name: item for item in handover.placed}
    info = StartInfo(placed["start_info"].data.ljust(StartInfo.SIZE, b"\0"), placed["start_info"].paddr)
    table = placed.get("memory_map")
    is_table = table is not None and table.paddr == info.memmap_paddr and info.version > 0
    of_modules = [item for item in handover.placed if item.name.startswith("modules")]
    if table is not None and not is_table:
        of_modules.append(table)
    values = {
        **_registers(handover.cpu),
        **{f"start_info.{name}": getattr(info, name) for name in _OWN_FIELDS},
        _START_INFO: info.at,
        _CMDLINE: (info.cmdline_paddr, placed.get("cmdline")),
        _MODULES: (info.nr_modules, info.modlist_paddr, tuple(of_modules), handover.moves),
        _MAP: info.memmap_paddr if is_table else 0,
        _ENTRIES: _split(table.data) if is_table and table is not None else (),
        _CLEARED: handover.cleared,
    }
    known = {"start_info", "cmdline", "memory_map", *(item.name for item in of_modules)}
    return _Parts(values, _owned(handover, info, [item for item in handover.placed if item.name not in known]))


def _split(data: bytes) -> tuple[bytes, ...]:
    return tuple(data[at : at + _ENTRY] for at in range(0, len(data) - len(data) % _ENTRY, _ENTRY))


def _owned(handover: Handover, info: StartInfo, others: list[Placed]) -> dict[str, tuple[Placed, ...]]:
    """Return the memory that belongs to each path: what the CPU's tables and the RSDP's address lead to."""
    found: dict[str, tuple[Placed, ...]] = {}
    for item in others:
        path = f"memory at {item.paddr:#x}"
        for name in ("gdtr", "idtr"):
            if item.paddr <= getattr(handover.cpu, name).base < item.paddr + len(item.data):
                path = f"registers.{name}"
        if path.startswith("memory") and info.rsdp_paddr:
            path = _RSDP
        found[path] = (*found.get(path, ()), item)
    if handover.absent is not None:
        start, end = handover.absent
        found[_RSP] = (Placed(_NO_MEMORY, start, bytes(end - start)),)
    return found


def _registers(cpu: CpuState) -> Values:
    general = {f"registers.{name}": value for name, value in cpu.general_registers.items() if name != "rbx"}
    names = (name for name in CpuState._fields if name != "general")
    return {**general, **{f"registers.{name}": getattr(cpu, name) for name in names}}


_Opcode = tuple[int, int, int, int]


def _units(first: _Parts, second: _Parts) -> Iterator[tuple[Difference, tuple[str, _Opcode | None]]]:
    for path in {**first.values, **first.owned, **second.owned}:
        before, after = first.values.get(path), second.values.get(path)
        memory = first.owned.get(path, ()), second.owned.get(path, ())
        if path == _ENTRIES:
            yield from _entry_units(_entries_of(first), _entries_of(second))
        elif before != after or memory[0] != memory[1]:
            texts = [_text(value, owned) for value, owned in zip((before, after), memory, strict=True)]
            yield Difference(path, *texts), (path, None)


def _entry_units(
    before: tuple[bytes, ...], after: tuple[bytes, ...]
) -> Iterator[tuple[Difference, tuple[str, _Opcode | None]]]:
    for kind, start, end, other_start, other_end in SequenceMatcher(None, before, after, autojunk=False).get_opcodes():
        if kind != "equal":
            path = f"{_ENTRIES}[{start}]"
            texts = (_entries_text(before[start:end]), _entries_text(after[other_start:other_end]))
            yield Difference(path, *texts), (_ENTRIES, (start, end, other_start, other_end))


def _entries_text(entries: tuple[bytes, ...]) -> str:
    records = [MemmapTableEntry(entry) for entry in entries]
    texts = (f"{item.addr:#x}-{item.addr + item.size:#x} {E820_TYPES.label(item.type)}" for item in records)
    return ", ".join(texts) or "none"


def _text(value: object, owned: tuple[Placed, ...]) -> str:
    if isinstance(value, Segment):
        text = f"selector {value.selector:#x}, base {value.base:#x}, limit {value.limit:#x}, flags {value.flags:#x}"
    elif isinstance(value, Table):
        text = f"base {value.base:#x}, limit {value.limit:#x}"
    elif isinstance(value, int):
        text = f"{value:#x}"
    elif isinstance(value, tuple):
        text = _tuple_text(value)
    else:
        return ", ".join(item.name for item in owned) or "as it is"
    return f"{text} with {', '.join(item.name for item in owned)}" if owned else text


def _tuple_text(value: tuple[object, ...]) -> str:
    if len(value) == 2 and isinstance(value[0], int):
        return f"at {value[0]:#x}"
    if len(value) == 4:
        return f"{value[0]} at {value[1]:#x}" if value[0] else "none"
    return "cleared" if value else "as QEMU's firmware left it"


def _handover(values: Values, others: list[Placed]) -> Handover:
    """Put the parts together again.

    :raise UserError: if they overlap in memory.
    """
    nr_modules, modlist_paddr, of_modules, moves = values[_MODULES]
    cmdline_paddr, cmdline = values[_CMDLINE]
    entries = values[_ENTRIES]
    fields = {name: values[f"start_info.{name}"] for name in _OWN_FIELDS}
    fields |= {"nr_modules": nr_modules, "modlist_paddr": modlist_paddr, "cmdline_paddr": cmdline_paddr}
    fields |= {"memmap_paddr": values[_MAP], "memmap_entries": len(entries) if values[_MAP] else 0}
    info = pack(StartInfo, *(fields[field.name] for field in StartInfo.FIELDS))
    absent = next(((item.paddr, item.paddr + len(item.data)) for item in others if item.name == _NO_MEMORY), None)
    others = [item for item in others if item.name != _NO_MEMORY]
    placed = [*others, *of_modules, *([cmdline] if cmdline is not None else [])]
    if values[_MAP] and entries:
        placed.append(Placed("memory_map", values[_MAP], b"".join(entries)))
    placed.append(Placed("start_info", values[_START_INFO], info if fields["version"] else info[:SIZE_V0]))
    modules = [] if not of_modules else _spans(of_modules[0].data)
    _refuse_overlap([*((item.paddr, item.paddr + len(item.data)) for item in placed), *modules])
    registers = {
        path.removeprefix("registers."): value for path, value in values.items() if path.startswith("registers.")
    }
    general = {name: registers.pop(name) for name in list(registers) if name not in CpuState._fields}
    cpu = CpuState(**registers, general={**general, "rbx": values[_START_INFO]})
    keeps_rsdp = bool(values[_RSDP]) and not any(item.paddr == values[_RSDP] for item in placed)
    kept = [*modules, *([_BIOS_AREA] if keeps_rsdp else [])]
    return Handover(moves, tuple(ranges.minus(values[_CLEARED], kept)), tuple(placed), cpu, absent)


def _spans(modlist: bytes) -> list[AddressRange]:
    """Return where the modules of a module list lie."""
    entries = [ModlistEntry(modlist[at : at + ModlistEntry.SIZE]) for at in range(0, len(modlist), ModlistEntry.SIZE)]
    return [(entry.paddr, entry.paddr + entry.size) for entry in entries if entry.size]


def _refuse_overlap(spans: list[AddressRange]) -> None:
    for (_, end), (start, _) in pairwise(sorted(set(spans))):
        if start < end:
            raise UserError(f"two parts of the handover would overlap at {start:#x}")
