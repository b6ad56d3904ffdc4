"""Verdicts about the segments: where they are loaded, where they are linked, and where the entry is.

Source: QEMU include/hw/elf_ops.h and hw/core/loader.c; hw/i386/pc_piix.c, pc_q35.c and microvm.c (the RAM below 4 GiB).
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

from pvhdbg.abi.text import printable
from pvhdbg.image.header import PT_LOAD, PT_NOTE, Elf, ProgramHeader
from pvhdbg.image.notes import XEN, segment_notes
from pvhdbg.image.verdicts.verdict import FATAL, WARNING, Verdict
from pvhdbg.named_tuple import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

_4G = 1 << 32
_PHYSICAL_LIMIT = 1 << 52
"""No x86 CPU has more physical address bits than 52."""
_MEMORY_LIMITS = {"q35": 0xB0000000}
_MEMORY_LIMIT = 0xE0000000
"""The RAM below 4 GiB ends here at the latest, on q35 and on the other machine types. PCI devices are above it."""
_LEGACY = range(0xA0000, 0x100000)
"""VGA memory, the option ROMs (one is pvh.bin) and SeaBIOS."""
_MICROVM_FIRMWARE = {"seabios": range(0xC0000, 0x100000)}
"""A microvm has no VGA memory. With SeaBIOS, it has option ROMs, but qboot needs none to start a kernel."""
_QBOOT = range(0xF0000, 0x100000)
_WINDOW = 1 << 30
_PAGE = 4096
_MIB = 1 << 20
_PHYS32_RELOC = 19
_MOST_NOTES = 16
_FLAT_MEMORY = 2 << 30
"""Machines with more RAM may have a hole below 4 GiB. No kernel is loaded higher on purpose."""


class Layout(NamedTuple):
    """The segments with content, and the machine: its type, the size of its RAM in bytes, None if unknown, and the
    firmware of a microvm, as in `preflight.Machine`.
    """

    elf: Elf
    machine: str
    memory: int | None
    firmware: str | None

    @property
    def loads(self) -> list[ProgramHeader]:
        return [segment for segment in self.elf.segments if segment.type == PT_LOAD]

    @property
    def needed(self) -> list[ProgramHeader]:
        """The segments that a kernel needs in memory. A linker may put notes alone into a segment at its own default
        address, such as 0x8048000: loaders read them from the file.
        """
        notes = [(it.offset, it.offset + it.filesz) for it in self.elf.segments if it.type == PT_NOTE][:_MOST_NOTES]
        return [
            it
            for it in self.loads
            if it.memsz != it.filesz
            or not any(start <= it.offset and it.offset + it.filesz <= end for start, end in notes)
        ]

    @property
    def limit(self) -> int:
        return _MEMORY_LIMITS["q35"] if "q35" in self.machine else _MEMORY_LIMIT


def about_segments(layout: Layout) -> Iterator[Verdict]:
    """Yield the verdicts about the segments, the root cause first."""
    yield from _sizes(layout.loads)
    yield from _overlaps(layout.loads)
    yield from _out_of_memory(layout)
    yield from _in_firmware(layout)


def about_entry(layout: Layout, entry: int) -> Iterator[Verdict]:
    """Yield the verdicts about a PVH entry that is in no segment, or where the file has no bytes."""
    segment = segment_at(layout.elf, entry)
    if segment is None:
        yield _entry_outside(layout, entry)
    elif entry >= segment.paddr + segment.filesz:
        yield Verdict(
            "entry-zeros",
            WARNING,
            f"the PVH entry {entry:#x} is in the zero-filled part of its segment: no code is loaded there",
            "write the physical address of the entry's code into the note",
            {"entry": entry, "loaded": segment.paddr, "file_end": segment.paddr + segment.filesz},
        )


def segment_at(elf: Elf, paddr: int) -> ProgramHeader | None:
    """Return the PT_LOAD segment that is loaded at a physical address, or None."""
    for segment in elf.segments:
        if segment.type == PT_LOAD and segment.paddr <= paddr < segment.paddr + segment.memsz:
            return segment
    return None


def entry_is_vaddr(elf: Elf, value: int) -> Verdict | None:
    """Return a verdict if an entry that is not loaded is the link address of code that is; otherwise None.

    `value` is the address in the note. A 64-bit address counts too if only its lower 32 bits are in the note.
    """
    for segment in elf.segments:
        for base in (segment.vaddr, segment.vaddr % _4G):
            if segment.type == PT_LOAD and segment.vaddr != segment.paddr and base <= value < base + segment.memsz:
                return _entry_is_vaddr(segment, value, value - base + segment.paddr)
    return None


def _entry_is_vaddr(segment: ProgramHeader, value: int, paddr: int) -> Verdict:
    offset = segment.vaddr - segment.paddr
    return Verdict(
        "entry-is-vaddr",
        FATAL,
        f"the PVH entry {value:#x} is a link address (p_vaddr): its code is loaded at {paddr:#x} (p_paddr)",
        f"write the physical address into the note: `.long ENTRY - {offset:#x}`"
        if offset > 0
        else f"write the physical address into the note: `.long ENTRY + {-offset:#x}`",
        {"entry": value, "paddr": paddr, "vaddr": segment.vaddr + paddr - segment.paddr},
    )


def _sizes(loads: list[ProgramHeader]) -> Iterator[Verdict]:
    for segment in loads:
        if segment.filesz > segment.memsz:
            yield Verdict(
                "segment-sizes",
                FATAL,
                f"the segment at {segment.paddr:#x} has p_filesz {segment.filesz:#x} larger than p_memsz "
                f"{segment.memsz:#x}: QEMU 7.2 hangs while loading the file, and later versions refuse the file",
                "correct the program header",
                {"paddr": segment.paddr, "filesz": segment.filesz, "memsz": segment.memsz},
            )
            return


def _overlaps(loads: list[ProgramHeader]) -> Iterator[Verdict]:
    """Yield a verdict if two segments overlap. Only bytes from the file count, because QEMU trims overlapping zeros."""
    for low, high in pairwise(sorted((segment.paddr, segment.filesz) for segment in loads if segment.filesz)):
        if low[0] + low[1] > high[0]:
            yield Verdict(
                "segments-overlap",
                FATAL,
                f"two PT_LOAD segments overlap at {high[0]:#x}: QEMU refuses the file",
                "give each PT_LOAD segment its own physical addresses",
                {"paddr": high[0]},
            )
            return


def _out_of_memory(layout: Layout) -> Iterator[Verdict]:
    """Yield a verdict on the highest segment if it is where the machine has no RAM, or never can have any."""
    segment = max(layout.needed, key=lambda segment: segment.paddr + segment.memsz, default=None)
    if segment is None or not segment.memsz:
        return
    end, memory = segment.paddr + segment.memsz, layout.memory
    fields: dict[str, int | str] = {"paddr": segment.paddr, "vaddr": segment.vaddr, "end": end}
    if segment.paddr == segment.vaddr and end > _FLAT_MEMORY and not _may_be_memory(layout, end):
        yield _paddr_is_vaddr(layout, segment)
    elif segment.paddr >= _4G:
        yield _above_4g(layout, segment, fields)
    elif end > layout.limit:
        yield Verdict(
            "segment-in-pci-hole",
            FATAL,
            f"the segment at {segment.paddr:#x} is where a {layout.machine} never has RAM: PCI devices are between "
            f"{layout.limit:#x} and 4 GiB",
            f"load it lower: {_at(layout.elf, segment, _low_address(segment))}",
            {**fields, "limit": layout.limit},
        )
    elif memory is not None and memory <= _FLAT_MEMORY and end > memory:
        yield Verdict(
            "beyond-memory",
            FATAL,
            f"the kernel ends at {end:#x}, past the end of the machine's memory, which has {memory:#x} bytes",
            f"give the machine at least {-(-end // _MIB)} MiB with -m, or load the kernel lower",
            {**fields, "memory": memory},
        )


def _may_be_memory(layout: Layout, end: int) -> bool:
    """Return whether the user asked for so much RAM that it may reach `end`, although that is above 2 GiB."""
    return layout.memory is not None and layout.memory >= end and end <= layout.limit


def _paddr_is_vaddr(layout: Layout, segment: ProgramHeader) -> Verdict:
    paddr = _low_address(segment)
    return Verdict(
        "paddr-is-vaddr",
        FATAL,
        f"p_paddr of a segment is its link address, {segment.paddr:#x}: the machine has no RAM there",
        f"set a load address in the linker script: {_at(layout.elf, segment, paddr)}",
        {"paddr": segment.paddr, "end": segment.paddr + segment.memsz, "suggested": paddr},
    )


def _above_4g(layout: Layout, segment: ProgramHeader, fields: dict[str, int | str]) -> Verdict:
    memory = layout.memory
    # The RAM above 4 GiB is what does not fit below; its size depends on the machine type.
    is_missing = segment.paddr >= _PHYSICAL_LIMIT or (
        memory is not None and segment.paddr + segment.memsz - _4G > memory
    )
    is_missing = is_missing or (memory is not None and memory <= _FLAT_MEMORY)
    return Verdict(
        "segment-above-4g",
        FATAL if is_missing else WARNING,
        f"the segment at {segment.paddr:#x} is above 4 GiB: the PVH entry runs with paging off and cannot reach it",
        f"load it lower: {_at(layout.elf, segment, _low_address(segment))}",
        fields,
    )


def _low_address(segment: ProgramHeader) -> int:
    """Return where to load a segment instead: its place in its own GiB, as kernels of the upper half have it."""
    return segment.vaddr % _WINDOW or _MIB


def _at(elf: Elf, segment: ProgramHeader, paddr: int) -> str:
    """Return the line of a linker script that loads a segment at `paddr` and leaves it linked where it is."""
    name = printable(_first_section(elf, segment))
    offset = segment.vaddr - paddr
    where = f"ADDR({name}) {'-' if offset >= 0 else '+'} {abs(offset):#x}" if offset else f"ADDR({name})"
    return f"`{name} : AT({where}) {{ *({name}*) }}`"


def _first_section(elf: Elf, segment: ProgramHeader) -> str:
    for section in elf.sections:
        if section.flags & 2 and segment.vaddr <= section.addr < segment.vaddr + segment.memsz:
            return elf.section_name(section).decode("latin-1") or ".text"
    return ".text"


def _in_firmware(layout: Layout) -> Iterator[Verdict]:
    """Yield a verdict if QEMU loads bytes of the file where a PC has its VGA memory and its firmware, not RAM."""
    taken = _MICROVM_FIRMWARE.get(layout.firmware or "", _QBOOT) if layout.machine.startswith("microvm") else _LEGACY
    for segment in layout.loads:
        if segment.filesz and segment.paddr < taken.stop and segment.paddr + segment.filesz > taken.start:
            end = segment.paddr + segment.filesz
            yield Verdict(
                "segment-in-firmware",
                FATAL,
                f"the segment at {segment.paddr:#x}-{end:#x} is loaded over devices and firmware: they are at "
                f"{taken.start:#x}-{taken.stop:#x}",
                "load the kernel at 1 MiB or higher: `. = 1M;` at the start of SECTIONS in the linker script",
                {"paddr": segment.paddr, "end": end, "taken": taken.start},
            )
            return


def _entry_outside(layout: Layout, entry: int) -> Verdict:
    for segment in layout.loads:
        low = _low_address(segment)
        if segment.vaddr == segment.paddr != low <= entry < low + segment.memsz:
            return _paddr_is_vaddr(layout, segment)
    if verdict := _moved(layout, entry) or entry_is_vaddr(layout.elf, entry):
        return verdict
    low = min((segment.paddr for segment in layout.loads), default=0)
    high = max((segment.paddr + segment.memsz for segment in layout.loads), default=0)
    return Verdict(
        "entry-outside",
        FATAL,
        f"the PVH entry {entry:#x} is outside every PT_LOAD segment: no code is loaded there",
        f"write the physical address of the entry's code into the note: the segments are at {low:#x}-{high:#x}",
        {"entry": entry, "low": low, "high": high},
    )


def _moved(layout: Layout, entry: int) -> Verdict | None:
    """Return a verdict if the whole image was moved after it was linked, although its note says where it was linked.

    Either p_paddr was changed and p_vaddr, which is in RAM too, was not. Or both were changed, and e_entry with them
    (objcopy --change-addresses).
    """
    elf = layout.elf
    if any(note.type == _PHYS32_RELOC and note.owner == XEN for note in segment_notes(elf)):
        return None
    linked = next((it for it in layout.loads if it.vaddr <= entry < it.vaddr + it.memsz), None)
    distance = linked.paddr - linked.vaddr if linked else elf.entry - entry
    is_low = linked is not None and linked.vaddr + linked.memsz <= (layout.memory or _WINDOW)
    is_shifted = linked is None and segment_at(elf, elf.entry) is not None and distance % _PAGE == 0
    if not (is_low or is_shifted):
        return None
    direction = "higher" if distance > 0 else "lower"
    segment = linked or layout.loads[0]
    return Verdict(
        "image-moved",
        FATAL,
        f"the image was moved, but its PVH entry was not: it is loaded {abs(distance):#x} {direction} than "
        f"linked, the entry is still {entry:#x}, and it has no PHYS32_RELOC note",
        f"link the kernel where it is loaded: `. = {segment.paddr:#x};` before the first section of the linker script, "
        "without AT() and objcopy --change-addresses",
        {"entry": entry, "distance": distance, "paddr": segment.paddr, "linked": segment.paddr - distance},
    )
