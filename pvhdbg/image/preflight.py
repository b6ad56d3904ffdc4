"""What QEMU's `-kernel` will do with a file, worked out before it is started.

Source: QEMU hw/i386/x86.c x86_load_linux and load_elfboot, include/hw/elf_ops.h, pc-bios/optionrom/pvh_main.c; each
verdict was tried on QEMU 7.2. After a fatal one the guest's PVH entry is never reached, or it dies there.
"""

from __future__ import annotations

import re
from collections.abc import Container, Iterator
from contextlib import closing
from itertools import pairwise
from typing import NamedTuple

from pvhdbg.abi.setup_header import HDR, HDRS, SetupHeader
from pvhdbg.image import note_verdicts, notes
from pvhdbg.image.facts import EM_386, EM_X86_64, ImageFacts
from pvhdbg.image.header import PT_LOAD, Buffer, Elf, ProgramHeader, map_file, read_elf
from pvhdbg.image.multiboot import HAS_ADDRESSES, SEARCHED1, Multiboot, multiboot1
from pvhdbg.image.verdict import FATAL, WARNING, Verdict

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

    def told(self, facts: ImageFacts) -> ImageFacts:
        """The file's facts with these verdicts. The guest is entered where QEMU's search of the notes ends, whatever
        the ABI says.
        """
        return facts._replace(entry=facts.entry if self.entry is None else self.entry, verdicts=self.verdicts)


def preflight_file(facts: ImageFacts, machine: Machine | None = None, symbols: Container[str] = ()) -> Preflight:
    """`preflight` of the file that the facts are of.

    :raise UserError: if it can't be read.
    """
    with closing(map_file(facts.elf)) as data:
        return preflight(facts, data, machine, symbols)


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
        *(note_verdicts.odd_note(elf, scan) if scan.entry is not None else [note_verdicts.no_entry(elf, facts, scan)]),
        *note_verdicts.lost_scan(scan),
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
