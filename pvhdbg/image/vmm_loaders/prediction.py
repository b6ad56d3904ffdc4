"""What a VMM does with a kernel file: the PVH entry that it uses, and verdicts on what its loader refuses or damages.

The rules are in the VMM's profile. A fatal verdict means that the VMM does not start the kernel via PVH, or that code
or data that the kernel needs is not loaded.
"""

from __future__ import annotations

from contextlib import closing
from functools import cache
from itertools import islice, pairwise
from typing import TYPE_CHECKING

from pvhdbg.abi.e820 import E820_MODULE, BootE820Entry, E820Table
from pvhdbg.abi.start_info import RSDP_SIZE, MemmapTableEntry, ModlistEntry, StartInfo
from pvhdbg.image import notes
from pvhdbg.image.file import open_file
from pvhdbg.image.header import PT_LOAD, read_elf
from pvhdbg.image.notes import REASONS
from pvhdbg.image.verdicts.segment_verdicts import segment_at
from pvhdbg.image.verdicts.verdict import FATAL, WARNING, Verdict
from pvhdbg.image.vmm_loaders.note_search import SEARCHES
from pvhdbg.named_tuple import NamedTuple
from pvhdbg.vmm_profiles.profile import REFUSES, Boot
from pvhdbg.vmm_profiles.table import NAMES, profile

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pvhdbg.image.facts import ImageFacts
    from pvhdbg.image.header import Elf, ProgramHeader
    from pvhdbg.image.notes import Scan
    from pvhdbg.vmm_profiles.profile import Layout, Loader, Profile

_PAGE = 4096
_MOST_SEGMENTS = 4096
_NOTHING_FOUND = (notes.NO_NOTE, notes.NO_SEGMENT)
_ONE_NOTE = "give the file exactly one PHYS32_ENTRY note, with the owner Xen and 4 bytes, in one PT_NOTE segment"
_FOR_X86_64 = "build the kernel as a 64-bit ELF file for x86-64; its PVH entry remains 32-bit code"
_HINTS = {notes.NOT_ELF64: _FOR_X86_64, notes.NOT_X86_64: _FOR_X86_64}


class Prediction(NamedTuple):
    """What a VMM does with a file: the entry that it uses, None if it uses none, and what is wrong with the file.

    `name` is the name of the profile, `title` that of the VMM.
    """

    name: str
    title: str
    entry: int | None
    verdicts: tuple[Verdict, ...]

    @property
    def fatal(self) -> tuple[Verdict, ...]:
        return tuple(verdict for verdict in self.verdicts if verdict.severity == FATAL)


class _File(NamedTuple):
    """The file, the VMM, and what it is asked to boot. `has_memory` is whether the size of its memory is known.

    `loads` are the program headers whose bytes the VMM puts into memory, at most 4096 of them.
    """

    elf: Elf
    profile: Profile
    loader: Loader
    boot: Boot
    has_memory: bool
    loads: list[ProgramHeader]

    @property
    def title(self) -> str:
        return self.profile.title


def _loads(elf: Elf, loader: Loader) -> list[ProgramHeader]:
    found = (it for it in elf.segments if it.type == PT_LOAD or (loader.every_segment and it.filesz))
    return list(islice(found, _MOST_SEGMENTS))


def predict_file(facts: ImageFacts) -> tuple[Prediction, ...]:
    """Return what each VMM with a loader of its own does with the ELF file `facts.elf`, in a usual VM.

    :raise UserError: if the file can't be read.
    """
    boot = usual_boot(facts)
    with closing(open_file(facts.elf)) as data:
        elf = read_elf(data, facts.path)
        search = cache(lambda name: SEARCHES[name](elf))  # several VMMs search in the same way
        predictions = [predict(profile(name), elf, boot, search=search) for name in NAMES]
    return tuple(filter(None, predictions))


