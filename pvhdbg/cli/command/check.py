"""`pvhdbg check`: boot to the last stage and print what the rules find."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pvhdbg.cli import progress
from pvhdbg.cli.command import dump
from pvhdbg.cli.launch import RefusedKernelError, launched_without_gdb
from pvhdbg.cli.result import Result

if TYPE_CHECKING:
    import argparse


SECONDS = 5.0
"""How long `check` watches the guest after the last stage, unless --watch says otherwise."""


def check(options: argparse.Namespace) -> Result:
    """Return the findings. The exit status is also 1 if one of them is an error."""
    try:
        with progress.shown(progress.START) as waiting, launched_without_gdb(options) as debuggee:
            watch = dump.Watch(SECONDS, to_console=True) if options.watch is None else dump.watch_of(options)
            document, remarks = dump.run(debuggee, None, waiting, watch)
    except RefusedKernelError as refused:
        return dump.refusal(refused, options.format)
    from pvhdbg.checks import run
    from pvhdbg.checks.finding import ERROR

    findings = run.check_run(document).all
    status = dump.status_of(document.outcome, None) or int(any(finding.severity == ERROR for finding in findings))
    return Result(dump.text_of(document, options.format or "text", report=True), status, remarks)
