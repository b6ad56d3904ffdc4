"""PVH912 to PVH917: what the guest did after the last stage, if pvhdbg watched it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pvhdbg.boot.record.document import HALTED, PANICKED, RESET, RUNAWAY, TIME
from pvhdbg.boot.stop.address import location_suffix
from pvhdbg.checks.finding import ERROR, INFO
from pvhdbg.checks.outcome.failure import lost_boot_data, map_errors, quoted
from pvhdbg.checks.rules import AFTER_STAGES, Defect, rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pvhdbg.boot.record.document import Watched
    from pvhdbg.checks.case import Case

_FIELD = "outcome.watched"
_DELAY_LOOPS = ("calibrate_delay", "__delay", "delay_", "__const_udelay")


def _watched(case: Case) -> Watched | None:
    return case.outcome.watched if case.outcome else None


def _at(watched: Watched) -> str:
    return location_suffix(watched.rip, watched.symbol)


@rule("PVH912", ERROR, when=AFTER_STAGES)
def kernel_panicked(case: Case) -> Iterator[Defect]:
    """The kernel called `panic`, usually after it built its memory map from the boot data. The text of the panic names
    the reason. If the kernel has no console yet, the text is only in its log, in guest memory. With `panic=-1` on the
    command line, a kernel resets the machine after its panic.

    Read the last lines of the console and the log, which pvhdbg shows, and correct what the text names.

    Source: Linux kernel/panic.c.
    """
    watched = _watched(case)
    if watched and watched.ended == PANICKED and not watched.lacks_root:
        reason = f": {quoted(watched.message)}" if watched.message else ""
        fix = map_errors(case) or "Read the last lines of its console and log."
        yield Defect(_FIELD, f"the kernel panicked{_at(watched)}{reason}. {fix}")


@rule("PVH913", INFO, when=AFTER_STAGES)
def kernel_found_no_root_file_system_or_init(case: Case) -> Iterator[Defect]:
    """Without an initrd or a disk, Linux has no root file system and no init, and panics at the very end of its boot.
    The boot by PVH was successful, unless another finding says that the kernel lost its command line, which may name
    the root file system or the init, or its ramdisk. The message then names that finding.

    Pass an initrd with an executable `/init`. If the command line or the ramdisk was lost, correct this first.

    Source: Linux init/do_mounts.c, mount_root_generic, and init/main.c, kernel_init.
    """
    watched = _watched(case)
    if watched and watched.lacks_root:
        fix = "Check that the initrd has a working /init." if case.initrd else "Pass an initrd with -i."
        message = (
            f"no root file system or no init: the kernel panicked{_at(watched)}: {quoted(watched.message)}. "
            f"{lost_boot_data(case) or fix}"
        )
        yield Defect(_FIELD, message)


@rule("PVH914", INFO, when=AFTER_STAGES)
def guest_halted(case: Case) -> Iterator[Defect]:
    """The guest executed `hlt` while interrupts were disabled, so it does not continue, or it powered the machine off.
    Small guests end like this, and so does a Linux that was told to halt or to power off. Linux also halts if an
    exception occurs before it can handle one.

    If this is not the normal end of the guest, look at its console and at the code at that address.

    Source: Intel SDM volume 2, HLT.
    """
    watched = _watched(case)
    if watched and watched.has_powered_off:
        yield Defect(_FIELD, f"{watched.message}. If the guest should continue, look at its console.")
    elif watched and watched.ended == HALTED and not (case.outcome and case.outcome.early_end):
        message = (
            f"the guest halted{_at(watched)} with interrupts disabled. If it should continue, look at its console."
        )
        yield Defect(_FIELD, message)


@rule("PVH915", ERROR, when=AFTER_STAGES)
def guest_was_reset_after_the_last_stage(case: Case) -> Iterator[Defect]:
    """After the last stage the guest came back to the reset vector and boots again. It had a triple fault, or it asked
    for the reset itself, for example after a panic with `panic=-1`.

    Start QEMU with `-no-reboot -no-shutdown`, as pvhdbg does, so that the machine stops where the guest dies.

    Source: QEMU, qemu-options.hx.
    """
    watched = _watched(case)
    if watched and watched.ended == RESET:
        message = "the guest was reset and boots again. Start QEMU with -no-reboot -no-shutdown to see where it dies."
        yield Defect(_FIELD, message)


@rule("PVH916", INFO, when=AFTER_STAGES)
def kernel_waits_for_a_timer_in_calibrate_delay(case: Case) -> Iterator[Defect]:
    """Linux measures how fast its delay loop is with a timer that it knows: an HPET or the ACPI PM timer. QEMU's
    microvm has neither, so Linux counts timer interrupts instead. Under TCG, this can take very long or forever if the
    computer is busy.

    Boot on a machine with these timers: `-M q35` or `-M pc`. The stages are not affected: they end earlier.

    Source: Linux init/calibrate.c, calibrate_delay_converge.
    """
    watched = _watched(case)
    if watched is None or watched.ended != TIME or not (case.machine.machine or "").startswith("microvm"):
        return
    if (watched.symbol or "").startswith(_DELAY_LOOPS):
        message = (
            f"the kernel still calibrates its delay loop{_at(watched)}: microvm has no HPET or PM timer to measure it "
            "with, and the timer interrupts that Linux counts instead may not come under TCG. Use -M q35."
        )
        yield Defect(_FIELD, message)


@rule("PVH917", ERROR, when=AFTER_STAGES)
def guest_executes_zero_bytes(case: Case) -> Iterator[Defect]:
    """The guest jumped or returned to memory that has only zero bytes. The CPU executes them as `add %al,(%eax)`, so
    the guest does not stop by itself. Common causes are a null pointer to a function, a damaged stack, and a handler
    without code.

    Run the guest step by step from its last stage, and find the jump or return that leaves its code.

    Source: Intel SDM volume 2, ADD (opcode 00).
    """
    watched = _watched(case)
    if watched and watched.ended == RUNAWAY:
        message = (
            f"the guest executes zero bytes{_at(watched)}: it has left its code. Step from the last stage to the jump "
            "or return that leads there."
        )
        yield Defect(_FIELD, message)
