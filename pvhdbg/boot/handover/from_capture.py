"""Make a handover from a captured entry: that of a recording, or that of the machine itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pvhdbg.abi.e820 import E820Table
from pvhdbg.abi.start_info import RSDP_SIZE, ModlistEntry
from pvhdbg.boot.handover.handover import END_OF_4_GIB, Handover, Move
from pvhdbg.boot.record.document import TRANSPLANT, VmmFacts
from pvhdbg.boot.stop import ranges
from pvhdbg.boot.stop.map_entries import decode_entries, installed_ranges, ram_ranges
from pvhdbg.errors import TargetError, UserError
from pvhdbg.vmm_profiles.cpu_state import GRANULARITY, RESET_LDTR, RESET_TR, CpuState, Segment, Table
from pvhdbg.vmm_profiles.profile import Placed

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from pvhdbg.abi.e820 import MapEntry
    from pvhdbg.boot.stop.capture import Capture, Module
    from pvhdbg.boot.stop.ranges import AddressRange
    from pvhdbg.image.facts import ImageFacts
    from pvhdbg.target.base import Target

_4G = 1 << 32
_FLAGS = 0xF0FF00
_TF, _VM = 1 << 8, 1 << 17
_MOST_SELECTOR, _RPL_AND_TI = 0x80, 7
_PAGE, _MOST_BYTES = 0x1000, 1 << 20
_SYSTEM = ("tr", "ldt")
_GENERAL = ("rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi")
_DEFAULTS = {
    **dict.fromkeys(("ds", "es", "ss", "fs", "gs"), Segment(0x10, 0, 0xFFFFFFFF, 0xC09300)),
    "cs": Segment(0x8, 0, 0xFFFFFFFF, 0xC09B00),
    "tr": RESET_TR,
    "ldt": RESET_LDTR,
}
"""The segments for a recording that has none."""
_PRESENT_DPL_S = 0x8000 | 0x6000 | 0x1000
_CODE, _WRITABLE, _32BIT, _TYPE = 0x800, 0x200, 1 << 22, 0xF00
_DATA = (_PRESENT_DPL_S | _CODE, (0x9000, 0))
_LOADABLE = {
    "cs": (_PRESENT_DPL_S | _CODE | _32BIT, (0x9000 | _CODE | _32BIT,)),
    "ss": (_PRESENT_DPL_S | _CODE | _WRITABLE, (0x9000 | _WRITABLE,)),
    "tr": (_PRESENT_DPL_S | _TYPE, (0x8900, 0x8B00)),
    "ldt": (_PRESENT_DPL_S | _TYPE, (0x8200, 0)),
}
"""For each register: a mask for the flags of a segment, and the values under it that a CPU accepts at privilege 0."""
_DIFFERS = (
    "the devices, the interrupt controllers, CPUID and the MSRs are those of QEMU's microvm",
    "the memory outside the boot data is as QEMU's firmware left it",
)


class AsCaptured:
    """A HandoverSource for QEMU's own handover: it changes nothing."""

    facts = VmmFacts("qemu", "", ())

    def handover(self, target: Target, entry: Capture, image: ImageFacts | None) -> Handover:  # noqa: ARG002
        return Handover((), (), tuple(boot_data(entry)), cpu_state(entry)[0])


