"""Several boots as one JSON document."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pvhdbg
from pvhdbg.views.to_json import document_json

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pvhdbg.boot.record.runs import Run

FORMAT, FORMAT_VERSION = "pvhdbg-runs", 1


def dumps(runs: Sequence[Run]) -> str:
    top = {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "pvhdbg": pvhdbg.__version__,
        "runs": [to_dict(run) for run in runs],
    }
    return document_json.lines(top) + "\n"


def to_dict(run: Run) -> document_json.Json:
    return {
        **run.boot._asdict(),
        "status": run.status,
        "errors": list(run.errors),
        "document": None if run.document is None else document_json.to_dict(run.document),
    }
