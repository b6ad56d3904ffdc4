"""The commands that start nothing: inspect and show."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pvhdbg.cli.result import Result

if TYPE_CHECKING:
    import argparse


def show(options: argparse.Namespace) -> Result:
    from pvhdbg.boot.replay import load
    from pvhdbg.views import to_text

    return Result(to_text.document(load(options.recording)))