class RecordedHandover:
    """A HandoverSource for the entry that a recording has. `path` names the recording."""

    def __init__(self, recorded: Capture, path: str) -> None:
        """Check that the entry can be handed over.

        :raise UserError: if it cannot.
        """
        self._recorded, self._path = recorded, path
        self._differs: tuple[str, ...] = ()
        if recorded.start_info is None:
            raise UserError(f"{path}: the recording has no start_info: {recorded.missing.get('start_info', 'none')}")
        if recorded.cpu_mode not in ("protected32", "unknown"):
            raise UserError(f"{path}: at its entry the CPU was in mode {recorded.cpu_mode}, not in protected32")
        for placed in boot_data(recorded):
            if placed.paddr + len(placed.data) > _4G:
                raise UserError(f"{path}: {placed.name} is at {placed.paddr:#x}: a handover reaches only up to 4 GiB")

    @property
    def facts(self) -> VmmFacts:
        return VmmFacts(TRANSPLANT, self._path, self._differs)

    def handover(self, target: Target, entry: Capture, image: ImageFacts | None) -> Handover:  # noqa: ARG002
        cpu, missing = cpu_state(self._recorded)
        moves = tuple(self._moves(entry))
        placed = tuple(self._placed(moves)) + tuple(_rsdp(self._recorded, target, entry))
        self._check_ram(moves, placed, entry)
        differs = (*missing, *self._modules_left(moves), *_no_ram(self._recorded, entry), *_acpi(self._recorded, entry))
        self._differs = (*_DIFFERS, *differs)
        return Handover(moves, (), placed, cpu, END_OF_4_GIB if not cpu.general_registers["rsp"] else None)

    def _check_ram(self, moves: tuple[Move, ...], placed: tuple[Placed, ...], entry: Capture) -> None:
        """Check that the machine has RAM for all that is written: a write to a device may reset the machine.

        :raise UserError: if not.
        """
        ram = _ram(entry)
        written = [("module 0", move.paddr, move.size) for move in moves]
        written += [(part.name, part.paddr, len(part.data)) for part in placed]
        for name, paddr, size in written:
            if ranges.minus([(paddr, paddr + size)], ram):
                message = f"{self._path}: {name} is at {paddr:#x}-{paddr + size:#x}, where this machine has no RAM"
                raise UserError(message, "use another size of memory with -m")

    def _moves(self, entry: Capture) -> Iterator[Move]:
        """Yield the move of the initrd from where QEMU has put it to the recorded place of module 0."""
        if not entry.modules or not entry.modules[0].entry.size:
            return
        if not self._recorded.modules:
            raise UserError(f"{self._path}: the recording has no module for the initrd", "drop -i")
        paddr, module = self._recorded.modules[0].entry.paddr, entry.modules[0].entry
        if paddr + module.size > _4G:
            raise UserError(f"{self._path}: module 0 is at {paddr:#x}: a handover reaches only up to 4 GiB", "drop -i")
        yield Move(module.paddr, paddr, module.size)

    def _placed(self, moves: tuple[Move, ...]) -> Iterator[Placed]:
        """Yield the recorded boot data. The module list gets the size of the initrd that was given."""
        for placed in boot_data(self._recorded):
            if placed.name == "modules" and moves:
                at = ModlistEntry.size.offset
                size = moves[0].size.to_bytes(ModlistEntry.size.size, "little")
                yield placed._replace(data=placed.data[:at] + size + placed.data[at + len(size) :])
            else:
                yield placed

    def _modules_left(self, moves: tuple[Move, ...]) -> Iterator[str]:
        for index, module in enumerate(self._recorded.modules or ()):
            if index == 0 and moves:
                if moves[0].size != module.entry.size:
                    yield f"module 0 has {moves[0].size} bytes instead of {module.entry.size}: the size of the initrd"
            elif module.entry.size and not _is_map(self._recorded, module):
                hint = "; pass it with -i" if index == 0 else ""
                yield f"the contents of module {index} are not in the recording{hint}"


def boot_data(entry: Capture) -> Iterator[Placed]:
    """Yield the bytes of start_info and of everything that it points to, without the modules' contents."""
    info = entry.start_info
    if info is None or info.at is None:
        raise TargetError(f"cannot hand over: {entry.missing.get('start_info', 'no start_info')}")
    yield Placed("start_info", info.at, info.raw)
    if entry.modules:
        yield Placed("modules", info.modlist_paddr, b"".join(module.entry.raw for module in entry.modules))
    for index, module in enumerate(entry.modules or ()):
        if module.cmdline is not None:
            yield Placed(f"modules[{index}].cmdline", module.cmdline.paddr, module.cmdline.raw + b"\0")
    table = entry.memory_map
    if table is not None and table.paddr is not None and table.entries:
        count = (table.nr_entries or 0).to_bytes(E820Table.SIZE, "little") if table.is_module else b""
        yield Placed("memory_map", table.paddr, count + b"".join(record.raw for record in table.entries))
    if entry.cmdline is not None:
        yield Placed("cmdline", entry.cmdline.paddr, entry.cmdline.raw + b"\0")


def cpu_state(entry: Capture) -> tuple[CpuState, list[str]]:
    """Return the CPU state of an entry, and what the capture does not have, for which the ABI's state is used."""
    registers = entry.registers
    usable = _loadable_segments(registers)
    missing = [name for name in _DEFAULTS if name not in usable]
    missing += [name for name in ("gdtr", "idtr") if registers.get(f"{name}.base") is None]
    segments = {**_DEFAULTS, **usable}
    cpu = CpuState(
        cr0=registers.get("cr0") or 1,
        cr4=registers.get("cr4") or 0,
        efer=registers.get("efer") or 0,
        eflags=(registers.get("eflags") or 2) & ~(_TF | _VM),
        cs=segments["cs"],
        ds=segments["ds"],
        es=segments["es"],
        ss=segments["ss"],
        fs=segments["fs"],
        gs=segments["gs"],
        tr=segments["tr"],
        ldtr=segments["ldt"],
        gdtr=_table(registers, "gdtr"),
        idtr=_table(registers, "idtr"),
        general={name: (registers.get(name) or 0) % _4G for name in _GENERAL},
    )
    return cpu, [*_cleared_flags(registers), *_missing(missing)]


