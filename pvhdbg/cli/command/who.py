"""`pvhdbg who`: which instruction wrote a field of the boot data, from which input field, and what reads it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from pvhdbg.abi.text import printable
from pvhdbg.boot.who import request
from pvhdbg.cli import progress
from pvhdbg.cli.launch import import_run, launched_without_gdb
from pvhdbg.cli.result import RefusedKernelError, Result
from pvhdbg.errors import UserError

if TYPE_CHECKING:
    import argparse

    from pvhdbg.boot.record.document import Document
    from pvhdbg.boot.who.answer import WhoResult
    from pvhdbg.cli.progress import Progress


def who(options: argparse.Namespace) -> Result:
    """Boot twice: the second machine is observed, and its boot data is compared with that of the first."""
    asked = _asked(options)
    try:
        with progress.shown(progress.START) as waiting:
            document, found, remarks = observed_run(options, asked, waiting)
    except RefusedKernelError as refused:
        from pvhdbg.cli import running

        return running.refusal(refused, options.format)
    from pvhdbg.cli import running

    if found is None:
        return Result(status=running.status_of(document.outcome, request.last_stage(asked)), remarks=remarks)
    from pvhdbg.views.report import who_text

    notes = (f"pvhdbg: note: {note}" for note in who_text.remarks(found))
    text, status = _text(document, found, options.format, asked), running.status_of(document.outcome, None)
    return Result(text, status, (*remarks, *notes))


def _died_after_entry(document: Document) -> bool:
    """Return whether the guest died after the entry: `who` then knows what wrote and read boot data until then."""
    return document.outcome.died is not None and document.outcome.reached is not None


def observed_run(
    options: argparse.Namespace, asked: str, waiting: Progress | None
) -> tuple[Document, WhoResult | None, tuple[str, ...]]:
    """Boot twice. Return the first run, what was found out, and remarks for standard error.

    The result is None if the guest does not reach the last stage that the question needs.
    """
    stage = request.last_stage(asked)
    with launched_without_gdb(options, _import) as session:
        from pvhdbg.cli import running
        from pvhdbg.live.observe.who_run import ObservedBoot, earlier_boot, find

        with ObservedBoot(session) as observed:
            document, remarks = running.run(session, stage, waiting)
            if document.outcome.reached != stage and not _died_after_entry(document):
                return document, None, remarks
            earlier = earlier_boot(session)
            session.machine.kill()
            return document, find(observed, earlier, document.stops, asked), remarks


def _import() -> None:
    """Import the slow modules while QEMU starts."""
    import pvhdbg.live.observe.who_run  # noqa: F401

    import_run()


def _asked(options: argparse.Namespace) -> str:
    """Return what the user asks about. With --all or --unread there is no FIELD, so the first argument is the kernel.

    :raise UserError: for arguments that contradict each other, before anything is started.
    """
    hint = "see `pvhdbg who --help`"
    if options.all or options.unread:
        if options.kernel is not None or (options.all and options.unread):
            raise UserError("use one of FIELD, --all and --unread", hint)
        options.kernel = None if options.field is None else Path(options.field)
        return request.ALL if options.all else request.UNREAD
    if options.field is None:
        raise UserError("FIELD is missing", "name a field such as boot_params.hdr.cmd_line_ptr, or use --all")
    if options.kernel is None and Path(options.field).is_file():
        hint = "name a field before the kernel, such as boot_params.hdr.cmd_line_ptr, or use --all"
        raise UserError(f"{printable(options.field)}: a file, not a field", hint)
    request.check(options.field)
    return str(options.field)


def _text(document: Document, found: WhoResult, form: str | None, asked: str) -> str:
    if form == "json":
        answers = found.answers if asked == request.UNREAD else tuple(found.links.values())  # the chain of each value
        from pvhdbg.cli import running

        return running.text_of(document._replace(who=answers, who_ended=found.ended), "json")
    from pvhdbg.views.report import who_text

    return "\n".join(who_text.lines(asked, found)) + "\n"
