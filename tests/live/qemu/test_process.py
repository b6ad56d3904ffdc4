"""QEMU's process: its files, and why it shut down."""

from __future__ import annotations

import os
import signal
import threading
from stat import S_IMODE
from typing import TYPE_CHECKING

import pytest

from pvhdbg.live.debuggee.stub_machine import StubMachine
from pvhdbg.live.qemu import events
from pvhdbg.target.monitor import POWERED_OFF
from tests import tiny
from tests.image.builder import ENTRY
from tests.live.runs import booted

if TYPE_CHECKING:
    from pathlib import Path

    from pvhdbg.live.debuggee.own_machine import OwnMachine


def test_only_the_user_can_connect_to_the_sockets(teaching: OwnMachine) -> None:
    folder = teaching.folder
    modes = {path.name: S_IMODE(path.stat().st_mode) for path in folder.iterdir() if path.is_socket()}

    assert {"gdb": 0o600, "qmp": 0o600} == modes
    assert 0o700 == S_IMODE(folder.stat().st_mode)


def test_why_a_guest_ended_is_known_although_qemu_was_slow_when_pvhdbg_asked_for_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(events, "_PATIENCE", 60.0)
    path = tmp_path / "off.elf"
    path.write_bytes(tiny.nameless(powers_off=True))
    with StubMachine() as stub_machine:
        machine = booted(stub_machine, path, {"machine": "q35"})
        assert machine.qemu is not None
        machine.runner.run_to([ENTRY], 30)
        os.kill(machine.qemu.pid, signal.SIGSTOP)
        threading.Timer(0.2, os.kill, (machine.qemu.pid, signal.SIGCONT)).start()
        machine.qemu.note_shutdown()
        halt = machine.runner.run_to([], 60)

    assert POWERED_OFF == halt.message
