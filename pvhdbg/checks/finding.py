"""A Finding: what a rule has to say about one place in what was captured."""

from __future__ import annotations

from typing import NamedTuple

ERROR, WARNING, INFO = "error", "warning", "info"
SEVERITIES = (ERROR, WARNING, INFO)
"""This kernel dies of it or loses memory, initrd or command line; the ABI is broken and some known guest trips over it;
true and harmless.
"""


class Finding(NamedTuple):
    """`code` is stable and names the rule. `field` is the path of what it is about, below its stop in the document,
    or in the document's `kernel`, `machine` or `outcome`; `at` is the physical address of its bytes, null without
    one.
    """

    code: str
    severity: str
    message: str
    field: str
    at: int | None = None


def worst(findings: tuple[Finding, ...]) -> str | None:
    """The most severe severity, null where there is no finding."""
    return min((each.severity for each in findings), key=SEVERITIES.index, default=None)
