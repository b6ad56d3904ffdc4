"""Which differences between two handovers kill a kernel, as JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pvhdbg
from pvhdbg.views.to_json import document_json

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pvhdbg.boot.handover.bisected import Bisected, End
    from pvhdbg.boot.handover.differences import Difference

FORMAT, FORMAT_VERSION = "pvhdbg-bisect", 1


def dumps(found: Bisected) -> str:
    top = {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "pvhdbg": pvhdbg.__version__,
        "handovers": [_end(end) for end in (found.first, found.second)],
        "boots": found.boots,
        "differences": _differences(found.differences),
        "cause": None if found.cause is None else _differences(found.cause),
        "is_smallest": found.is_smallest,
    }
    return document_json.lines(top) + "\n"


def _end(end: End) -> document_json.Json:
    outcome, lost = document_json.outcome(end.outcome), document_json.lost_write(end.lost_write)
    return {"name": end.name, "has_failed": end.has_failed, "outcome": outcome, **lost}


def _differences(found: Sequence[Difference]) -> list[document_json.Json]:
    return [item._asdict() for item in found]
