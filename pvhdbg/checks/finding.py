"""A Finding: what a rule reports about one field of what was captured."""

from __future__ import annotations

from typing import NamedTuple

ERROR, WARNING, INFO = "error", "warning", "info"
SEVERITIES = (ERROR, WARNING, INFO)
"""Worst first. Error: this kernel dies of it, or loses memory, initrd or command line. Warning: it breaks the ABI, and
a known guest fails because of it. Info: true and harmless.
"""


class Finding(NamedTuple):
    """One finding of a rule.

    `code` names the rule and never changes. `field` is the path of the field that the message is about: below its stop
    in the document, or in the document's `kernel`, `machine` or `outcome`. `at` is the physical address of the field's
    bytes, or None.
    """

    code: str
    severity: str
    message: str
    field: str
    at: int | None = None


def worst_severity(findings: tuple[Finding, ...]) -> str | None:
    """Return the worst severity of the findings, or None if there are none."""
    return min((finding.severity for finding in findings), key=SEVERITIES.index, default=None)
