"""The result of a shell command."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from pvhdbg.errors import PvhdbgError


class Result(NamedTuple):
    """The text for standard output, the exit status, and lines for standard error (`remarks`).

    If a command fails after it produced output, `error` is its error: it is printed after the output, and its exit
    status replaces `status`. If `is_paged` is set, the output is shown in a pager on a terminal.
    """

    output: str = ""
    status: int = 0
    remarks: tuple[str, ...] = ()
    error: PvhdbgError | None = None
    is_paged: bool = False


class HelpText(Exception):
    """Raised with the text of --help, --version or --vmm-list, which is printed like any other output."""
