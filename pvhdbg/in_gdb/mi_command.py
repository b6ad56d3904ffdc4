"""-pvh-capture: what is there now, as GDB/MI data."""

from __future__ import annotations

from typing import TYPE_CHECKING

import gdb

from pvhdbg.boot.session.resolve import captured
from pvhdbg.errors import UserError
from pvhdbg.in_gdb.here import told
from pvhdbg.views.to_json import document_json

if TYPE_CHECKING:
    from pvhdbg.in_gdb.here import Sessions

_MAPS = ("registers", "symbols", "missing")
"""Objects whose keys are no words that MI allows."""


class CaptureCommand(gdb.MICommand):
    """-pvh-capture [STAGE]: a stop as in pvhdbg's JSON, or the one that was captured at a stage.

    MI has no null: what does not exist is left out. Its words begin with a letter: `_pad2` is `pad2`; of registers,
    symbols and missing each entry is a name and a value.
    """

    def __init__(self, sessions: Sessions) -> None:
        super().__init__("-pvh-capture")
        self._sessions = sessions

    def invoke(self, arguments: list[str]) -> dict[str, object]:
        with told():
            if len(arguments) > 1:
                raise UserError("usage: -pvh-capture [STAGE]")
            here = self._sessions.here
            asked = here.opened or here
            seen = captured(asked, arguments[0]) if arguments else asked.current()
        stop = document_json.stop(seen)
        return {key: _pairs(of) if key in _MAPS else _as_mi(of) for key, of in stop.items() if of is not None}


def _pairs(of: dict[str, object]) -> list[dict[str, object]]:
    return [{"name": name, "value": value} for name, value in of.items() if value is not None]


def _as_mi(of: object) -> object:
    if isinstance(of, dict):
        return {key.lstrip("_"): _as_mi(each) for key, each in of.items() if each is not None}
    return [_as_mi(each) for each in of] if isinstance(of, list) else of
