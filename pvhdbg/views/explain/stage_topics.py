"""The stages as topics: what happened before, the state of the machine, and what comes next."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from pvhdbg.boot.stop import stages
from pvhdbg.guest_profiles.table import PROFILES
from pvhdbg.named_tuple import NamedTuple
from pvhdbg.views.explain.topic import Explanation, Topic

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pvhdbg.boot.stop.stages import Stage

STAGES = "stages"


class _StageText(NamedTuple):
    before: str
    now: str
    next: str
    source: str


_PVH = "Linux arch/x86/platform/pvh/head.S and enlighten.c"
_TEXTS = {
    stages.RESET: _StageText(
        "QEMU has loaded the kernel's segments into memory. No instruction of the kernel has run.",
        "The CPU is at its reset vector, the first instruction after a reset, in 16-bit real mode; or it runs "
        "firmware.",
        "The firmware (pvh.bin or qboot) writes start_info to memory, switches to 32-bit protected mode, loads EBX and "
        "jumps to the entry. Other VMMs have no firmware and set up the CPU themselves.",
        "QEMU hw/i386/x86.c and pc-bios/optionrom/pvh_main.c; qboot main.c",
    ),
    "entry": _StageText(
        "The VMM has loaded the kernel, written start_info to memory, and put the address of start_info into EBX.",
        "32-bit protected mode without paging: every address is a physical address. The other general registers can "
        "hold any value. There is no stack and no IDT.",
        "Linux (pvh_start_xen) loads its own GDT, copies start_info to pvh_start_info, sets ESP to its own stack, "
        "enables paging (and long mode in a 64-bit kernel), and calls xen_prepare_pvh.",
        f"Xen docs/misc/pvh.pandoc; {_PVH}",
    ),
    "prepare": _StageText(
        "The assembly code at the entry has copied start_info and enabled paging. This is the kernel's first C code.",
        "The page tables of a 64-bit kernel map the first GiB of physical memory three times: at its physical "
        "addresses (identity map), at 0xffff888000000000 (direct map), and at 0xffffffff80000000 (kernel map, which "
        "can end at 512 MiB). Those of a 32-bit kernel map little more than the kernel, at its physical addresses and "
        "at 0xc0000000. There is no IDT: any fault is a triple fault.",
        "xen_prepare_pvh looks for Xen, checks the magic, and calls init_pvh_bootparams, which builds pvh_bootparams "
        "from start_info. If a check fails, the kernel executes BUG().",
        _PVH,
    ),
    "bootparams": _StageText(
        "init_pvh_bootparams has cleared pvh_bootparams, copied the memory map into it entry by entry, added the ISA "
        "range, and set the command line, the ramdisk, the version of the boot protocol and the loader.",
        "The CPU is at the instruction after the call of xen_prepare_pvh, in assembly code again; a 64-bit kernel runs "
        "it in the identity map. pvh_bootparams now has everything that Linux takes from start_info, except rsdp_paddr "
        "in kernels before 2026. The command line and the ramdisk are still where the VMM put them.",
        "The kernel puts the address of pvh_bootparams into RSI. startup_64 (in a 32-bit kernel startup_32, with "
        "paging off) continues as if a boot loader had jumped there via the Linux boot protocol.",
        _PVH,
    ),
    "kernel": _StageText(
        "A 64-bit Linux has switched to page tables without the identity map. Linux has cleared .bss and loaded an "
        "IDT. It has copied pvh_bootparams to boot_params, and the command line to boot_command_line.",
        "The CPU is at the first function that all architectures share. From now on, Linux uses only boot_params, no "
        "matter how the kernel was booted. If there is a fault, Linux now handles and reports it.",
        "start_kernel calls setup_arch, which builds the kernel's memory map before anything needs memory.",
        "Linux arch/x86/kernel/head_64.S, head64.c and head_32.S; init/main.c",
    ),
    "e820": _StageText(
        "setup_arch has called e820__memory_setup, which has built *e820_table from boot_params.e820_table. Its ranges "
        "are sorted, and empty ranges are dropped. Overlapping ranges got the higher type number. Adjacent ranges of "
        "the same type are merged.",
        'The table is what the kernel knows about memory. The kernel logs it as "BIOS-provided physical RAM map", '
        "although it has not called a BIOS.",
        "Linux reserves what it must not use, gives the RAM to its early allocator (memblock), and maps all of it. "
        "This is pvhdbg's last stage.",
        "Linux arch/x86/kernel/e820.c and setup.c",
    ),
    stages.DIED: _StageText(
        "The CPU raised a fault that it could not deliver (a triple fault), KVM gave up, or QEMU exited.",
        "RIP is at the instruction that caused it. CR2 holds the address of the last page fault.",
        "Nothing: the machine cannot continue. `check` shows what pvhdbg knows about the cause, and view 6 of the "
        "screen shows the instruction.",
        "Intel SDM volume 3, double fault exception",
    ),
}  # fmt: skip


_ALSO = {"entry": ("entry point", "PVH entry point")}
"""Other names of stages."""


def of_stages() -> Iterator[Topic]:
    for stage in (stages.stage(stages.RESET), *stages.STAGES, stages.stage(stages.DIED)):
        keys = (stage.name, *([stage.symbol] if stage.symbol else []), *_ALSO.get(stage.name, ()))
        yield Topic(STAGES, stage.name, keys, partial(of_stage, stage))


def of_stage(stage: Stage) -> Explanation:
    stage_text = _TEXTS[stage.name]
    return Explanation(
        f"stage {stage.name}",
        meaning=stage.about,
        details=(
            f"Before: {stage_text.before}",
            f"Now: {stage_text.now}",
            f"Next: {stage_text.next}",
            *_readable(stage),
            *([f"A guest without the symbol {stage.symbol} does not have this stage."] if stage.symbol else []),
            *_in_other_guests(stage.name),
        ),
        source=stage_text.source,
    )


def _in_other_guests(name: str) -> Iterator[str]:
    """Yield a sentence with the function at which this stage is in each other guest that has it."""
    found = {profile.title: profile.stage(name) for profile in PROFILES if not profile.boots_like_linux}
    places = [f"{title} {it.returns * 'return from '}{it.function}" for title, it in found.items() if it]
    if places:
        yield f"In other guests, if they have symbols: {', '.join(places)}."


def _readable(stage: Stage) -> Iterator[str]:
    """Yield sentences that list what a capture holds at this stage, in addition to the state of the CPU."""
    first = [key for key in stage.valid if stages.first_valid(key) == stage.name]
    if stage.valid:
        yield f"Readable here: {', '.join(stage.valid)}."
    if first and len(first) < len(stage.valid):
        yield f"Readable here for the first time: {', '.join(first)}."
