"""Run `pvhdbg check` in this process, with time for a guest to start its console even if the computer is busy."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pvhdbg.cli import options
from pvhdbg.cli.command import check as command
from tests.cli.shell import Run

if TYPE_CHECKING:
    from pathlib import Path

SECONDS = 200.0


def check(*words: str | Path) -> Run:
    """Return what `pvhdbg check --format json` prints."""
    _, chosen = options.parse(["check", *map(str, words), "--format", "json", "--timeout", "120"])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(command, "SECONDS", SECONDS)
        result = command.check(chosen)
    return Run(result.status, result.output, "".join(f"{line}\n" for line in result.remarks))
