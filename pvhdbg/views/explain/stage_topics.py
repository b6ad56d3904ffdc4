"""The stages to be explained: how the machine came there, what is true of it, and what comes next."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from pvhdbg.boot.stop import stages
from pvhdbg.views.explain.topics import Explanation, Topic

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pvhdbg.boot.stop.stages import Stage

STAGES = "stages"


class _Told(NamedTuple):
    before: str
    now: str
    next: str
    source: str


_PVH = "Linux arch/x86/platform/pvh/head.S and enlighten.c"
_TOLD = {
    stages.RESET: _Told(
        "QEMU has put the kernel's segments into memory; no instruction of the kernel has run.",
        "The CPU stands at its reset vector, in 16-bit real mode, or runs firmware.",
        "The firmware (pvh.bin or qboot) lays start_info into memory, switches to 32-bit protected mode, loads EBX and "
        "jumps to the entry. Other VMMs have no firmware and set the CPU up themselves.",
        "QEMU hw/i386/x86.c and pc-bios/optionrom/pvh_main.c; qboot main.c",
    ),
    "entry": _Told(
        "The VMM has loaded the kernel, laid start_info into memory and put its address into EBX.",
        "32-bit protected mode without paging: an address is a physical address. No other general register means "
        "anything; there is no stack and no IDT.",
        "Linux (pvh_start_xen) loads a GDT of its own, copies start_info to pvh_start_info, sets ESP to a stack of its "
        "own, switches paging on, a 64-bit kernel also long mode, and calls xen_prepare_pvh.",
        f"Xen docs/misc/pvh.pandoc; {_PVH}",
    ),
    "prepare": _Told(
        "The entry's assembly has copied start_info and switched paging on; this is the first C of the kernel.",
        "The page tables of a 64-bit kernel show the first GiB of physical memory three times: where it is (identity "
        "map), from 0xffff888000000000 (direct map) and from 0xffffffff80000000 (kernel map). Those of a 32-bit kernel "
        "show little more than the kernel, where it is and from 0xc0000000. There is no IDT: any fault is a triple "
        "fault.",
        "xen_prepare_pvh looks for Xen, compares the magic, and lets init_pvh_bootparams make pvh_bootparams of "
        "start_info. What it can't accept ends in a BUG.",
        _PVH,
    ),
    "bootparams": _Told(
        "init_pvh_bootparams has cleared pvh_bootparams, copied the memory map into it entry by entry, added the ISA "
        "range, and set command line, ramdisk, protocol version and loader.",
        "The instruction behind the call: assembly again, of a 64-bit kernel in the identity map. What Linux takes "
        "from start_info is in pvh_bootparams now, but for rsdp_paddr in kernels before 2026; command line and ramdisk "
        "are still read where they lie.",
        "RSI gets the address of pvh_bootparams, and startup_64 (startup_32, without paging) goes on as if a boot "
        "loader of Linux's own protocol had jumped there.",
        _PVH,
    ),
    "kernel": _Told(
        "Linux has gone on to page tables without the identity map (64-bit kernels), cleared .bss and loaded an IDT. "
        "It has copied pvh_bootparams to boot_params, and the command line to boot_command_line.",
        "The first function that all architectures share. From here on boot_params is what counts, however the "
        "kernel was started. Linux handles a fault now, instead of dying of it without a word.",
        "start_kernel calls setup_arch, which makes the kernel's memory map before anything that needs memory.",
        "Linux arch/x86/kernel/head_64.S, head64.c and head_32.S; init/main.c",
    ),
    "e820": _Told(
        "setup_arch has called e820__memory_setup. That made *e820_table of boot_params.e820_table: sorted, "
        "the larger type number where ranges overlap, neighbours joined, empty ranges dropped.",
        "The table is what the kernel believes of memory, and its log has it under \"BIOS-provided physical RAM map\", "
        "though no BIOS was asked.",
        "Linux reserves in it what it must not touch, gives the RAM to its early allocator (memblock), and maps all of "
        "it. pvhdbg knows no stage behind this one.",
        "Linux arch/x86/kernel/e820.c and setup.c",
    ),
    stages.DIED: _Told(
        "The CPU met a fault that it could not deliver (a triple fault), KVM gave up, or QEMU ended.",
        "RIP is at the instruction that did it, CR2 at the address of the last page fault.",
        "Nothing: the machine does not come back. `check` says what is known of why, `code @died` shows the "
        "instruction.",
        "Intel SDM volume 3, double fault exception",
    ),
}  # fmt: skip


def of_stages() -> Iterator[Topic]:
    for stage in (stages.stage(stages.RESET), *stages.STAGES, stages.stage(stages.DIED)):
        keys = (stage.name, *([stage.symbol] if stage.symbol else []))
        yield Topic(STAGES, stage.name, keys, partial(of_stage, stage))


def of_stage(stage: Stage) -> Explanation:
    told = _TOLD[stage.name]
    return Explanation(
        f"stage {stage.name}",
        meaning=stage.about,
        more=(
            f"Before: {told.before}",
            f"Now: {told.now}",
            f"Next: {told.next}",
            *_readable(stage),
            *([f"A guest without the symbol {stage.symbol} does not have it."] if stage.symbol else []),
        ),
        source=told.source,
    )


def _readable(stage: Stage) -> Iterator[str]:
    """What a capture holds there beside the CPU's state."""
    first = [key for key in stage.valid if stages.first_valid(key) == stage.name]
    if stage.valid:
        yield f"What can be read there: {', '.join(stage.valid)}."
    if first and len(first) < len(stage.valid):
        yield f"New there: {', '.join(first)}."
