"""The result of a shell command, and the error for a kernel that it does not start."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pvhdbg.errors import GuestError
from pvhdbg.named_tuple import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from pvhdbg.boot.record.document import Document
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


class RefusedKernelError(GuestError):
    """The pre-start check rejected the kernel. `document` describes the run that was not started."""

    def __init__(self, errors: Sequence[GuestError], document: Document) -> None:
        super().__init__(str(errors[0]), errors[0].hint, errors[1:])
        self.document = document


def write(path: Path, text: str, *, ascii: bool) -> None:  # noqa: A002  the option's name
    """Write text to the file of -o; with --ascii, without other characters.

    :raise UserError: if the file cannot be written.
    """
    if ascii and not text.isascii():
        from pvhdbg.views.report import ascii_text

        text = ascii_text.to_ascii(text)
    from pvhdbg.boot.record.save import save

    save(path, text)
