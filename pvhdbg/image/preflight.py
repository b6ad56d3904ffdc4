"""What QEMU's `-kernel` will do with a file, worked out before it is started. Pure: facts and bytes in, values out.

Source: QEMU hw/i386/x86.c x86_load_linux and load_elfboot, include/hw/elf_ops.h, pc-bios/optionrom/pvh_main.c; each
verdict was tried on QEMU 7.2. After a fatal one the guest's PVH entry is never reached, or it dies there.
"""

from __future__ import annotations

import re
from collections.abc import Container, Iterator
from itertools import pairwise
from typing import NamedTuple

from pvhdbg.abi.setup_header import HDR, HDRS, SetupHeader
from pvhdbg.abi.text import printable
from pvhdbg.image import notes
from pvhdbg.image.facts import EM_386, EM_X86_64, ImageFacts
from pvhdbg.image.header import PT_LOAD, PT_NOTE, SHT_NOBITS, Buffer, Elf, ProgramHeader, read_elf
from pvhdbg.image.multiboot import HAS_ADDRESSES, SEARCHED1, Multiboot, multiboot1, multiboot2

FATAL, WARNING = "fatal", "warning"
PVH, MULTIBOOT, LINUX, NONE = "pvh", "multiboot", "linux", "none"

CMDLINE_MAX = 4096
"""Bytes of command line for which pvh.bin has room; behind it lie its module list and start_info."""

_HDRS_OFFSET = HDR + SetupHeader.header.offset
_UNSUPPORTED_FLAGS = 0x10004
_OLDEST_PC_WITH_PVH = (4, 0)
# Above, RAM has a hole below 4 GiB whose place depends on the machine.
_FLAT_MEMORY = 2 << 30
_ENTRY_CODE = 256
# or $X86_CR4_PAE, %eax; mov %eax, %cr4
_SETS_PAE = b"\x83\xc8\x20\x0f\x22\xe0"


class Verdict(NamedTuple):
    """One thing that preflight found: a stable slug, `fatal` or `warning`, one line, and what to do about it."""

    slug: str
    severity: str
    message: str
    hint: str


class Machine(NamedTuple):
    """What matters of QEMU's command line.

    `machine` is the value of -M, `append` that of -append, `memory` the guest's RAM in bytes where it is known.
    `firmware` is what starts a microvm, `qboot` (Debian's choice) or `seabios` (upstream's), null where unknown.
    """

    machine: str = "microvm"
    append: bytes = b""
    memory: int | None = None
    firmware: str | None = None

    @property
    def type(self) -> str:
        return self.machine.partition(",")[0].removeprefix("type=")

    @property
    def has_pvh(self) -> bool:
        old = re.fullmatch(r"pc(?:-i440fx|-q35)?-(\d{1,4})\.(\d{1,4})", self.type, re.ASCII)
        return old is None or (int(old[1]), int(old[2])) >= _OLDEST_PC_WITH_PVH


class Preflight(NamedTuple):
    """By which protocol QEMU starts the file (`none`: it refuses), where PVH enters it, and what was found."""

    way: str
    entry: int | None
    verdicts: tuple[Verdict, ...]

    @property
    def fatal(self) -> tuple[Verdict, ...]:
        return tuple(each for each in self.verdicts if each.severity == FATAL)


def preflight(
    facts: ImageFacts, data: Buffer, machine: Machine | None = None, symbols: Container[str] = ()
) -> Preflight:
    """What QEMU will do with the ELF file whose bytes are `data`, and whose facts and symbols are given.

    :raise UserError: if `data` is no ELF file.
    """
    machine = machine or Machine()
    elf = read_elf(data, facts.path)
    scan = notes.qemu(elf)
    header = multiboot1(data)
    way = _way(elf, machine, header, scan)
    found = [
        *_wrong_way(elf, header),
        *_wrong_machine(elf, machine),
        *_wrong_segments(elf, machine),
        *(_odd_note(elf, scan) if scan.entry is not None else [_no_entry(elf, facts, scan)]),
        *_lost_scan(scan),
        *_wrong_entry(elf, scan.entry),
        *_without_pae(elf, scan.entry, symbols),
        *_long_command_line(machine),
    ]
    return Preflight(way, scan.entry, tuple(found))


