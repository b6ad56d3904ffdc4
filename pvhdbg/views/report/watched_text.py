"""What the guest did after the last stage, as text."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pvhdbg.abi.text import printable
from pvhdbg.boot.log.kernel_log import LINES_OF_BUG
from pvhdbg.boot.log.problems import BUG, problem
from pvhdbg.boot.record.document import CONSOLE, PANICKED, WATCH_ENDS
from pvhdbg.boot.stop.address import location_suffix
from pvhdbg.views.rows import text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pvhdbg.boot.record.document import Watched

LINES_SHOWN, MAX_SHOWN = 12, 160
"""The last lines that are shown, and the characters of each."""


def summary(watched: Watched) -> str:
    """Return one line such as `watched for 1.2 s: still running at 0xffffffff81000000 default_idle`.

    Without a time, pvhdbg attached after the end.
    """
    message = "" if watched.ended == PANICKED else watched.message
    end = ending(watched._replace(message=message))
    return f"watched for {_duration(watched.ms)}: {end}" if watched.ms else end


def ending(watched: Watched) -> str:
    """Return how the guest ended, such as `the kernel panicked at 0xffffffff81000000 setup_arch+0x12: "…"`."""
    if watched.has_powered_off:
        return watched.message
    location = "" if watched.ended == CONSOLE else location_suffix(watched.rip, watched.symbol)
    reason = f": {text.quoted(watched.message, text.LONG)}" if watched.ended == PANICKED and watched.message else ""
    return f"{WATCH_ENDS[watched.ended]}{location}{reason}"


def _duration(ms: int) -> str:
    return f"{ms} ms" if ms < 1000 else f"{ms / 1000:.1f} s"


def last_output(watched: Watched) -> list[list[str]]:
    """Return the last lines of the console, and of the kernel's log if the console does not have them.

    The first block is the first BUG in the log, if the last lines do not have it.
    """
    blocks = _last_lines(watched)
    shown = {line for block in blocks for line in block}
    for index, line in enumerate(watched.log or ()):
        found = problem(line)
        if found is not None and found.kind == BUG:
            of_bug = _block("the first BUG in the kernel's log:", (watched.log or ())[index : index + LINES_OF_BUG])
            return blocks if of_bug[1] in shown else [of_bug, *blocks]
    return blocks


def _last_lines(watched: Watched) -> list[list[str]]:
    blocks = []
    if watched.serial:
        blocks.append(_block("the last lines on the serial console:", watched.serial))
    if watched.log and not {*watched.log[-2:]} & {*watched.serial}:
        blocks.append(_block("the last lines of the kernel's log:", watched.log))
    return blocks


def _block(heading: str, lines: Sequence[str]) -> list[str]:
    return [heading, *(f"  {printable(line[:MAX_SHOWN])}" for line in lines[-LINES_SHOWN:])]
