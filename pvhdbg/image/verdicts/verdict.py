"""One result of the pre-start check."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pvhdbg.named_tuple import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

FATAL, WARNING = "fatal", "warning"


class Verdict(NamedTuple):
    """A problem with a kernel file. `severity` is FATAL or WARNING; `message` and `hint` have one line each.

    The slug of a problem never changes. `fields` has the numbers and names on which the verdict is based: addresses,
    offsets in the file, sizes, section names.
    """

    slug: str
    severity: str
    message: str
    hint: str
    fields: Mapping[str, int | str] = {}
