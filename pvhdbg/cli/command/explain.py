"""`pvhdbg explain [NAME]`: print what a name means, who writes it, who reads it, and the source."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pvhdbg.cli.result import Result
from pvhdbg.views.explain import explain_text

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence


def explain(options: argparse.Namespace) -> Result:
    return answer(options.name)


def answer(names: Sequence[str]) -> Result:
    return Result(explain_text.answer(" ".join(names)) if names else explain_text.listing())
