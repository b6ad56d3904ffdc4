"""Make a handover from a VMM's profile, and from the command line and the initrd that QEMU handed over."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pvhdbg.abi.e820 import E820_DATA, E820_MODULE, MEMMAP, RAM, BootE820Entry, E820Table
from pvhdbg.abi.layout import pack
from pvhdbg.abi.start_info import MAGIC, MemmapTableEntry, ModlistEntry, StartInfo
from pvhdbg.boot.handover import acpi_tables
from pvhdbg.boot.handover.handover import END_OF_4_GIB, Handover, Move
from pvhdbg.boot.record.document import VmmFacts
from pvhdbg.boot.stop import ranges, regions
from pvhdbg.boot.stop.map_entries import decode_entries, installed_ranges
from pvhdbg.boot.stop.read import MAX_STRING
from pvhdbg.errors import TargetError, UserError
from pvhdbg.vmm_profiles.profile import Boot, Placed

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from pvhdbg.abi.e820 import MapEntry
    from pvhdbg.boot.stop.capture import Capture
    from pvhdbg.boot.stop.ranges import AddressRange
    from pvhdbg.image.facts import ImageFacts
    from pvhdbg.target.base import Target
    from pvhdbg.vmm_profiles.profile import Layout, Places, Profile

_FIRST_MIB = (0, 1 << 20)
_PAGE = 0x1000
_MOD_START_PFN = 16


class ProfileHandover:
    """A HandoverSource for a profile that has a layout. `ram_size` is the size of guest memory in bytes."""

    def __init__(self, profile: Profile, layout: Layout, ram_size: int) -> None:
        self._profile = profile
        self._layout = layout
        self._ram_size = ram_size

    @property
    def facts(self) -> VmmFacts:
        return VmmFacts(self._profile.name, self._profile.source_version, self._profile.differences())

    def handover(self, target: Target, entry: Capture, image: ImageFacts | None) -> Handover:
        cmdline = entry.cmdline.raw if entry.cmdline else b""
        initrd = _initrd(entry)
        boot = self._boot(len(cmdline) + 1, initrd, image)
        places = self._layout.places(boot)
        self._check(boot, places, entry)
        moves = _moves(initrd, places)
        kernel = [(region.start, region.end) for region in regions.kernel(image)]
        kept = [*kernel, *((move.paddr, move.paddr + move.size) for move in moves)]
        old = [_FIRST_MIB, *((move.source, move.source + move.size) for move in moves)]
        rsdp = entry.start_info.rsdp_paddr if entry.start_info else 0
        acpi: tuple[Placed, ...] = ()
        if rsdp and places.rsdp is not None and places.tables is not None:
            acpi = acpi_tables.moved(target, rsdp, places.rsdp, places.tables)
        cpu = self._layout.cpu
        return Handover(
            moves,
            tuple(ranges.minus(old, kept)),
            (*self._layout.tables, *acpi, *_structures(self._layout, boot, places, cmdline)),
            cpu._replace(general={**cpu.general, "rbx": places.start_info}),
            END_OF_4_GIB,
        )

    def _boot(self, cmdline_size: int, initrd: AddressRange | None, image: ImageFacts | None) -> Boot:
        size = None if initrd is None else initrd[1] - initrd[0]
        kernel = [region for region in regions.kernel(image) if region.start < 1 << 32]
        boot = Boot(self._ram_size, cmdline_size, size)
        if image is None or not kernel:
            return boot
        return boot._replace(
            kernel=(min(region.start for region in kernel), max(region.end for region in kernel)),
            elf_class=image.elf_class,
            maps_initrd=not any(note.type == _MOD_START_PFN and any(note.desc) for note in image.notes),
        )

    def _check(self, boot: Boot, places: Places, entry: Capture) -> None:
        """Check that the VMM accepts the command line, and that this machine has the RAM that it hands over.

        :raise UserError: if not.
        """
        name, title = f"--vmm {self._profile.name}", self._profile.title
        room = self._layout.cmdline_room
        if room is not None and boot.cmdline_size > room:
            size, most = boot.cmdline_size - 1, room - 1
            message = f"{name}: the command line has {size} bytes; {title} accepts at most {most}"
            raise UserError(message, "pass a shorter one with -a")
        if boot.cmdline_size > MAX_STRING:  # the rest was not read
            raise UserError(
                f"{name}: the command line is longer than {MAX_STRING - 1} bytes", "pass a shorter one with -a"
            )
        for start, end in _claimed(self._layout.memory_map(boot), boot, places, entry):
            raise UserError(
                f"{name}: this boot needs memory at {start:#x}-{end:#x}, but QEMU's microvm has none there",
                "use another size of memory with -m",
            )


def _claimed(entries: Iterable[MapEntry], boot: Boot, places: Places, entry: Capture) -> list[AddressRange]:
    """Return the RAM that the VMM hands over, and that QEMU does not have.

    A part of a page does not count: libkrun's map has one byte too many.
    """
    records = entry.memory_map.entries if entry.memory_map else ()
    there = [_FIRST_MIB, *installed_ranges(decode_entries(records))]
    claimed = [(listed.addr, listed.end & -_PAGE) for listed in entries if listed.type == RAM]
    claimed.append((places.start_info, places.start_info + StartInfo.SIZE))
    if places.initrd is not None:
        claimed.append((places.initrd, places.initrd + (boot.initrd_size or 0)))
    return ranges.minus(claimed, there)


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
    modules = [] if places.initrd is None else [pack(ModlistEntry, places.initrd, boot.initrd_size or 0)]
    entries = layout.memory_map(boot)
    is_table = layout.map_form == MEMMAP and places.memmap is not None
    if layout.map_form == E820_MODULE:
        yield from _map_module(modules, entries, places)
    fields = {
        "magic": MAGIC,
        "version": layout.version,
        "flags": layout.flags,
        "nr_modules": len(modules),
        "modlist_paddr": places.modlist if modules else 0,
        "cmdline_paddr": places.cmdline if layout.points_to_cmdline(boot) else 0,
        "rsdp_paddr": layout.rsdp_paddr,
        "memmap_paddr": places.memmap or 0 if is_table else 0,
        "memmap_entries": len(entries) if is_table else 0,
    }
    info = pack(StartInfo, *fields.values())
    yield Placed("start_info", places.start_info, info if layout.version else info[: StartInfo.memmap_paddr.offset])
    if modules:
        yield Placed("modules", places.modlist, b"".join(modules))
    if is_table and places.memmap is not None:
        yield Placed("memory_map", places.memmap, b"".join(pack(MemmapTableEntry, *entry) for entry in entries))
    if layout.has_cmdline(boot):
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
