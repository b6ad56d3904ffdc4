"""Make a handover from a VMM's profile, and from the command line and the initrd that QEMU handed over."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pvhdbg.abi.e820 import E820_DATA, E820_MODULE, MEMMAP, RAM, BootE820Entry, E820Table
from pvhdbg.abi.layout import pack
from pvhdbg.abi.start_info import MAGIC, MemmapTableEntry, ModlistEntry, StartInfo
from pvhdbg.boot.handover.handover import Handover, Move
from pvhdbg.boot.record.document import VmmFacts
from pvhdbg.boot.stop import ranges, regions
from pvhdbg.boot.stop.map_entries import decode_entries, ram_ranges
from pvhdbg.errors import TargetError, UserError
from pvhdbg.vmm_profiles.profile import CR0_ET, DIFFERS, Boot, Placed

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from pvhdbg.abi.e820 import MapEntry
    from pvhdbg.boot.stop.capture import Capture
    from pvhdbg.boot.stop.ranges import AddressRange
    from pvhdbg.image.facts import ImageFacts
    from pvhdbg.target.base import Target
    from pvhdbg.vmm_profiles.profile import Layout, Places, Profile

_FIRST_MIB = (0, 1 << 20)
_CR0_ET = 1 << 4


class ProfileHandover:
    """A HandoverSource for a profile that has a layout. `ram_size` is the size of guest memory in bytes."""

    def __init__(self, profile: Profile, layout: Layout, ram_size: int) -> None:
        self._profile = profile
        self._layout = layout
        self._ram_size = ram_size

    @property
    def facts(self) -> VmmFacts:
        return VmmFacts(self._profile.name, self._profile.version, differs(self._profile))

    def handover(self, target: Target, entry: Capture, image: ImageFacts | None) -> Handover:  # noqa: ARG002
        cmdline = entry.cmdline.raw if entry.cmdline else b""
        initrd = _initrd(entry)
        self._check_cmdline(cmdline)
        kernel = [(region.start, region.end) for region in regions.kernel(image)]
        size = None if initrd is None else initrd[1] - initrd[0]
        boot = Boot(self._ram_size, len(cmdline) + 1, size, max((end for _, end in kernel), default=_FIRST_MIB[1]))
        places = self._layout.places(boot)
        self._check_ram(entry, self._layout.memory_map(boot))
        moves = _moves(initrd, places)
        kept = [*kernel, *((move.paddr, move.paddr + move.size) for move in moves)]
        old = [_FIRST_MIB, *((move.source, move.source + move.size) for move in moves)]
        placed = (*self._layout.tables, *_structures(self._layout, boot, places, cmdline))
        cpu = self._layout.cpu
        cpu = cpu._replace(general={**cpu.general, "rbx": places.start_info})
        return Handover(moves, tuple(ranges.minus(old, kept)), placed, cpu)

    def _check_cmdline(self, cmdline: bytes) -> None:
        most = self._layout.cmdline_room - 1
        if len(cmdline) > most:
            raise UserError(
                f"--vmm {self._profile.name}: the command line has {len(cmdline)} bytes; "
                f"{self._profile.title} accepts at most {most}",
                "pass a shorter one with -a",
            )

    def _check_ram(self, entry: Capture, entries: Iterable[MapEntry]) -> None:
        """Check that this machine has the RAM that the VMM's map lists, above 1 MiB.

        :raise UserError: if it does not.
        """
        records = entry.memory_map.entries if entry.memory_map else ()
        there = [_FIRST_MIB, *ram_ranges(decode_entries(records))]
        claimed = [(listed.addr, listed.end) for listed in entries if listed.type == RAM]
        for start, end in ranges.minus(claimed, there):
            raise UserError(
                f"--vmm {self._profile.name}: {self._profile.title} has RAM at {start:#x}-{end:#x}, QEMU's microvm not",
                "use less memory: -m 3G or less",
            )


def differs(profile: Profile) -> tuple[str, ...]:
    """Return what a guest can notice that pvhdbg does not reproduce."""
    if profile.layout is None:
        return ()
    et = () if profile.layout.cpu.cr0 & _CR0_ET else (CR0_ET,)
    return (*DIFFERS, *et, *profile.differs)


def _initrd(entry: Capture) -> AddressRange | None:
    """Return where QEMU has put the initrd. It passes at most this module.

    :raise TargetError: if the modules cannot be read.
    """
    if entry.start_info is None or entry.modules is None:
        reasons = entry.missing
        raise TargetError(f"cannot hand over: {reasons.get('start_info') or reasons.get('modules', 'no start_info')}")
    return entry.modules[0].span if entry.modules and entry.modules[0].entry.size else None


def _moves(initrd: AddressRange | None, places: Places) -> tuple[Move, ...]:
    if initrd is None or places.initrd is None or initrd[0] == places.initrd:
        return ()
    return (Move(initrd[0], places.initrd, initrd[1] - initrd[0]),)


def _structures(layout: Layout, boot: Boot, places: Places, cmdline: bytes) -> Iterator[Placed]:
    """Yield start_info and what it points to."""
    modules = [pack(ModlistEntry, places.initrd or 0, boot.initrd_size or 0)] if places.initrd is not None else []
    entries = layout.memory_map(boot)
    is_table = layout.map_form == MEMMAP
    if layout.map_form == E820_MODULE:
        yield from _map_module(modules, entries, places)
    has_cmdline = bool(cmdline) or layout.empty_cmdline
    fields = {
        "magic": MAGIC,
        "version": layout.version,
        "flags": layout.flags,
        "nr_modules": len(modules),
        "modlist_paddr": places.modlist if modules else 0,
        "cmdline_paddr": places.cmdline if has_cmdline else 0,
        "rsdp_paddr": places.rsdp or 0 if layout.rsdp_paddr else 0,
        "memmap_paddr": places.memmap or 0 if is_table else 0,
        "memmap_entries": len(entries) if is_table else 0,
    }
    info = pack(StartInfo, *fields.values())
    yield Placed("start_info", places.start_info, info if layout.version else info[: StartInfo.memmap_paddr.offset])
    if modules:
        yield Placed("modules", places.modlist, b"".join(modules))
    if is_table and places.memmap is not None:
        yield Placed("memory_map", places.memmap, b"".join(pack(MemmapTableEntry, *entry) for entry in entries))
    if has_cmdline:
        yield Placed("cmdline", places.cmdline, cmdline + b"\0")


def _map_module(modules: list[bytes], entries: tuple[MapEntry, ...], places: Places) -> Iterator[Placed]:
    """Yield the module "e820 data" and its name, and add it to the modules as module 1; an empty module 0 if needed."""
    if places.memmap is None:
        return
    blob = len(entries).to_bytes(E820Table.SIZE, "little") + b"".join(pack(BootE820Entry, *entry) for entry in entries)
    name = places.memmap + (len(blob) + 15 & ~15)
    modules[:] = [*(modules or [bytes(ModlistEntry.SIZE)]), pack(ModlistEntry, places.memmap, len(blob), name)]
    yield Placed("memory_map", places.memmap, blob)
    yield Placed("modules[1].cmdline", name, E820_DATA + b"\0")
