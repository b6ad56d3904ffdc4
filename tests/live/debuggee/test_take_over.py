"""gdb takes over a machine that reached its first stop through QEMU's stub."""

from __future__ import annotations

import os
import signal
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, cast

import pytest

from pvhdbg.cli.launch import launched
from pvhdbg.cli.options import parse
from pvhdbg.errors import MachineError
from pvhdbg.target.base import DIED, HIT, INTERRUPTED, QEMU_SIGNAL, RESET_VECTOR, TIMEOUT, TRIPLE_FAULT
from tests import tiny

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from pvhdbg.live.debuggee.debuggee import Debuggee
    from pvhdbg.live.debuggee.screen_machine import ScreenMachine


@contextmanager
def at_first_stop(*words: str) -> Iterator[Debuggee]:
    """Run a machine to its first stop, without gdb."""
    _, options = parse([*words])
    with launched(options) as debuggee:
        assert not debuggee.machine.is_with_gdb
        debuggee.to_first_stop()
        yield debuggee


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("teaching", ["-M", "pc"]),
        ("teaching", ["-M", "q35", "--set", "start_info.flags=1"]),
        ("6.1", ["-M", "microvm"]),
        ("6.1-686", ["-M", "microvm"]),
    ],
    ids=lambda value: value if isinstance(value, str) else "-".join(value),
)
def test_gdb_sees_the_machine_as_the_stub_did_steps_and_hits_breakpoints(
    name: str, words: list[str], find_vmlinux: Callable[[str], Path]
) -> None:
    kernel = [] if name == "teaching" else [str(find_vmlinux(name))]
    with at_first_stop(*kernel, *words) as debuggee:
        check_steps_and_breakpoints(debuggee)


@pytest.mark.usefixtures("kvm")
def test_under_kvm_gdb_takes_the_machine_over_too(vmlinux_61: Path) -> None:
    with at_first_stop(str(vmlinux_61), "--accel", "kvm") as debuggee:
        check_steps_and_breakpoints(debuggee)


def check_steps_and_breakpoints(debuggee: Debuggee) -> None:
    by_stub = debuggee.position()
    debuggee.take_over()
    by_gdb = debuggee.position()

    assert "prepare" == by_gdb.stage
    assert by_stub.capture.registers == by_gdb.capture.registers
    assert by_stub.capture.memory == by_gdb.capture.memory
    assert by_stub.halt == by_gdb.halt

    here = debuggee.toggle_breakpoint(None).capture.rip  # gdb has to step off it
    stepped = debuggee.resume("stepi").capture.rip

    assert stepped != here
    arrived = debuggee.next_stage()
    assert ("bootparams", HIT) == (arrived.stage, arrived.halt.kind)
    assert ["entry", "prepare", "bootparams"] == [capture.stage for capture in debuggee.journey.history]


def test_gdb_can_take_over_at_the_reset_vector() -> None:
    _, options = parse([])
    with launched(options) as debuggee:
        debuggee.take_over()

        assert RESET_VECTOR == debuggee.position().capture.rip
        assert "prepare" == debuggee.to_first_stop().stage


def test_a_guest_that_died_before_gdb_took_over_stays_dead_and_can_be_restarted() -> None:
    with at_first_stop("--cpu", "qemu32") as debuggee:
        by_stub = debuggee.position()
        debuggee.take_over()
        by_gdb = debuggee.position()

        assert (DIED, TRIPLE_FAULT) == (by_gdb.halt.kind, by_gdb.halt.how)
        assert by_stub.halt == by_gdb.halt
        assert by_gdb.capture.rip == debuggee.machine.target.register("rip")
        debuggee.restart()
        assert "entry" == debuggee.to_stage("entry").stage


@pytest.fixture
def looping(tmp_path: Path) -> Path:
    """Return a guest that does not get to `prepare` before FLAG is set."""
    path = tmp_path / "looping"
    path.write_bytes(tiny.waiting())
    return path


def test_a_guest_that_timed_out_goes_on_through_gdb(looping: Path) -> None:
    with at_first_stop(str(looping), "-M", "q35", "--timeout", "0.001") as debuggee:
        assert TIMEOUT == debuggee.to_first_stop().halt.kind
        debuggee.take_over()
        debuggee.timeout = 60
        debuggee.machine.target.write_phys(tiny.FLAG, b"\1")  # a guest at the reset vector has its memory already

        assert "prepare" == debuggee.to_stage("prepare").stage


def test_a_qemu_killed_before_gdb_took_over_is_a_death_and_can_be_restarted() -> None:
    with at_first_stop() as debuggee:
        assert debuggee.machine.qemu is not None
        os.kill(debuggee.machine.qemu.pid, signal.SIGKILL)
        assert debuggee.machine.qemu.death(30) is not None
        debuggee.take_over()

        assert QEMU_SIGNAL == debuggee.position().halt.how
        debuggee.restart()
        assert "prepare" == debuggee.to_first_stop().stage


def test_a_gdb_killed_before_it_took_over_is_a_one_line_error() -> None:
    with at_first_stop() as debuggee:
        os.kill(debuggee.machine.gdb.process.pid, signal.SIGKILL)

        with pytest.raises(MachineError, match="gdb was killed by SIGKILL"):
            debuggee.take_over()


def test_a_qemu_that_does_not_answer_gdb_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    with at_first_stop() as debuggee:
        machine = cast("ScreenMachine", debuggee.machine)
        assert machine.qemu is not None
        os.kill(machine.qemu.pid, signal.SIGSTOP)
        monkeypatch.setattr(machine, "wait_ready", lambda: type(machine).wait_ready(machine, 0.5))

        with pytest.raises(MachineError, match="gdb can't connect to QEMU: gdb timed out"):
            debuggee.take_over()


def test_ctrl_c_stops_a_guest_on_its_way_to_the_first_stop(looping: Path) -> None:
    _, options = parse([str(looping), "-M", "q35"])
    with launched(options) as debuggee:
        has_stopped = threading.Event()

        def interrupt() -> None:
            while not has_stopped.wait(0.01):  # an interrupt is lost if the guest has just reached its entry
                if debuggee.is_running:
                    debuggee.interrupt()

        thread = threading.Thread(target=interrupt)
        thread.start()
        halted = debuggee.to_first_stop()
        has_stopped.set()
        thread.join()
        debuggee.take_over()

        assert INTERRUPTED == halted.halt.kind
        assert halted.remark in [f"interrupted on the way to stage {stage}" for stage in ("entry", "prepare")]
        assert halted.capture.rip == debuggee.position().capture.rip
        debuggee.machine.target.write_phys(tiny.FLAG, b"\1")
        assert "prepare" == debuggee.to_first_stop().stage
