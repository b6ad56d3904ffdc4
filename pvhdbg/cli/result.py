"""The result of a shell command."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from pvhdbg.errors import PvhdbgError


class Result(NamedTuple):
    """Standard output, the exit status, and lines for standard error.

    `error` occurred after part of the output: it is printed after that part, and its exit status replaces `status`.
    `is_paged` output goes through a pager if standard output is a terminal.
    """

    output: str = ""
    status: int = 0
    remarks: tuple[str, ...] = ()
    error: PvhdbgError | None = None
    is_paged: bool = False
