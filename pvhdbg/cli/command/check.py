"""`pvhdbg check`: boot to the last stage and print what the rules find."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pvhdbg.cli import progress
from pvhdbg.cli.command import dump
from pvhdbg.cli.launch import launched
from pvhdbg.cli.result import Result

if TYPE_CHECKING:
    import argparse


def check(options: argparse.Namespace) -> Result:
    """Return the findings. The exit status is also 1 if one of them is an error."""
    with progress.shown(progress.START) as waiting, launched(options) as debuggee:
        document, remarks = dump.run(debuggee, None, waiting)
    from pvhdbg.checks import run
    from pvhdbg.checks.finding import ERROR

    findings = run.check_run(document).all
    status = dump.status_of(document.outcome, None) or int(any(finding.severity == ERROR for finding in findings))
    return Result(dump.text_of(document, options.format or "text", report=True), status, remarks)
