"""Steps by source line into inlined functions, in a real kernel."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

from pvhdbg.image.load import open_kernel
from pvhdbg.live.debuggee.debuggee import Debuggee

if TYPE_CHECKING:
    from pathlib import Path

    from tests.live.conftest import Boot


def test_each_step_executes_something_although_gdb_enters_inlined_functions_without(
    vmlinux_612: Path, boot: Boot
) -> None:
    machine = boot(vmlinux_612)
    assert machine.qemu is not None
    kernel = open_kernel(str(vmlinux_612), machine.folder)
    machine.target.symbols = kernel.symbols
    debuggee = Debuggee(machine, kernel, machine.qemu.options, 60)
    debuggee.load_symbols()
    positions = [debuggee.to_stage("e820"), *(debuggee.resume("step") for _ in range(8))]
    rips = [position.halt.rip for position in positions]

    assert [] == [rip for rip, following in pairwise(rips) if rip == following]
    assert {"setup_arch"} == {(position.symbol or "").partition("+")[0] for position in positions[1:]}
