"""`pvhdbg explain [NAME]`: print what a name means, who writes it, who reads it, and the source."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pvhdbg.cli.result import Result
from pvhdbg.views.explain import explain_text

if TYPE_CHECKING:
    import argparse


def explain(options: argparse.Namespace) -> Result:
    return Result(explain_text.answer(" ".join(options.name)) if options.name else explain_text.listing())
