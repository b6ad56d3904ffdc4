"""The VMMs of `--vmm` as topics: what each hands over, and what pvhdbg does not reproduce."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from pvhdbg.abi.e820 import E820_TYPES
from pvhdbg.views.explain.topic import Explanation, Topic
from pvhdbg.views.rows import text
from pvhdbg.vmm_profiles import table
from pvhdbg.vmm_profiles.profile import EXAMPLE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pvhdbg.vmm_profiles.cpu_state import CpuState
    from pvhdbg.vmm_profiles.profile import Layout, Loader, Profile

VMMS = "VMMs of --vmm"
_EXAMPLE = (
    f"The values below are those for {text.size(EXAMPLE.ram_size)} of memory, an initrd of "
    f"{text.size(EXAMPLE.initrd_size or 0)}, and a kernel from {EXAMPLE.kernel[0]:#x} to {EXAMPLE.kernel[1]:#x}."
)


def vmms() -> Iterator[Topic]:
    for name in table.NAMES:
        yield Topic(VMMS, name, (name,), partial(_of, name))


def _of(name: str) -> Explanation:
    profile = table.profile(name)
    return Explanation(
        f"--vmm {name}",
        meaning=f"{profile.title} {profile.source_version}".rstrip(),
        source=profile.repository,
        details=(
            *_facts(profile),
            *_loader(profile.loader),
            *_differences(profile),
            *([_EXAMPLE] if profile.layout else []),
        ),
        values=tuple(_values(profile.layout)) if profile.layout else (),
    )


def _facts(profile: Profile) -> Iterator[str]:
    for fact in profile.facts:
        yield f"- {fact.text} ({fact.source})"


def _loader(loader: Loader | None) -> Iterator[str]:
    """Yield how the VMM loads a kernel file."""
    if loader is None:
        return
    yield f"How it loads a kernel file ({loader.source}):"
    yield f"- it searches for the note as {loader.search} does; without a note, {loader.without_note}"
    limits = {"e_entry": loader.lowest_e_entry, "a segment": loader.lowest_segment}
    yield from (f"- it refuses a file with {name} below {limit:#x}" for name, limit in limits.items() if limit)
    if loader.own_pages:
        yield "- it refuses a file with two segments that share a page"
    if loader.entry_in_segment:
        yield "- it refuses an entry outside of all segments"
    if loader.every_segment:
        yield "- it loads the bytes of every program header, not only of PT_LOAD"
    if loader.holes:
        yield f"- it has no RAM at {', '.join(f'{start:#x}-{end:#x}' for start, end in loader.holes)}"
    if loader.before:
        yield f"- it writes {', '.join(loader.before)} before it loads the kernel, and the rest afterwards"


def _differences(profile: Profile) -> Iterator[str]:
    differences = profile.differences()
    if differences:
        yield "What a guest can notice that pvhdbg does not reproduce:"
    for difference in differences:
        yield f"- {difference}"


def _values(layout: Layout) -> Iterator[tuple[str, str, str]]:
    for name, paddr in layout.places(EXAMPLE)._asdict().items():
        if paddr is not None:
            yield f"{paddr:#x}", name, _PLACES[name]
    for entry in layout.memory_map(EXAMPLE):
        yield f"{entry.addr:#x}-{entry.end:#x}", "memory_map", E820_TYPES.label(entry.type)
    if layout.cmdline_room is not None:
        yield str(layout.cmdline_room), "bytes", "the most bytes of the command line, with its NUL"
    yield from _registers(layout.cpu)


_PLACES = {
    "start_info": "address of start_info, in EBX",
    "modlist": "address of the module list",
    "memmap": "address of the memory map",
    "cmdline": "address of the command line",
    "initrd": "address of the initrd",
    "rsdp": "address of the RSDP, whether start_info has it or not",
    "tables": "address of the other ACPI tables",
}


def _registers(cpu: CpuState) -> Iterator[tuple[str, str, str]]:
    for name in ("cr0", "cr4", "efer", "eflags"):
        yield f"{getattr(cpu, name):#x}", name, ""
    for name, value in cpu.general_registers.items():
        if value:
            yield f"{value:#x}", name, ""
    for name in ("gdtr", "idtr"):
        place = getattr(cpu, name)
        yield f"{place.base:#x}", name, f"limit {place.limit:#x}"
    for name, segment in {**cpu.segments, "tr": cpu.tr, "ldtr": cpu.ldtr}.items():
        hidden = f"base {segment.base:#x}, limit {segment.limit:#x}, flags {segment.flags:#x}"
        yield f"{segment.selector:#x}", name, hidden
