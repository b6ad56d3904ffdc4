"""QMP's events, from a QMP server that the test controls."""

from __future__ import annotations

import socket
import threading
import time
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING

import pytest

from pvhdbg.live.qemu import events
from pvhdbg.live.qemu.events import Events

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

GREETING = b'{"QMP": {"version": {}, "capabilities": []}}\r\n'
ANSWERED = GREETING + b'{"return": {}}\r\n'


@contextmanager
def qmp(folder: Path, serve: Callable[[socket.socket], None]) -> Iterator[Path]:
    """Listen, and let `serve` answer the first client. Yield the path of the socket."""
    with closing(socket.socket(socket.AF_UNIX)) as listener:
        listener.bind(str(folder / "qmp"))
        listener.listen(1)

        def accept() -> None:
            with closing(listener.accept()[0]) as stream:
                serve(stream)

        thread = threading.Thread(target=accept)
        thread.start()
        yield folder / "qmp"
        thread.join()


def sending(data: bytes) -> Callable[[socket.socket], None]:
    """Return a server that sends this, and then nothing more."""

    def serve(stream: socket.socket) -> None:
        stream.sendall(data)
        stream.shutdown(socket.SHUT_WR)
        while stream.recv(1 << 16):
            pass

    return serve


def reason(folder: Path, data: bytes) -> str | None:
    """Return the reason that is found in what QMP sends before it closes the connection."""
    with qmp(folder, sending(data)) as path, closing(Events(path)) as listening:
        return listening.shutdown_reason()


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
    assert expected == reason(tmp_path, ANSWERED + data)


def test_the_guest_does_not_continue_before_qemu_sends_its_events(tmp_path: Path) -> None:
    order = []

    def answer_late(stream: socket.socket) -> None:
        stream.sendall(GREETING)
        order.append(stream.recv(1 << 16).strip())
        time.sleep(0.3)
        order.append(b"answer")
        stream.sendall(ANSWERED.removeprefix(GREETING))

    with qmp(tmp_path, answer_late) as path, closing(Events(path)):
        order.append(b"the guest continues")

    assert [b'{"execute": "qmp_capabilities"}', b"answer", b"the guest continues"] == order


@pytest.mark.parametrize("data", [b"x" * 4096, GREETING, b""], ids=["flood", "only a greeting", "closed"])
def test_a_qmp_that_answers_something_else_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, data: bytes
) -> None:
    monkeypatch.setattr(events, "_MOST", 1 << 10)
    with qmp(tmp_path, sending(data)) as path, pytest.raises(OSError, match="no answer from QEMU"):
        Events(path)


def test_a_qmp_that_floods_after_its_answer_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "_MOST", 1 << 10)

    assert reason(tmp_path, ANSWERED + b"x" * 4096) is None


def test_a_qmp_that_is_silent_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "_PATIENCE", 0.2)

    def read_only(stream: socket.socket) -> None:
        while stream.recv(1 << 16):
            pass

    with qmp(tmp_path, read_only) as path, pytest.raises(OSError, match="no answer from QEMU"):
        Events(path)


def test_a_qmp_that_is_silent_after_its_answer_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "_PATIENCE", 0.2)

    def answer_only(stream: socket.socket) -> None:
        stream.sendall(ANSWERED)
        while stream.recv(1 << 16):
            pass

    with qmp(tmp_path, answer_only) as path, closing(Events(path)) as listening:
        assert listening.shutdown_reason() is None


def test_a_qmp_that_is_gone_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="No such file"):
        Events(tmp_path / "qmp")
