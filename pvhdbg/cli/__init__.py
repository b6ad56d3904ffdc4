"""The shell: argparse, and one file a command. The only place that prints and sets the exit status.

options   the parser. Start here
command/  one file a command
launch    start a machine from the options
asking    `-c LINE`
waiting   progress on a terminal
language  whether the output may hold more than ASCII
result    what a command returns
"""

from __future__ import annotations

import gc
import os
import sys
from importlib import import_module
from io import TextIOWrapper
from typing import TYPE_CHECKING

from pvhdbg.abi.text import unicode_words
from pvhdbg.errors import PvhdbgError, UserError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Sequence
    from typing import TextIO

    from pvhdbg.cli.result import Result


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; the exit status is the contract's."""
    gc.disable()  # nothing that ends in a moment has garbage worth a tenth of its time; the screen switches it on again
    try:
        result = _run(sys.argv[1:] if argv is None else argv)
        _print(result)
        if result.error is not None:
            raise result.error
    except PvhdbgError as error:
        _complain(error)
        return error.exit_status
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        _forget(sys.stdout)
        return 141
    return result.status


def _run(argv: Sequence[str]) -> Result:
    from pvhdbg.cli import options
    from pvhdbg.cli.result import Result

    try:
        command, chosen = options.parse(argv)
    except options.Said as said:
        return Result(str(said))
    module, function = command.runs.split(".")
    run: Callable[[argparse.Namespace], Result] = getattr(import_module(f"pvhdbg.cli.command.{module}"), function)
    result = run(chosen)
    if chosen.ascii and not result.output.isascii():
        from pvhdbg.views.report import ascii_text

        return result._replace(output=ascii_text.words(result.output))
    return result


def _print(result: Result) -> None:
    """:raise UserError: if standard output can't take it.
    :raise BrokenPipeError: if nobody reads it.
    """
    for line in result.remarks:
        _tell(line)
    if sys.stdout is None:
        raise UserError("standard output is closed")
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(encoding="utf-8", errors="backslashreplace")  # what is not ASCII was meant to be
    try:
        sys.stdout.write(result.output)
        sys.stdout.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        _forget(sys.stdout)
        raise UserError(f"can't write to standard output: {error.strerror}") from error


def _forget(stream: TextIO) -> None:
    """What could not be written is not tried again when Python ends."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def _complain(error: PvhdbgError) -> None:
    _tell(f"pvhdbg: error: {error}")
    if error.hint:
        _tell(f"  hint: {error.hint}")


def _tell(line: str) -> None:
    """File names and symbols may hold anything: one line it stays, and steers no terminal."""
    if sys.stderr is None:  # closed; `print` would take standard output instead
        return
    try:
        print(unicode_words(line), file=sys.stderr)
    except OSError:  # full, or nobody reads it: the exit status has to say it
        _forget(sys.stderr)
