"""What a command of the shell came to."""

from __future__ import annotations

from typing import NamedTuple


class Result(NamedTuple):
    """Standard output, the exit status, and lines for standard error."""

    output: str = ""
    status: int = 0
    remarks: tuple[str, ...] = ()
