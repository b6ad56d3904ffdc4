"""`pvhdbg check`: boot to the last stage, and say what the rules find on the way."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pvhdbg.cli import waiting
from pvhdbg.cli.command import dump
from pvhdbg.cli.launch import launched
from pvhdbg.cli.result import Result

if TYPE_CHECKING:
    import argparse


def check(options: argparse.Namespace) -> Result:
    """The status is 1 for a finding of severity error too."""
    with waiting.shown(waiting.START) as what, launched(options) as debuggee:
        seen, remarks = dump.run(debuggee, None, what)
    from pvhdbg.checks import run
    from pvhdbg.checks.finding import ERROR

    found = run.check(seen).all
    status = dump.status_of(seen.outcome, None) or int(any(each.severity == ERROR for each in found))
    return Result(dump.text_of(seen, options.format or "text", report=True), status, remarks)
