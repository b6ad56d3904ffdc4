"""One result of preflight."""

from __future__ import annotations

from typing import NamedTuple

FATAL, WARNING = "fatal", "warning"


class Verdict(NamedTuple):
    """A problem with a kernel file: a stable slug, FATAL or WARNING, a message and a hint of one line each."""

    slug: str
    severity: str
    message: str
    hint: str