def usual_boot(facts: ImageFacts) -> Boot:
    """Return a boot of this kernel with 512 MiB of RAM, an empty command line and no initrd."""
    starts, ends = [it.paddr for it in facts.segments], [it.end for it in facts.segments]
    return Boot(512 << 20, 1, None, (min(starts, default=0), max(ends, default=0)), facts.elf_class)


def predict(
    vmm: Profile, elf: Elf, boot: Boot, *, has_memory: bool = False, search: Callable[[str], Scan] | None = None
) -> Prediction | None:
    """Predict what a VMM does with a file; None for a profile without loader rules. Fatal verdicts come first.

    `search` returns the result of a search by its name, if the caller keeps the results.
    """
    if vmm.loader is None:
        return None
    file = _File(elf, vmm, vmm.loader, boot, has_memory, _loads(elf, vmm.loader))
    scan = search(vmm.loader.search) if search else SEARCHES[vmm.loader.search](elf)
    verdicts = [*_headers(file, scan), *_segments(file), *_command_line(file), *_overwritten(file)]
    verdicts.sort(key=lambda verdict: verdict.severity != FATAL)
    is_entered = scan.entry is not None and not any(verdict.severity == FATAL for verdict in verdicts)
    return Prediction(vmm.name, vmm.title, scan.entry if is_entered else None, tuple(verdicts))


def _headers(file: _File, scan: notes.Scan) -> Iterator[Verdict]:
    """Yield the verdicts about the note and the entry."""
    limit = file.loader.lowest_e_entry
    if scan.entry is None:
        yield _no_entry(file, scan.reason)
    elif segment_at(file.elf, scan.entry) is None:
        then = "refuses the file" if file.loader.entry_in_segment else "enters it there, where no code is loaded"
        yield Verdict(
            "vmm-entry-outside",
            FATAL,
            f"the PVH entry {scan.entry:#x} is outside every PT_LOAD segment: {file.title} {then}",
            "write the physical address of the entry's code into the note",
            {"vmm": file.profile.name, "entry": scan.entry},
        )
    if file.elf.entry < limit:
        yield Verdict(
            "vmm-entry-low",
            FATAL,
            f"e_entry is {file.elf.entry:#x}: {file.title} refuses a file with e_entry below {limit:#x}, "
            "although it does not use e_entry in a PVH boot",
            "let the linker set e_entry: `ENTRY(SYMBOL)` in the linker script, with a symbol at 1 MiB or above",
            {"vmm": file.profile.name, "entry": file.elf.entry, "limit": limit},
        )


def _no_entry(file: _File, reason: str) -> Verdict:
    does = file.loader.without_note if reason in _NOTHING_FOUND else REFUSES
    return Verdict(
        "vmm-no-entry",
        FATAL,
        f"{file.title} finds no PVH entry: {REASONS[reason]}; {does}",
        _HINTS.get(reason, _ONE_NOTE),
        {"vmm": file.profile.name},
    )


def _segments(file: _File) -> Iterator[Verdict]:
    """Yield the verdicts about segments that the VMM refuses, or for which it has no RAM."""
    low = min((it for it in file.loads), key=lambda it: it.paddr, default=None)
    if low is not None and low.paddr < file.loader.lowest_segment:
        yield Verdict(
            "vmm-segment-low",
            FATAL,
            f"a segment is at {low.paddr:#x}: {file.title} refuses segments below {file.loader.lowest_segment:#x}",
            "load the kernel at 1 MiB or higher: `. = 1M;` at the start of SECTIONS in the linker script",
            {"vmm": file.profile.name, "paddr": low.paddr, "limit": file.loader.lowest_segment},
        )
    if file.loader.own_pages:
        yield from _shared_pages(file)
    for segment in file.loads:
        if segment.memsz and not _is_ram(file, segment.paddr, segment.paddr + segment.memsz):
            yield _without_ram(file, segment)
            return


