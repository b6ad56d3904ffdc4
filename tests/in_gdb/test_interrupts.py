"""SIGINTs at the wrong moment: the functions of gdb 13 that read memory for the disassembler must not throw."""

from __future__ import annotations

import os
import signal
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest

from pvhdbg.live.debuggee.attached_machine import AttachedMachine
from pvhdbg.live.gdb import console, script
from pvhdbg.target.mi.client import MiError
from tests.live.hostile_stub import HostileStub

if TYPE_CHECKING:
    import socket
    from pathlib import Path

CODE = 0x123400


class InterruptingStub(HostileStub):
    """A stub that sends SIGINT to gdb before it answers the first read of CODE."""

    gdb = 0

    def _misbehave(self, connection: socket.socket) -> bool:
        del connection
        if self.gdb:
            os.kill(self.gdb, signal.SIGINT)
        self.gdb = 0
        return False


@pytest.mark.parametrize("line", [f"x/3i {CODE:#x}", f"disassemble {CODE:#x},+9", f"python gdb.execute('x/i {CODE}')"])
def test_a_signal_while_gdb_disassembles_does_not_end_gdb(tmp_path: Path, line: str) -> None:
    stub = InterruptingStub(tmp_path / "stub", "lies-never", 0, f"m{CODE:x}".encode())
    try:
        with AttachedMachine(str(tmp_path / "stub")) as machine:
            script.load(machine.gdb)
            stub.gdb = machine.gdb.process.pid
            with suppress(MiError):  # the signal may end the command
                console.run(machine.gdb, line, lambda: None)

            assert 0 == stub.gdb
            assert "$1 = 42\n" == console.run(machine.gdb, "print 6 * 7", lambda: None)
    finally:
        stub.end()
