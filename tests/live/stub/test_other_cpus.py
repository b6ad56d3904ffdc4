"""A guest whose second CPU runs: the CPU that stops, runs on or dies is not always the boot CPU."""

from __future__ import annotations

import subprocess
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pvhdbg.image.load import open_kernel
from pvhdbg.live.debuggee.stub_machine import StubMachine
from pvhdbg.live.qemu.options import QemuOptions
from pvhdbg.target.base import DIED, HIT, TIMEOUT, TRIPLE_FAULT
from pvhdbg.target.monitor import OTHERS_RUNNING, RUNNING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SOURCE = Path(__file__).parent / "guests" / "other_cpu.S"
NEVER, PATIENCE = 0xDEAD0000, 60.0


@pytest.fixture
def boot(tmp_path: Path) -> Iterator[Callable[..., StubMachine]]:
    """Build the guest with these macros, and boot it with two CPUs."""
    with ExitStack() as stack:

        def start(*defines: str) -> StubMachine:
            path = tmp_path / "guest.elf"
            options = ["-m32", "-nostdlib", "-static", "-no-pie", "-Wl,-z,noexecstack", "-Wl,--build-id=none"]
            layout = ["-Wl,-Ttext=0x200000", "-Wl,-e,start"]
            subprocess.run(["gcc", *options, *layout, *defines, str(SOURCE), "-o", str(path)], check=True)
            machine = stack.enter_context(StubMachine())
            machine.boot(QemuOptions(str(path), args=("-smp", "2")), open_kernel(str(path), machine.folder).symbols)
            machine.wait_ready()
            return machine

        yield start


def test_a_breakpoint_that_another_cpu_reaches_is_hit_with_the_registers_of_that_cpu(
    boot: Callable[..., StubMachine],
) -> None:
    machine = boot()
    arrival = machine.target.symbol("arrival")
    halts = [machine.runner.run_to([arrival], PATIENCE) for _ in range(3)]

    assert [(HIT, arrival)] * 3 == [halt[:2] for halt in halts]
    assert arrival == machine.target.register("rip")


def test_after_any_other_stop_the_registers_are_those_of_the_boot_cpu(boot: Callable[..., StubMachine]) -> None:
    machine = boot()
    arrival = machine.target.symbol("arrival")
    machine.runner.run_to([arrival], PATIENCE)
    halt = machine.runner.run_to([NEVER], 0.1)

    assert TIMEOUT == halt.kind
    assert machine.target.symbol("start") < machine.target.register("rip") <= arrival


def test_a_guest_with_a_cpu_that_runs_on_has_not_halted(boot: Callable[..., StubMachine]) -> None:
    machine = boot()
    machine.runner.run_to([machine.target.symbol("start")], PATIENCE)
    before = machine.target.register(RUNNING), machine.target.register(OTHERS_RUNNING)
    machine.runner.run_to([machine.target.symbol("arrival")], PATIENCE)

    assert (1, 0) == before
    assert 1 == machine.target.register(OTHERS_RUNNING)


def test_a_triple_fault_may_be_that_of_another_cpu(boot: Callable[..., StubMachine]) -> None:
    halt = boot("-DDIES").runner.run_to([NEVER], PATIENCE)

    assert (DIED, TRIPLE_FAULT) == (halt.kind, halt.how)
    assert "triple fault (of this or another CPU, or the guest itself asked for a reset or shutdown)" == halt.message
