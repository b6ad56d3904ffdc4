"""The shell commands. Only this package prints and sets the exit status.

options   the commands and their options. Start here
boot_options  the options of the commands that start QEMU or gdb
teaching_options  the options of the commands that teach
parser    argparse, with exceptions instead of exits
values    parse the values of options
command/  one file for each command
matrix    several boots in parallel, for `check`
launch    start a machine as the options describe
early_start  start QEMU before the kernel file is examined
answers   `-c LINE`: run `pvh` commands and return their output
running   run a machine to a stage, and describe the run
progress  the line on the terminal during a long wait
encoding  whether to print only ASCII
vmm       `--vmm` and `--vmm-list`
xen_launch  `--xen` and `--xen-image`
result    what a command returns, and the error for a kernel that it does not start
"""

from __future__ import annotations

import _thread
import errno
import gc
import os
import signal
import sys
import time
from importlib import import_module
from io import TextIOWrapper
from stat import S_ISCHR
from typing import TYPE_CHECKING

import pvhdbg
from pvhdbg.abi.text import escape_unprintable
from pvhdbg.errors import MachineError, PvhdbgError, UserError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Sequence
    from typing import TextIO

    from pvhdbg.cli.result import Result


_AGAIN_AFTER = 0.02
"""Seconds until a signal is raised again: until then, the destructor or callback has returned."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status."""
    sys.unraisablehook = raise_again
    gc.disable()  # garbage collection costs a short command a tenth of its time; the TUI turns it on again
    try:
        result = _run(sys.argv[1:] if argv is None else argv)
        _print(result)
        if result.error is not None:
            raise result.error
    except PvhdbgError as error:
        _report(error)
        return error.exit_status
    except MemoryError:
        _report(MachineError("pvhdbg ran out of memory", "free some memory, or raise the limit (`ulimit -v`)"))
        return MachineError.exit_status
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        _discard(sys.stdout)
        return 141
    return result.status


def raise_again(lost: sys.UnraisableHookArgs) -> None:
    """Raise the exception of a signal again if it was lost: Python ignores exceptions in destructors and callbacks."""
    code = lost.exc_value.code if isinstance(lost.exc_value, SystemExit) else None
    number = 128 + signal.SIGINT if issubclass(lost.exc_type, KeyboardInterrupt) else code
    if not isinstance(number, int) or number <= 128:
        sys.__unraisablehook__(lost)
        return
    getattr(signal.getsignal(number - 128), "forget", lambda: None)()
    _thread.start_new_thread(_interrupt_later, (number - 128,))


def _interrupt_later(number: int) -> None:
    time.sleep(_AGAIN_AFTER)
    _thread.interrupt_main(signal.Signals(number))


def _run(argv: Sequence[str]) -> Result:
    if (answer := _answer_without_options(argv)) is not None:
        from pvhdbg.cli import encoding

        return _encoded(answer, is_ascii=encoding.is_ascii_only())
    from pvhdbg.cli import options
    from pvhdbg.cli.result import HelpText, Result

    try:
        command, chosen = options.parse(argv)
    except HelpText as text:
        return Result(str(text))
    module, _, function = command.runs.rpartition(".")
    run: Callable[[argparse.Namespace], Result] = getattr(import_module(f"pvhdbg.cli.command.{module}"), function)
    return _encoded(run(chosen), is_ascii=chosen.ascii)


def _answer_without_options(argv: Sequence[str]) -> Result | None:
    """Answer what needs no parser; None for other command lines. The parser would take longer than the answer."""
    if [*argv] == ["--version"]:
        from pvhdbg.cli.result import Result

        return Result(f"pvhdbg {pvhdbg.__version__}\n")
    if argv[:1] == ["explain"] and not any(word.startswith("-") for word in argv):
        from pvhdbg.cli.command import explain

        return explain.answer(argv[1:])
    return None


def _encoded(result: Result, *, is_ascii: bool) -> Result:
    """Return the result, with its output in ASCII if only ASCII can be shown."""
    if is_ascii and not result.output.isascii():
        from pvhdbg.views.report import ascii_text

        return result._replace(output=ascii_text.to_ascii(result.output))
    return result


def _print(result: Result) -> None:
    """Print the output on standard output and the remarks on standard error.

    :raise UserError: if standard output is closed or cannot be written.
    :raise BrokenPipeError: if the reader of standard output has closed it.
    :raise SystemExit: with SIGHUP's status, if standard output was a terminal that was closed.
    """
    for line in result.remarks:
        _print_error(line)
    if sys.stdout is None:
        raise UserError("standard output is closed")
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(encoding="utf-8", errors="backslashreplace")  # `--ascii` was already applied
    if result.is_paged and sys.stdout.isatty() and _has_pager():
        from pydoc import pager

        pager(result.output)
        return
    try:
        sys.stdout.write(result.output)
        sys.stdout.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        was_terminal = error.errno == errno.EIO and S_ISCHR(os.fstat(sys.stdout.fileno()).st_mode)
        _discard(sys.stdout)
        if was_terminal:
            raise SystemExit(128 + signal.SIGHUP) from error
        raise UserError(f"can't write to standard output: {error.strerror}") from error


def _has_pager() -> bool:
    """Return False if the user names a pager that cannot be started: pydoc would print nothing."""
    import shlex
    import shutil

    command = os.environ.get("MANPAGER") or os.environ.get("PAGER")
    try:
        return not command or shutil.which(shlex.split(command)[0]) is not None
    except (ValueError, IndexError):  # an unclosed quote, or only spaces
        return False


def _discard(stream: TextIO) -> None:
    """Point the stream at /dev/null, so that Python does not try to flush it again at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def _report(error: PvhdbgError) -> None:
    for one in (error, *error.more):
        _print_error(f"pvhdbg: error: {one}")
        if one.hint:
            _print_error(f"  hint: {one.hint}")


def _print_error(line: str) -> None:
    """Print one line on standard error. Control characters, from file names and symbols, are escaped."""
    if sys.stderr is None:  # it is closed, and `print` would write to standard output instead
        return
    try:
        print(escape_unprintable(line), file=sys.stderr)
    except OSError:  # the disk is full or the reader is gone: only the exit status can report the error
        _discard(sys.stderr)
