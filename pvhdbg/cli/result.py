"""What a command of the shell came to."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from pvhdbg.errors import PvhdbgError


class Result(NamedTuple):
    """Standard output, the exit status, and lines for standard error.

    `error` came after some of the output: it is told behind that, and its exit status is the command's.
    """

    output: str = ""
    status: int = 0
    remarks: tuple[str, ...] = ()
    error: PvhdbgError | None = None
