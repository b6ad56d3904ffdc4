"""The code at RIP in a real kernel."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pvhdbg.image.load import open_kernel
from pvhdbg.live.debuggee.debuggee import Debuggee
from pvhdbg.live.debuggee.own_machine import OwnMachine
from pvhdbg.live.qemu.options import QemuOptions

if TYPE_CHECKING:
    from pathlib import Path


def test_the_32_bit_code_at_the_entry_is_not_decoded_as_64_bit_code(vmlinux_61: Path) -> None:
    options = QemuOptions(str(vmlinux_61))
    with OwnMachine() as machine:
        kernel = open_kernel(str(vmlinux_61), machine.folder)
        machine.boot(options, kernel.symbols)
        machine.wait_ready()
        debuggee = Debuggee(machine, kernel, options, 60)
        code = debuggee.code_at_rip(debuggee.to_stage("bootparams").capture.cpu_mode)
    before = [line.text for line in code.lines[: [line.current for line in code.lines].index(True)]]

    assert ("mov    $0xc0000101,%ecx", "call   *%rax") == (before[0], before[-1])
    assert "(bad)" not in before
    assert code.title.endswith("as gdb decodes them in long64")
