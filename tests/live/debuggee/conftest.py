"""The teaching guest at its entry."""

from __future__ import annotations

import pytest

from pvhdbg import guest
from pvhdbg.image.load import open_kernel
from pvhdbg.live.debuggee.debuggee import Debuggee
from tests.live.conftest import Boot


@pytest.fixture
def debuggee(boot: Boot) -> Debuggee:
    """Return the teaching guest at its entry, with its symbols in gdb."""
    machine = boot()
    assert machine.qemu is not None
    kernel = open_kernel(str(guest.ELF), machine.folder)
    machine.target.symbols = kernel.symbols
    debuggee = Debuggee(machine, kernel, machine.qemu.options, 30)
    debuggee.load_symbols()
    debuggee.to_stage("entry")
    return debuggee
