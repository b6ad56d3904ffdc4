"""PVH920 to PVH922: panics, BUGs and warnings in the kernel's own log, after the last stage."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pvhdbg.boot.log import problems
from pvhdbg.boot.record.document import PANICKED
from pvhdbg.checks.finding import ERROR, INFO, WARNING
from pvhdbg.checks.outcome.failure import lost_boot_data, quoted
from pvhdbg.checks.rules import AFTER_STAGES, Defect, rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pvhdbg.checks.case import Case

_FIELD = "outcome.watched.log"


def _texts(case: Case, kind: str) -> Iterator[str]:
    """Yield the text of each problem of a kind in the log, as the guest wrote it."""
    watched = case.outcome.watched if case.outcome else None
    for line in (watched.log if watched else None) or ():
        problem = problems.problem(line)
        if problem and problem.kind == kind:
            yield problem.text


@rule("PVH920", ERROR, INFO, when=AFTER_STAGES)
def log_has_a_panic(case: Case) -> Iterator[Defect]:
    """The kernel called `panic`, which ends the boot, and its log has the reason. After a panic, `panic=-1` on the
    command line makes the kernel reset the machine, so that the run can seem to end otherwise.

    Correct what the text of the panic names. If the kernel only lacks a root file system or an init, pass an initrd:
    this finding is an info, and the boot by PVH was successful, unless the message says that boot data was lost.

    Source: Linux kernel/panic.c.
    """
    ended = case.outcome.watched.ended if case.outcome and case.outcome.watched else None
    for text in _texts(case, problems.PANIC) if ended != PANICKED else ():
        lacks_root = problems.lacks_root(text)
        fix = "Pass an initrd with -i." if lacks_root else "Fix the cause that the panic names."
        lost = lost_boot_data(case) if lacks_root else ""
        message = f"the kernel's log has a panic: {quoted(text)}. {lost or fix}"
        yield Defect(_FIELD, message, severity=INFO if lacks_root else None)


@rule("PVH921", ERROR, when=AFTER_STAGES)
def log_has_a_bug(case: Case) -> Iterator[Defect]:
    """The kernel hit a BUG or an exception that it could not handle. It ends the task that was running. If that is the
    kernel's first task, as it is until the boot is complete, the kernel panics.

    Read the log from that line on: it has the code, the registers and the calls that led there.

    Source: Linux lib/bug.c, report_bug, and arch/x86/kernel/dumpstack.c.
    """
    for text in _texts(case, problems.BUG):
        yield Defect(_FIELD, f"the kernel hit a BUG and may not continue: {quoted(text)}. Read its log from there on.")


@rule("PVH922", WARNING, when=AFTER_STAGES)
def log_has_a_warning(case: Case) -> Iterator[Defect]:
    """An assumption of the kernel did not hold, and WARN printed where. The kernel continues, but its data may be
    wrong: for example a memory map, or a CPU that has one of two features that belong together.

    Read the log from that line on: it has the registers and the calls that led there.

    Source: Linux kernel/panic.c, __warn.
    """
    for text in _texts(case, problems.WARNING):
        yield Defect(_FIELD, f"the kernel printed a warning and continues: {quoted(text)}. Read its log from there on.")
