"""QEMU's process: its files."""

from __future__ import annotations

from stat import S_IMODE
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pvhdbg.live.debuggee.own_machine import OwnMachine


def test_only_the_user_can_connect_to_the_sockets(teaching: OwnMachine) -> None:
    folder = teaching.folder
    modes = {path.name: S_IMODE(path.stat().st_mode) for path in folder.iterdir() if path.is_socket()}

    assert {"gdb": 0o600, "qmp": 0o600} == modes
    assert 0o700 == S_IMODE(folder.stat().st_mode)
