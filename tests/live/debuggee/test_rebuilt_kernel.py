"""A kernel file that is rebuilt while pvhdbg runs."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

from pvhdbg import guest
from pvhdbg.errors import UserError
from pvhdbg.image.load import open_kernel
from pvhdbg.live.debuggee.debuggee import Debuggee
from pvhdbg.live.debuggee.own_machine import OwnMachine
from pvhdbg.live.qemu.options import QemuOptions

if TYPE_CHECKING:
    from pathlib import Path


def test_a_restart_after_the_kernel_file_has_changed_is_refused(tmp_path: Path) -> None:
    kernel = tmp_path / "kernel"
    shutil.copy(guest.ELF, kernel)
    options = QemuOptions(str(kernel))
    with OwnMachine() as machine:
        machine.boot(options)
        machine.wait_ready()
        debuggee = Debuggee(machine, open_kernel(str(kernel), machine.folder), options, 30)
        debuggee.restart()
        again = tmp_path / "again"
        shutil.copy(guest.ELF, again)
        again.rename(kernel)

        with pytest.raises(UserError, match="the kernel file has changed"):
            debuggee.restart()
