"""One result of preflight."""

from __future__ import annotations

from typing import NamedTuple

FATAL, WARNING = "fatal", "warning"


class Verdict(NamedTuple):
    """A problem with a kernel file. `severity` is FATAL or WARNING; `message` and `hint` have one line each.

    The slug of a problem never changes.
    """

    slug: str
    severity: str
    message: str
    hint: str
