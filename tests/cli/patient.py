"""Time for a guest on a busy computer: to start its console, or to get to where it then stays."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

import pytest

from pvhdbg.cli import options
from pvhdbg.cli.command import check as command
from tests.cli.shell import Run

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

T = TypeVar("T")
SECONDS = 200.0


def in_time(run: Callable[[float], T], is_far_enough: Callable[[T], bool]) -> T:
    """Run with a timeout in seconds that is long enough for the guest to get far enough: at first a short one.

    A test of a timeout needs it: what it waits for never happens, but first the guest must get somewhere.
    """
    for seconds in (0.5, 2.0, 8.0):
        if is_far_enough(result := run(seconds)):
            return result
    return run(32.0)


def check(*words: str | Path) -> Run:
    """Return what `pvhdbg check --format json` prints."""
    _, chosen = options.parse(["check", *map(str, words), "--format", "json", "--timeout", "120"])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(command, "SECONDS", SECONDS)
        result = command.check(chosen)
    return Run(result.status, result.output, "".join(f"{line}\n" for line in result.remarks))
