"""The kernel's log as text."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pvhdbg.abi.text import printable
from pvhdbg.views.rows import text

if TYPE_CHECKING:
    from pvhdbg.boot.log.kernel_log import KernelLog

EMPTY = "the kernel has printed nothing yet"


def answer(log: KernelLog) -> list[str]:
    """Return the log, or why there is none."""
    if log.missing is not None:
        return [f"log: {printable(log.missing)}"]
    return [*left_out(log), *lines(log)] or [EMPTY]


def left_out(log: KernelLog) -> list[str]:
    """Return a remark if the log does not begin with the kernel's first message; otherwise nothing."""
    if log.is_excerpt:
        return ["(only the last lines, and earlier problems, as they were when pvhdbg stopped watching the guest)"]
    if log.cut:
        return [f"({printable(log.cut)})"]
    return [f"({text.counted(log.dropped, 'earlier message')} not shown)"] if log.dropped else []


def lines(log: KernelLog) -> list[str]:
    """Return the lines as the kernel writes them to a console, safe for a terminal."""
    return [printable(line.stamped.expandtabs()) for line in log.lines]
