"""`pvhdbg dump`: boot, stop at each stage and print the boot data."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pvhdbg.cli import progress
from pvhdbg.cli.launch import launched_without_gdb
from pvhdbg.cli.result import RefusedKernelError, Result, write
from pvhdbg.errors import UserError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from pvhdbg.boot.record.document import Document


def dump(options: argparse.Namespace) -> Result:
    lines = _command_lines(options)
    try:
        with progress.shown(progress.START) as waiting, launched_without_gdb(options) as debuggee:
            from pvhdbg.cli import running  # only now, so that QEMU starts sooner

            document, remarks = running.run(debuggee, options.stage, waiting, running.watch_of(options))
            add_answers = running.ask(debuggee, lines) if lines else None
            document = document._replace(who=debuggee.session.document().who)
            debuggee.machine.kill()  # QEMU exits while pvhdbg formats the text
            text = _text(document, options)
    except RefusedKernelError as refused:
        from pvhdbg.cli import running

        return _saved(running.refusal(refused, _form(options)), options)
    result = _saved(Result(text, running.status_of(document.outcome, options.stage), remarks), options)
    return add_answers(result) if add_answers else result


def _saved(result: Result, options: argparse.Namespace) -> Result:
    """Write the output to the file of -o, if there is one."""
    if options.output is None or not result.output:
        return result
    write(options.output, result.output, ascii=options.ascii)
    return result._replace(output="")


def _form(options: argparse.Namespace) -> str:
    return options.format or ("json" if options.output else "text")


def _text(document: Document, options: argparse.Namespace) -> str:
    """Return the report or the JSON; an empty string if only the output of `-c` is wanted."""
    if options.command and options.output is None:
        return ""
    from pvhdbg.cli import running

    return running.text_of(document, _form(options))


def _command_lines(options: argparse.Namespace) -> Sequence[str]:
    """Return the commands given with `-c`.

    :raise UserError: for an unknown command or a wrong number of arguments, before anything is started.
    """
    if options.command and options.format == "json" and options.output is None:
        raise UserError("--format json: the output of -c is text", "write the JSON to a file with -o FILE, or drop -c")
    if options.command:
        from pvhdbg.cli import answers

        answers.check_lines(options.command)
    lines: Sequence[str] = options.command
    return lines
