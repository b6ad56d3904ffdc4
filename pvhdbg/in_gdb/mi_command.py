"""-pvh-capture: the current state of the machine, or the capture at a stage, as GDB/MI data."""

from __future__ import annotations

from typing import TYPE_CHECKING

import gdb

from pvhdbg.boot.session.resolve import capture_named
from pvhdbg.errors import UserError
from pvhdbg.in_gdb.session import as_gdb_errors
from pvhdbg.views.to_json import document_json

if TYPE_CHECKING:
    from pvhdbg.in_gdb.session import CurrentSession

_MAPS = ("registers", "symbols", "missing")
"""Objects whose keys are not valid names in MI."""


class CaptureCommand(gdb.MICommand):
    """-pvh-capture [STAGE]: return the current state, or the capture at a stage, with the keys of pvhdbg's JSON.

    Values that do not exist are left out. MI names begin with a letter, so `_pad2` becomes `pad2`. `registers`,
    `symbols` and `missing` are lists of pairs: a name and a value.
    """

    def __init__(self, current: CurrentSession) -> None:
        super().__init__("-pvh-capture")
        self._current = current

    def invoke(self, arguments: list[str]) -> dict[str, object]:
        with as_gdb_errors():
            if len(arguments) > 1:
                raise UserError("usage: -pvh-capture [STAGE]")
            session = self._current.session_or_recording
            capture = capture_named(session, arguments[0]) if arguments else session.current()
        stop = document_json.stop(capture)
        return {
            key: _pairs(value) if key in _MAPS else _as_mi(value) for key, value in stop.items() if value is not None
        }


def _pairs(values: dict[str, object]) -> list[dict[str, object]]:
    return [{"name": name, "value": value} for name, value in values.items() if value is not None]


def _as_mi(value: object) -> object:
    if isinstance(value, dict):
        return {key.lstrip("_"): _as_mi(item) for key, item in value.items() if item is not None}
    return [_as_mi(item) for item in value] if isinstance(value, list) else value
