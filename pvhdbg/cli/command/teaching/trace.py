"""`pvhdbg trace`: record every instruction from the entry to a stage."""

from __future__ import annotations

import gzip
from typing import TYPE_CHECKING

from pvhdbg import guest
from pvhdbg.boot.record import document as doc
from pvhdbg.boot.record import trace as traces
from pvhdbg.boot.stop import stages
from pvhdbg.cli import progress
from pvhdbg.cli.launch import import_run, launched_without_gdb
from pvhdbg.cli.result import RefusedKernelError, Result, write
from pvhdbg.errors import UserError
from pvhdbg.guest_profiles.linux import TEACHING

if TYPE_CHECKING:
    import argparse

    from pvhdbg.boot.record.document import Document
    from pvhdbg.boot.record.trace import Trace
    from pvhdbg.cli.progress import Progress
    from pvhdbg.live.debuggee.machine_session import MachineSession

_LAST = "bootparams"
_OF_TEACHING_GUEST = "e820"
_LONGEST = 3600.0
"""The time limit for each stage, in seconds: stepping is slow, and the number of instructions is limited."""


def trace(options: argparse.Namespace) -> Result:
    """Boot, and record every instruction from the entry on. Ctrl-C ends the trace, which is kept."""
    if options.recorded:
        return _recorded(options)
    if options.xen or options.xen_image:
        raise UserError("trace: can't be used with --xen: most instructions are those of Xen", "drop --xen")
    if options.accel == "kvm":
        raise UserError("trace: can't be used with --accel kvm", "drop --accel: TCG executes every instruction")
    options.timeout = max(options.timeout, _LONGEST)
    try:
        with progress.shown(progress.START) as waiting, launched_without_gdb(options, _import) as session:
            from pvhdbg.cli import running

            last = options.stage or _last_stage(session)
            document, remarks = running.run(session, "entry")
            if document.outcome.reached == "entry":
                document, remarks = _traced(session, last, waiting)
            session.machine.kill()
    except RefusedKernelError as refused:
        return Result(error=refused)
    write(options.output, running.text_of(document, "json"), ascii=options.ascii)
    status = running.status_of(document.outcome, last)
    return Result(_summary(document, str(options.output)), status, remarks)


def _recorded(options: argparse.Namespace) -> Result:
    """Write the trace that comes with pvhdbg."""
    if options.kernel or options.stage:
        raise UserError("--recorded: has the teaching guest, up to stage e820", "drop KERNEL and --stage")
    write(options.output, gzip.decompress(guest.TRACE.read_bytes()).decode(), ascii=options.ascii)
    return Result(f"wrote {options.output}: see it with `pvhdbg show --tui {options.output}`\n")


def _import() -> None:
    """Import the slow modules while QEMU starts."""
    import pvhdbg.live.observe.tracer  # noqa: F401

    import_run()


def _last_stage(session: MachineSession) -> str:
    """Return the stage to which a trace goes if the user names none."""
    return _OF_TEACHING_GUEST if session.image is not None and session.image.guest == TEACHING.name else _LAST


def _traced(session: MachineSession, last: str, waiting: Progress) -> tuple[Document, tuple[str, ...]]:
    from pvhdbg.cli import running
    from pvhdbg.live.observe.tracer import finished, trace_from_here

    tracer = trace_from_here(session)
    waiting.description = lambda: f"stage {last}, {len(tracer.steps):,} instructions so far"
    document, remarks = running.run(session, last)
    assert session.kernel is not None  # noqa: S101  the machine that pvhdbg starts has a kernel
    ended = {doc.DONE: traces.DONE, doc.DEAD: traces.DIED}.get(document.outcome.ended, traces.STOPPED)
    return document._replace(trace=finished(tracer, session.kernel, ended)), remarks


def _summary(document: Document, path: str) -> str:
    recorded: Trace | None = document.trace
    if recorded is None:
        return f"wrote {path}: the guest did not reach its entry, so there is no trace\n"
    reached = [name for name in (*stages.NAMES, stages.DIED) if name in recorded.stops]
    way = " to ".join(dict.fromkeys((reached[0], reached[-1]))) if reached else "nowhere"
    return f"wrote {path}: {len(recorded.steps):,} instructions from {way}; {traces.ENDS[recorded.ended]}\n"
