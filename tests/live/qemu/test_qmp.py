"""QMP with a server that ends at any moment, as a QEMU does that is killed."""

from __future__ import annotations

import json
import socket
from typing import TYPE_CHECKING

import pytest

from pvhdbg.live.qemu import qmp
from tests.live.qemu.test_events import GREETING
from tests.live.qemu.test_events import qmp as server

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    Answer = dict[str, str]

NEGOTIATED: Answer = {}
ANSWER: Answer = {"status": "running"}


def ask(folder: Path, answers: Sequence[Answer]) -> object:
    """Ask a server that answers as many commands as there are answers, and then closes the connection."""

    def serve(stream: socket.socket) -> None:
        stream.sendall(GREETING)
        for answer in answers:
            request = json.loads(stream.recv(1 << 16))
            same_id = {key: request[key] for key in ("id",) if key in request}
            stream.sendall(json.dumps({"return": answer, **same_id}).encode() + b"\r\n")

    with server(folder, serve) as path:
        return qmp.ask(path, "query-status", 5.0)


def test_an_answer_counts_if_qemu_ends_right_after_it(tmp_path: Path) -> None:
    assert ANSWER == ask(tmp_path, (NEGOTIATED, ANSWER))


@pytest.mark.parametrize("answers", [(), (NEGOTIATED,)], ids=["at the start", "before the answer"])
def test_a_qemu_that_ends_before_its_answer_is_gone(tmp_path: Path, answers: Sequence[Answer]) -> None:
    with pytest.raises(OSError, match=r"\w"):
        ask(tmp_path, answers)