def _way(elf: Elf, machine: Machine, header: Multiboot | None, scan: notes.Scan) -> str:
    if _has_hdrs(elf):
        return LINUX
    if header:
        return NONE if _is_refused(elf, header) else MULTIBOOT
    return PVH if machine.has_pvh and scan.entry is not None and not elf.flags & _UNSUPPORTED_FLAGS else NONE


def _has_hdrs(elf: Elf) -> bool:
    return SetupHeader(elf.data[HDR : HDR + SetupHeader.SIZE]).header == HDRS


def _is_refused(elf: Elf, header: Multiboot) -> bool:
    return elf.machine == EM_X86_64 and not header.flags & HAS_ADDRESSES


def _wrong_way(elf: Elf, header: Multiboot | None) -> Iterator[Verdict]:
    if _has_hdrs(elf):
        yield Verdict(
            "linux-protocol",
            FATAL,
            f"the bytes HdrS at {_HDRS_OFFSET:#x}: QEMU takes the file for a bzImage and never comes to its PVH entry",
            "link it so that something else lies at that offset of the file",
        )
    elif header:
        cause = (
            'QEMU refuses a 64-bit file with one ("Cannot load x86-64 image")'
            if _is_refused(elf, header)
            else "QEMU starts the file by multiboot and never comes to its PVH entry"
        )
        yield Verdict(
            "multiboot",
            FATAL,
            f"a multiboot header at {header.offset:#x}: {cause}",
            f"leave the header out, or link it behind the first {SEARCHED1} bytes of the file",
        )


def _wrong_machine(elf: Elf, machine: Machine) -> Iterator[Verdict]:
    if elf.machine not in (EM_386, EM_X86_64):
        yield Verdict(
            "not-x86", FATAL, f"e_machine is {elf.machine}: no code for x86", "build the kernel for i386 or x86-64"
        )
    if elf.flags & _UNSUPPORTED_FLAGS:
        yield Verdict(
            "elf-flags",
            FATAL,
            f"e_flags is {elf.flags:#x}: QEMU refuses {_UNSUPPORTED_FLAGS:#x} in it",
            "x86 has no ELF flags: link with e_flags 0",
        )
    if not machine.has_pvh:
        yield Verdict(
            "machine-without-pvh",
            FATAL,
            f"machine type {machine.type} never looks for a PVH entry",
            "take microvm, q35 or pc, or a versioned type from 4.0 on",
        )


def _wrong_segments(elf: Elf, machine: Machine) -> Iterator[Verdict]:
    loads = [each for each in elf.segments if each.type == PT_LOAD]
    for each in loads:
        if each.filesz > each.memsz:
            yield Verdict(
                "segment-sizes",
                FATAL,
                f"the segment at {each.paddr:#x} has p_filesz {each.filesz:#x} above p_memsz {each.memsz:#x}: QEMU 7.2 "
                "never ends loading it, newer ones refuse",
                "correct the program header",
            )
            break
    yield from _overlaps(loads)
    end = max((each.paddr + each.memsz for each in loads), default=0)
    if machine.memory is not None and machine.memory <= _FLAT_MEMORY and end > machine.memory:
        yield Verdict(
            "beyond-memory",
            FATAL,
            f"the file is loaded up to {end:#x}, the machine's memory ends at {machine.memory:#x}",
            "give it more memory (-m)",
        )


