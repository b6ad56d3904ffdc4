"""`pvhdbg who`: which instruction wrote a field of the boot data, from which input field, and what reads it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from pvhdbg.boot.who import request
from pvhdbg.cli import progress
from pvhdbg.cli.command import dump
from pvhdbg.cli.launch import RefusedKernelError, launched_without_gdb
from pvhdbg.cli.result import Result
from pvhdbg.errors import UserError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

    from pvhdbg.boot.record.document import Document
    from pvhdbg.boot.who.fields import FieldBytes, Fields
    from pvhdbg.image.facts import ImageFacts
    from pvhdbg.live.observe.who_run import Found

_STAGE = "bootparams"
_INPUT = ("start_info.", "pvh_start_info.", "cmdline", "modules[", "memory_map.")
_MOST_NAMED = 4


def who(options: argparse.Namespace) -> Result:
    """Boot twice: the second machine is observed, and its boot data is compared with that of the first."""
    _check(options)
    try:
        with progress.shown(progress.START) as waiting, launched_without_gdb(options) as session:
            from pvhdbg.live.observe.who_run import PrivateBoot, find

            with PrivateBoot(session) as private:
                document, remarks = dump.run(session, _STAGE, waiting)
                session.machine.kill()
                first = document.stops[-1] if document.stops and document.stops[-1].stage == _STAGE else None
                found = find(private, first, lambda fields: _chosen(options, fields, session.image))
    except RefusedKernelError as refused:
        return dump.refusal(refused, options.format)
    status = dump.status_of(document.outcome, _STAGE)
    return Result(_text(document, found, options), status, (*remarks, *_remarks(found)))


def _check(options: argparse.Namespace) -> None:
    """Find out which of the arguments is the kernel: with --all or --unread, there is no FIELD.

    :raise UserError: for arguments that contradict each other.
    """
    hint = "see `pvhdbg who --help`"
    if options.all or options.unread:
        if options.kernel is not None or (options.all and options.unread):
            raise UserError("use one of FIELD, --all and --unread", hint)
        options.kernel = None if options.field is None else Path(options.field)
        options.field = None
    elif options.field is None:
        raise UserError("FIELD is missing", "name a field such as boot_params.hdr.cmd_line_ptr, or use --all")
    else:
        request.check(options.field)


def _chosen(options: argparse.Namespace, fields: Fields, image: ImageFacts | None) -> tuple[FieldBytes, ...]:
    if options.all:
        return fields.all
    if options.unread:
        return tuple(field for field in fields.all if field.path.startswith(_INPUT))
    return request.chosen(options.field, fields, image)


def _text(document: Document, found: Found, options: argparse.Namespace) -> str:
    answers = tuple(answer for answer in found.answers if not (options.unread and answer.readers))
    if options.format == "json":
        return dump.text_of(document._replace(who=answers), "json")
    from pvhdbg.views.report import who_text

    if options.unread:
        lines = who_text.unread(answers)
    elif options.all or len(answers) > _MOST_NAMED:
        lines = who_text.table(answers)
    else:
        lines = who_text.details(answers, found.links)
    return "\n".join(lines) + "\n"


def _remarks(found: Found) -> Iterator[str]:
    if found.different:
        yield f"pvhdbg: note: the private boot has other bytes in {_named(found.different)}"
    if found.unexplained:
        yield f"pvhdbg: note: no instruction was seen that wrote the final bytes of {_named(found.unexplained)}"


def _named(paths: tuple[str, ...]) -> str:
    more = f" and {len(paths) - _MOST_NAMED} more" if len(paths) > _MOST_NAMED else ""
    return ", ".join(paths[:_MOST_NAMED]) + more
