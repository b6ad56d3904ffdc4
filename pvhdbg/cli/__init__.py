"""The shell's front door: the one place that prints and sets the exit status."""

from __future__ import annotations

import os
import sys
from importlib import import_module
from typing import TYPE_CHECKING

from pvhdbg.errors import PvhdbgError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Sequence

    from pvhdbg.cli.result import Result


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; the exit status is the contract's."""
    try:
        result = _run(sys.argv[1:] if argv is None else argv)
        _print(result)
    except PvhdbgError as error:
        _complain(error)
        return error.exit_status
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    return result.status


def _run(argv: Sequence[str]) -> Result:
    from pvhdbg.cli import options

    command, chosen = options.parse(argv)
    module, function = command.runs.split(".")
    run: Callable[[argparse.Namespace], Result] = getattr(import_module(f"pvhdbg.cli.{module}"), function)
    return run(chosen)


def _print(result: Result) -> None:
    for line in result.remarks:
        print(line, file=sys.stderr)
    sys.stdout.write(result.output)
    sys.stdout.flush()


def _complain(error: PvhdbgError) -> None:
    print(f"pvhdbg: error: {error}", file=sys.stderr)
    if error.hint:
        print(f"  hint: {error.hint}", file=sys.stderr)
