"""`pvhdbg check`: boot to the last stage, and say what the rules find on the way."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pvhdbg.cli import dump, waiting
from pvhdbg.cli.launch import launched
from pvhdbg.cli.result import Result

if TYPE_CHECKING:
    import argparse

    from pvhdbg.boot.document import Document


def check(options: argparse.Namespace) -> Result:
    """The status is 1 for a finding of severity error too."""
    with waiting.shown(waiting.START) as what, launched(options) as bench:
        seen, remarks = dump.run(bench, None, what)
    from pvhdbg.checks import run
    from pvhdbg.checks.finding import ERROR

    found = run.check(seen).all
    status = dump.status_of(seen.outcome, None) or int(any(each.severity == ERROR for each in found))
    return Result(_text(seen, options.format or "text"), status, remarks)


def _text(seen: Document, form: str) -> str:
    if form == "json":
        from pvhdbg.views import to_json

        return to_json.dumps(seen)
    from pvhdbg.views import to_text

    return to_text.report(seen)
