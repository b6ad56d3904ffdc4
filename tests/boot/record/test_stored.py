"""What a stop of a recording keeps as it was read: code, serial output and the kernel's log."""

from __future__ import annotations

import json
from typing import Any

import pytest

from pvhdbg.boot.record.checked import NotARecording
from pvhdbg.boot.record.replay import replay
from pvhdbg.boot.stop.capture import MAX_CODE, MAX_LOG, MAX_ROWS, MAX_SERIAL, CodeRow, LogLine
from pvhdbg.views.to_json import document_json
from tests.paths import RECORDINGS_DIR

TEACHING = RECORDINGS_DIR / "teaching-guest.json"
OLD = RECORDINGS_DIR / "version-1" / "linux-6.1-died.json"


def document(**keys: object) -> dict[str, Any]:
    """Return the recording of the teaching guest; its last stop has these keys."""
    recorded: dict[str, Any] = json.loads(TEACHING.read_text("utf-8"))
    recorded["stops"][-1].update(keys)
    return recorded


def row(address: int, data: str = "90", text: object = None) -> dict[str, object]:
    return {"address": address, "hex": data, "text": text, "source": None}


def test_a_recording_has_the_code_around_rip_and_the_serial_output_at_each_stop() -> None:
    """The bytes at the PVH entry are those of entry.S; the teaching guest writes to the console before stage e820."""
    entry, *_, last = replay(document()).stops

    assert [entry.rip] == [row.address for row in (entry.code or ())[1:]]
    assert b"\xfc" == (entry.code or ())[1].raw[:1]
    assert b"" == entry.serial
    assert (last.serial or b"").startswith(b"pvhdbg teaching guest\r\n")
    assert "has no symbol prb" in last.missing["log"]


def test_what_is_stored_is_written_again() -> None:
    lines = [{"ns": 1, "level": 6, "text": "Linux version"}, {"ns": 2, "level": None, "text": "\x1b"}]
    changed = document(code=[row(1, "fc", "cld"), row(2)], serial="\xff\x1b", log=lines)
    loaded = replay(changed)

    assert (CodeRow(1, b"\xfc", "cld"), CodeRow(2, b"\x90")) == loaded.stops[-1].code
    assert b"\xff\x1b" == loaded.stops[-1].serial
    assert (LogLine(1, 6, "Linux version"), LogLine(2, None, "\x1b")) == loaded.stops[-1].log
    again = json.loads(document_json.dumps(loaded))["stops"][-1]
    assert {key: changed["stops"][-1][key] for key in ("code", "serial", "log")} == {
        key: again[key] for key in ("code", "serial", "log")
    }


def test_an_old_recording_says_that_it_has_no_serial_output_and_no_log() -> None:
    stop = replay(json.loads(OLD.read_text("utf-8"))).stops[-1]

    assert (None, None, None) == (stop.code, stop.serial, stop.log)
    assert "not in this recording: an older pvhdbg made it" == stop.missing["serial"] == stop.missing["log"]


@pytest.mark.parametrize(
    ("keys", "reason"),
    [
        ({"code": [row(1)] * (MAX_ROWS + 1)}, "code has more than 256 items"),
        ({"code": [row(1, "90" * (MAX_CODE + 1))]}, "code has more than 1024 bytes"),
        ({"code": [row(2), row(1)]}, "not in ascending order"),
        ({"code": [row(1, "9090"), row(2)]}, "overlaps"),
        ({"code": [row(1, "90", "x" * 513)]}, "text has more than 512 characters"),
        ({"code": [row(-1)]}, "address is not an unsigned"),
        ({"code": 1}, "code is not a list"),
        ({"serial": "x" * (MAX_SERIAL + 1)}, "serial has more than 65536 characters"),
        ({"serial": 1}, "invalid serial"),
        ({"log": [{"ns": 1, "level": 1, "text": ""}] * (MAX_LOG + 1)}, "log has more than 1,024 items"),
        ({"log": [{"ns": -1, "level": 1, "text": ""}]}, "ns is not an unsigned"),
        ({"log": [1]}, "log is not an object"),
    ],
)
def test_values_that_pvhdbg_would_not_write_are_rejected(keys: dict[str, object], reason: str) -> None:
    with pytest.raises(NotARecording, match=reason):
        replay(document(**keys))
