"""QMP's events, from a QMP server that the test controls."""

from __future__ import annotations

import socket
import threading
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from pvhdbg.live.qemu import events
from pvhdbg.live.qemu.events import Events

if TYPE_CHECKING:
    from pathlib import Path

GREETING = b'{"QMP": {"version": {}, "capabilities": []}}\r\n{"return": {}}\r\n'


def reason(folder: Path, data: bytes) -> str | None:
    """Return the reason that is found in what QMP sends before it closes the connection."""
    with closing(socket.socket(socket.AF_UNIX)) as listener:
        listener.bind(str(folder / "qmp"))
        listener.listen(1)

        def serve() -> None:
            with closing(listener.accept()[0]) as stream:
                stream.sendall(data)
                stream.shutdown(socket.SHUT_WR)
                while stream.recv(1 << 16):
                    pass

        thread = threading.Thread(target=serve)
        thread.start()
        with closing(Events(folder / "qmp")) as listening:
            found = listening.shutdown_reason()
        thread.join()
        return found


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b'{"event": "SHUTDOWN", "data": {"guest": true, "reason": "guest-shutdown"}}\r\n', "guest-shutdown"),
        (b'{"event": "RESUME"}\r\n{"event": "SHUTDOWN", "data": {"reason": "guest-reset"}}\r\n', "guest-reset"),
        (b'[]\r\n7\r\nnoise \xff\r\n{"event": "SHUTDOWN"}\r\n{"event": "SHUTDOWN", "data": 1}\r\n', None),
        (b'{"event": "SHUTDOWN", "data": {"reason": "cut', None),
        (b"[" * 100_000 + b"\n", None),
        (b"", None),
    ],
    ids=["power off", "reset", "noise", "cut", "deep", "silent"],
)
def test_the_reason_of_a_shutdown_is_found_in_what_qmp_sends(tmp_path: Path, data: bytes, expected: str | None) -> None:
    assert expected == reason(tmp_path, GREETING + data)


def test_a_qmp_that_is_silent_or_floods_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "_PATIENCE", 0.2)
    monkeypatch.setattr(events, "_MOST", 1 << 10)
    listener = socket.socket(socket.AF_UNIX)
    with closing(listener):
        listener.bind(str(tmp_path / "qmp"))
        listener.listen(1)
        with closing(Events(tmp_path / "qmp")) as listening:
            silent = listening.shutdown_reason()
    (tmp_path / "qmp").unlink()

    assert silent is None
    assert reason(tmp_path, b"x" * 4096) is None


def test_a_qmp_that_is_gone_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="No such file"):
        Events(tmp_path / "qmp")