def _missing(names: Sequence[str]) -> Iterator[str]:
    if names:
        why = "not in the recording, or not loadable: as the ABI requires, or as after a reset"
        yield f"{', '.join(names)} {why}"


def _cleared_flags(registers: Mapping[str, int | None]) -> Iterator[str]:
    """Yield the flags with which the code that hands over could not continue."""
    eflags = registers.get("eflags") or 0
    names = [name for name, bit in (("TF", _TF), ("VM", _VM)) if eflags & bit]
    if names:
        yield f"{' and '.join(names)} of EFLAGS cleared: the code that hands over could not continue with it"


def _loadable_segments(registers: Mapping[str, int | None]) -> dict[str, Segment]:
    """Return the segments that one GDT can hold, by register. TR and LDTR must not share the index of another one."""
    known = {name: _segment(registers, name) for name in _DEFAULTS}
    usable = {name: segment for name, segment in known.items() if segment and _is_loadable(name, segment)}
    used = {segment.selector for name, segment in usable.items() if name not in _SYSTEM and segment.is_usable}
    return {
        name: segment for name, segment in usable.items() if name not in _SYSTEM or segment.selector not in used - {0}
    }


def _is_loadable(name: str, segment: Segment) -> bool:
    """Return whether a CPU loads exactly such a segment into this register, in 32-bit code, at privilege 0."""
    if segment in (RESET_TR, RESET_LDTR):
        return name in _SYSTEM
    if segment.selector >= _MOST_SELECTOR or segment.selector & _RPL_AND_TI or not _has_exact_limit(segment):
        return False
    if name in _SYSTEM and segment.is_usable and not segment.selector:
        return False
    if name == "cs" and (segment.base, segment.limit) != (0, _4G - 1):  # the code that loads it could not continue
        return False
    mask, allowed = _LOADABLE.get(name, _DATA)
    return segment.flags & mask in allowed


def _has_exact_limit(segment: Segment) -> bool:
    """Return whether a descriptor can have this limit."""
    if not segment.is_usable:
        return True
    return segment.limit % _PAGE == _PAGE - 1 if segment.flags & GRANULARITY else segment.limit < _MOST_BYTES


def _table(registers: Mapping[str, int | None], name: str) -> Table:
    return Table((registers.get(f"{name}.base") or 0) % _4G, (registers.get(f"{name}.limit") or 0) & 0xFFFF)


def _segment(registers: Mapping[str, int | None], name: str) -> Segment | None:
    values = [registers.get(key) for key in (name, f"{name}.base", f"{name}.limit", f"{name}.flags")]
    known = [value for value in values if value is not None]
    if len(known) < len(values):
        return None
    selector, base, limit, flags = known
    return Segment(selector & 0xFFFF, base % _4G, limit % _4G, flags & _FLAGS)


def _is_map(entry: Capture, module: Module) -> bool:
    return entry.memory_map is not None and entry.memory_map.is_module and entry.memory_map.paddr == module.entry.paddr


def _rsdp(recorded: Capture, target: Target, entry: Capture) -> Iterator[Placed]:
    """Yield a copy of QEMU's RSDP at the recorded address."""
    wanted = recorded.start_info.rsdp_paddr if recorded.start_info else 0
    there = entry.start_info.rsdp_paddr if entry.start_info else 0
    if wanted and there and wanted != there and wanted + RSDP_SIZE <= _4G:
        yield Placed("RSDP", wanted, target.read_phys(there, RSDP_SIZE))


def _acpi(recorded: Capture, entry: Capture) -> Iterator[str]:
    if recorded.start_info and recorded.start_info.rsdp_paddr:
        has_rsdp = bool(entry.start_info and entry.start_info.rsdp_paddr)
        yield "the ACPI tables are QEMU's" if has_rsdp else "there are no ACPI tables: this machine has none"


def _no_ram(recorded: Capture, entry: Capture) -> Iterator[str]:
    """Yield the RAM in the recorded map that this machine does not have."""
    for start, end in ranges.minus(ram_ranges(_listed(recorded)), _ram(entry)):
        yield f"this machine has no RAM at {start:#x}-{end:#x}, which the map lists: use another -m"


def _ram(entry: Capture) -> list[AddressRange]:
    """Return the RAM of QEMU's microvm. Below 1 MiB, all is RAM."""
    return [(0, 1 << 20), *installed_ranges(_listed(entry))]


def _listed(capture: Capture) -> Sequence[MapEntry]:
    return decode_entries(capture.memory_map.entries if capture.memory_map else ())