def _overlaps(loads: list[ProgramHeader]) -> Iterator[Verdict]:
    """QEMU itself cuts zeros that another segment overlaps, so only bytes from the file count."""
    for low, high in pairwise(sorted((each.paddr, each.filesz) for each in loads if each.filesz)):
        if low[0] + low[1] > high[0]:
            yield Verdict(
                "segments-overlap",
                FATAL,
                f"two segments hold bytes for {high[0]:#x}: QEMU refuses them",
                "give each PT_LOAD segment physical addresses of its own",
            )
            return


def _no_entry(elf: Elf, facts: ImageFacts, scan: notes.Scan) -> Verdict:
    """Why QEMU finds no entry address."""
    strict = notes.abi(elf)
    if scan.reason == notes.ALIGN_ZERO:
        return Verdict(
            "note-align-zero",
            FATAL,
            "a PT_NOTE segment has p_align 0: QEMU divides by it and dies of SIGFPE",
            "link it with an alignment of 4",
        )
    if scan.reason == notes.ZERO:
        return Verdict(
            "entry-zero",
            FATAL,
            "the last note of type 18 says address 0, for QEMU the same as none",
            "give the entry's physical address",
        )
    if strict.entry is not None and strict.note:
        return Verdict(
            "note-align",
            FATAL,
            f"PHYS32_ENTRY {strict.entry:#x} is there, its notes padded to 4, but p_align of their segment is "
            f"{_align_at(elf, strict.note.offset)} and QEMU pads by that: it misses the note",
            "objcopy --remove-section .note.gnu.property, or give .notes a PT_NOTE segment of its own with alignment 4",
        )
    return _no_note(elf, facts)


def _align_at(elf: Elf, offset: int) -> int:
    segments = (each for each in elf.segments if each.type == PT_NOTE)
    return next((each.align for each in segments if each.offset <= offset < each.offset + each.filesz), 0)


def _no_note(elf: Elf, facts: ImageFacts) -> Verdict:
    if any(note.type == notes.PHYS32_ENTRY and note.owner == notes.XEN for note in notes.section_notes(elf)):
        return Verdict(
            "note-not-in-segment",
            FATAL,
            "PHYS32_ENTRY is in a SHT_NOTE section that no PT_NOTE segment holds: QEMU looks at segments alone",
            "add a PT_NOTE program header for the section (PHDRS in the linker script)",
        )
    if _is_zeroed(elf):
        return Verdict(
            "notes-zeroed",
            FATAL,
            "there is room for ELF notes, but nothing in it: they were stripped",
            "keep .notes when stripping (objcopy --keep-section .notes)",
        )
    return Verdict("no-note", FATAL, "no PHYS32_ENTRY note (owner Xen, type 18)", _note_hint(elf, facts))


def _is_zeroed(elf: Elf) -> bool:
    segments = [each for each in elf.segments if each.type == PT_NOTE]
    emptied = any(each.type == SHT_NOBITS and elf.section_name(each) == b".notes" for each in elf.sections)
    return emptied or any(
        each.filesz == 0 or not elf.data[each.offset : each.offset + min(each.filesz, 1 << 20)].strip(b"\0")
        for each in segments
    )


def _note_hint(elf: Elf, facts: ImageFacts) -> str:
    if facts.kind != "elf":
        return "build the kernel with CONFIG_PVH=y"
    second = multiboot2(elf.data)
    if second:
        return f"its multiboot 2 header at {second.offset:#x} is unknown to QEMU's -kernel: add the note"
    late = multiboot1(elf.data, 1 << 20)
    if late:
        return f"its multiboot header at {late.offset:#x} is not in the first {SEARCHED1} bytes: add the note"
    return "add the note, in a PT_NOTE segment"