def _shared_pages(file: _File) -> Iterator[Verdict]:
    pages = sorted((it.paddr // _PAGE, -(-(it.paddr + it.memsz) // _PAGE)) for it in file.loads)
    for (_, end), (start, _) in pairwise(pages):
        if start < end:
            yield Verdict(
                "vmm-shared-page",
                FATAL,
                f"two segments share the page at {start * _PAGE:#x}: {file.title} refuses the file",
                "align each PT_LOAD segment to 4096: `. = ALIGN(4096);` before it in the linker script",
                {"vmm": file.profile.name, "paddr": start * _PAGE},
            )
            return


def _is_ram(file: _File, start: int, end: int) -> bool:
    """Return whether the VMM has RAM there. If the size of its memory is unknown, only the holes have none."""
    holes = file.loader.holes
    if any(start < hole_end and hole_start < end for hole_start, hole_end in holes):
        return False
    below = sum(hole_end - hole_start for hole_start, hole_end in holes if hole_end <= start)
    return not file.has_memory or end - below <= file.boot.ram_size


def _without_ram(file: _File, segment: ProgramHeader) -> Verdict:
    end = segment.paddr + segment.memsz
    kind = "" if segment.type == PT_LOAD else f": it also loads segments of type {segment.type}"
    return Verdict(
        "vmm-no-ram",
        FATAL,
        f"the segment at {segment.paddr:#x}-{end:#x} is where {file.title} has no RAM{kind}",
        "give the segment a p_paddr within the RAM of the VM, or the VM more memory",
        {"vmm": file.profile.name, "paddr": segment.paddr, "end": end},
    )


def _command_line(file: _File) -> Iterator[Verdict]:
    layout = file.profile.layout
    if layout is None or layout.cmdline_room is None:
        return
    most = layout.cmdline_room - 1
    if file.boot.cmdline_size - 1 > most:
        yield Verdict(
            "vmm-command-line",
            FATAL,
            f"the command line has {file.boot.cmdline_size - 1} bytes: {file.title} accepts at most {most}",
            "shorten the command line",
            {"vmm": file.profile.name, "size": file.boot.cmdline_size - 1, "limit": most},
        )


def _overwritten(file: _File) -> Iterator[Verdict]:
    """Yield a verdict on the first structure of the VMM that shares memory with a segment."""
    if file.profile.layout is None:
        return
    for name, start, size in structures(file.profile.layout, file.boot):
        for segment in file.loads:
            if segment.paddr < start + size and start < segment.paddr + segment.memsz:
                is_before = name in file.loader.before
                message = (
                    f"the kernel is loaded over {name} of {file.title} at {start:#x}"
                    if is_before
                    else f"{file.title} writes {name} over the kernel at {start:#x}"
                )
                yield Verdict(
                    "vmm-overlap",
                    WARNING,
                    message,
                    "load the kernel at 1 MiB or higher: `. = 1M;` at the start of SECTIONS in the linker script",
                    {"vmm": file.profile.name, "paddr": segment.paddr, "structure": name, "at": start},
                )
                return


def structures(layout: Layout, boot: Boot) -> list[tuple[str, int, int]]:
    """Return the name, the address and the size of each structure that a VMM writes, sorted by address."""
    places, count = layout.places(boot), len(layout.memory_map(boot))
    info = StartInfo.SIZE if layout.version else StartInfo.memmap_paddr.offset
    is_module = layout.map_form == E820_MODULE
    table = E820Table.SIZE + BootE820Entry.SIZE * count if is_module else MemmapTableEntry.SIZE * count
    found = [
        ("start_info", places.start_info, info),
        ("the module list", places.modlist, ModlistEntry.SIZE * (2 if is_module else bool(boot.initrd_size))),
        ("the memory map", places.memmap or 0, table if places.memmap else 0),
        ("the command line", places.cmdline, boot.cmdline_size if layout.has_cmdline(boot) else 0),
        ("the RSDP", places.rsdp or 0, RSDP_SIZE if places.rsdp else 0),
        *((f"the {it.name}", it.paddr, len(it.data)) for it in layout.tables),
    ]
    return sorted((row for row in found if row[2]), key=lambda row: row[1])
