"""The lines of a kernel's log that report a problem: a panic, a BUG or a warning.

Sources: Linux kernel/panic.c, panic and __warn; lib/bug.c, report_bug; arch/x86/mm/fault.c, show_fault_oops;
arch/x86/kernel/traps.c and dumpstack.c.
"""

from __future__ import annotations

import re

from pvhdbg.lazy_pattern import pattern
from pvhdbg.named_tuple import NamedTuple

PANIC, BUG, WARNING = "panic", "bug", "warning"

_STAMP = r"(?:\[ *[0-9]+\.[0-9]+\](?:\[ *[TC][0-9]+\])? )?"
_REPORTS = {
    PANIC: pattern(_STAMP + r"Kernel panic - not syncing: (.*)", re.DOTALL),
    BUG: pattern(
        _STAMP + r"((?:watchdog: )?BUG: .*|kernel BUG at .*|"
        r"(?:Oops: )?(?:general protection fault|divide error|stack segment|segment not present|double fault)\b.*)",
        re.DOTALL,
    ),
    WARNING: pattern(_STAMP + r"WARNING: (.*)", re.DOTALL),
}


_NO_ROOT_OR_INIT = ("VFS: Unable to mount root fs", "No working init found", "No init found", "Requested init ")


class Problem(NamedTuple):
    """A problem that a line reports: PANIC, BUG or WARNING, and the text after these words. The guest controls it."""

    kind: str
    text: str


def problem(line: str) -> Problem | None:
    """Return the problem that a line of the log reports, with or without a time stamp; None if it reports none."""
    for kind, report in _REPORTS.items():
        match = report.match(line)
        if match:
            return Problem(kind, match[1].strip())
    return None


def lacks_root(text: str) -> bool:
    """Return whether this is the text of a panic only because there is no root file system or no init."""
    return text.startswith(_NO_ROOT_OR_INIT)