def _odd_note(elf: Elf, scan: notes.Scan) -> Iterator[Verdict]:
    """QEMU finds an entry, but not the one, or not where, the ABI has it."""
    strict, note = notes.abi(elf), scan.note
    if note is None or strict.entry == scan.entry:
        return
    taken = f"QEMU takes the entry {scan.entry:#x} from a note of owner {_quoted(note.owner)} at {note.offset:#x}"
    if strict.entry is not None:
        yield Verdict(
            "decoy-note",
            WARNING,
            f"{taken}; PHYS32_ENTRY is {strict.entry:#x}",
            "QEMU compares no owner: give the other note of type 18 another type, or another place",
        )
    elif note.owner != notes.XEN:
        yield Verdict("owner-not-xen", WARNING, f"{taken}: every other VMM refuses it", 'name the owner "Xen"')
    elif strict.note is None:
        yield Verdict(
            "note-misplaced",
            WARNING,
            f"{taken}, which is not a note of its PT_NOTE segment when names and descriptors are padded to 4",
            "pad them to 4, and let the segment span all of its notes",
        )
    else:
        yield Verdict(
            "note-size",
            WARNING,
            f"{taken}, though {notes.REASONS[strict.reason]}",
            "write the address as 4 bytes, or as 8 of which the upper four are 0",
        )


def _lost_scan(scan: notes.Scan) -> Iterator[Verdict]:
    if scan.reason in (notes.BEYOND_FILE, notes.ENDLESS):
        yield Verdict(
            "note-scan-lost",
            FATAL if scan.entry is None else WARNING,
            f"after a PT_NOTE segment without type 18 QEMU reads on behind it: {notes.REASONS[scan.reason]}",
            "gather all notes in one PT_NOTE segment",
        )


def _quoted(owner: bytes) -> str:
    name = owner.removesuffix(b"\0")
    return f'"{printable(name)}"'


def _wrong_entry(elf: Elf, entry: int | None) -> Iterator[Verdict]:
    if entry is None:
        return
    segment = _segment_at(elf, entry)
    if segment is None:
        yield Verdict(
            "entry-outside",
            FATAL,
            f"the PVH entry {entry:#x} is outside every PT_LOAD segment: nothing is loaded there",
            "the note wants the entry's physical address (p_paddr), not the one it is linked at",
        )
    elif entry >= segment.paddr + segment.filesz:
        yield Verdict(
            "entry-zeros",
            WARNING,
            f"the PVH entry {entry:#x} is in the part of its segment that is filled with zeros",
            "the note wants the physical address of code",
        )


def _segment_at(elf: Elf, paddr: int) -> ProgramHeader | None:
    loads = (each for each in elf.segments if each.type == PT_LOAD)
    return next((each for each in loads if each.paddr <= paddr < each.paddr + each.memsz), None)


def _without_pae(elf: Elf, entry: int | None, symbols: Container[str]) -> Iterator[Verdict]:
    """32-bit Linux without PAE, from before commit db9aded979b4. With PAE alone there is an initial_pg_pmd."""
    segment = None if entry is None else _segment_at(elf, entry)
    if entry is None or segment is None or elf.machine != EM_386:
        return
    if "initial_page_table" not in symbols or "initial_pg_pmd" in symbols:
        return
    start = entry - segment.paddr + segment.offset
    if _SETS_PAE in elf.data[start : start + _ENTRY_CODE]:
        yield Verdict(
            "without-pae",
            WARNING,
            "a kernel without PAE whose PVH entry sets CR4.PAE: it dies when it loads CR3",
            "build it with CONFIG_X86_PAE=y, or take a newer kernel",
        )


def _long_command_line(machine: Machine) -> Iterator[Verdict]:
    size = len(machine.append)
    is_safe = machine.type == "microvm" and machine.firmware == "qboot"
    if size <= CMDLINE_MAX or is_safe:
        return
    is_unknown = machine.type == "microvm" and machine.firmware is None
    yield Verdict(
        "append-too-long",
        WARNING if is_unknown else FATAL,
        f"the command line has {size} bytes: {'SeaBIOS and ' if is_unknown else ''}pvh.bin's buffer has {CMDLINE_MAX}, "
        "the rest overwrites its module list and start_info",
        "shorten it, or start a microvm with qboot, which sets no limit",
    )
