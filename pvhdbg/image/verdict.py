"""What preflight found of a kernel file, one thing at a time."""

from __future__ import annotations

from typing import NamedTuple

FATAL, WARNING = "fatal", "warning"


class Verdict(NamedTuple):
    """One thing that preflight found: a stable slug, `fatal` or `warning`, one line, and what to do about it."""

    slug: str
    severity: str
    message: str
    hint: str
