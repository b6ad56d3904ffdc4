"""pvhdbg as its users start it: a process of its own, with what it prints and its exit status."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

PVHDBG = (sys.executable, "-m", "pvhdbg")
PATIENCE = 240
"""Seconds. A machine with nothing else to do needs less than one."""


class Run(NamedTuple):
    """How it went."""

    status: int
    out: str
    err: str

    @property
    def document(self) -> Any:  # noqa: ANN401 - JSON
        """What it printed, as JSON."""
        return json.loads(self.out)


def pvhdbg(*words: str | Path, cwd: Path | None = None, env: Mapping[str, str] | None = None) -> Run:
    """Run it to its end, with nobody at the keyboard."""
    done = subprocess.run(
        [*PVHDBG, *map(str, words)],
        cwd=cwd,
        env=env,
        check=False,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=PATIENCE,
    )
    return Run(done.returncode, done.stdout.decode(), done.stderr.decode())
