"""While Linux clears its BSS, no breakpoint is in that page, because QEMU's TCG would execute the page slowly."""

from __future__ import annotations

import threading
import time
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest

from pvhdbg.boot.run import slow_page
from pvhdbg.boot.run.slow_page import CLEARS_BSS, SlowPageRunner
from pvhdbg.image.load import open_kernel
from pvhdbg.live.debuggee.own_machine import OwnMachine
from pvhdbg.live.debuggee.stub_machine import StubMachine
from pvhdbg.live.gdb import console
from pvhdbg.live.qemu.options import QemuOptions
from pvhdbg.target.base import DIED, ELSEWHERE, HIT, INTERRUPTED, TIMEOUT, TRIPLE_FAULT, Halt, ReturnRunner
from tests import tiny
from tests.cli import patient
from tests.image.builder import ENTRY

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from tests.live.runs import Either

_PAGE = 0xFFF
_IN_PAGE = ENTRY + 0xF00
"""An address in the page of the tiny guests' code that they never reach."""


@pytest.fixture
def stub_machine() -> Iterator[StubMachine]:
    with StubMachine() as made:
        yield made


@pytest.fixture(params=[StubMachine, OwnMachine])
def machine(request: pytest.FixtureRequest) -> Iterator[Either]:
    """A machine that is asked directly, or through gdb."""
    with request.param() as made:
        yield made


@pytest.fixture
def packets(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The packets that set and remove breakpoints and watchpoints, and those that resume the machine."""
    from pvhdbg.live.stub.connection import Connection

    sent: list[str] = []
    ask_all, resume = Connection.ask_all, Connection.resume

    def asked(self: Connection, questions: Sequence[str]) -> list[str]:
        sent.extend(question for question in questions if question[0] in "Zz")
        return ask_all(self, questions)

    def resumed(self: Connection, packet: str) -> None:
        sent.append(packet)
        resume(self, packet)

    monkeypatch.setattr(Connection, "ask_all", asked)
    monkeypatch.setattr(Connection, "resume", resumed)
    return sent


def runner_of(machine: Either, path: Path, folder: Path) -> SlowPageRunner:
    machine.boot(QemuOptions(str(path)))
    machine.wait_ready()
    kernel = open_kernel(str(path), folder)
    machine.target.symbols = kernel.symbols
    assert isinstance(machine.runner, ReturnRunner)
    assert machine.runner.has_slow_pages
    return SlowPageRunner(machine.target, machine.runner, lambda: kernel.facts, lambda: machine.target)


def tiny_runner(machine: Either, folder: Path, elf: bytes) -> SlowPageRunner:
    path = folder / "tiny.elf"
    path.write_bytes(elf)
    return runner_of(machine, path, folder)


def breakpoints_while_running(packets: list[str], watched: str) -> set[int]:
    """Return the addresses of the breakpoints that were set when the machine ran with a watchpoint."""
    addresses: set[int] = set()
    for packet in packets[: packets.index(watched)]:
        kind, _, rest = packet.partition(",")
        address = int(rest.split(",")[0], 16) if rest else 0
        addresses = addresses | {address} if kind == "Z1" else addresses - {address} if kind == "z1" else addresses
    return addresses


@pytest.mark.parametrize("version", ["6.1", "6.12"])
def test_linux_clears_its_bss_without_a_breakpoint_in_that_page(
    version: str, request: pytest.FixtureRequest, stub_machine: StubMachine, packets: list[str], tmp_path: Path
) -> None:
    """Whether start_kernel is in that page differs between the versions of Debian's kernels."""
    vmlinux: Path = request.getfixturevalue(f"vmlinux_{version.replace('.', '')}")
    runner = runner_of(stub_machine, vmlinux, tmp_path)
    start_kernel, clear_bss = map(stub_machine.target.symbol, ("start_kernel", CLEARS_BSS))
    shares_page = start_kernel & ~_PAGE == clear_bss & ~_PAGE
    halt = runner.run_to([start_kernel], 60)
    watched = [packet for packet in packets if packet.startswith("Z3")]

    assert (HIT, start_kernel) == (halt.kind, halt.rip)
    assert int(shares_page) == len(watched)
    for packet in watched:
        assert set() == breakpoints_while_running(packets, packet)
        assert 1 == packets.count(packet.replace("Z", "z"))
        assert f"Z1,{start_kernel:x},1" in packets[packets.index(packet) :]
    assert shares_page or 1 == packets.count("vCont;c")


def test_gdb_stops_at_the_return_and_keeps_no_watchpoint(vmlinux_61: Path, tmp_path: Path) -> None:
    with OwnMachine() as machine:
        runner = runner_of(machine, vmlinux_61, tmp_path)
        start_kernel, clear_bss = map(machine.target.symbol, ("start_kernel", CLEARS_BSS))
        assert (HIT, clear_bss) == machine.runner.run_to([clear_bss], 60)[:2]
        stack = machine.target.register("rsp")
        assert isinstance(machine.runner, ReturnRunner)
        halt = machine.runner.run_to_return(60)
        after = machine.target.register("rsp"), machine.target.register("rip")
        left = console.run(machine.gdb, "info breakpoints", lambda: None)
        reached = runner.run_to([start_kernel], 60)

    assert (HIT, stack + 8, halt.rip) == (halt.kind, *after)
    assert left.startswith("No breakpoints or watchpoints")
    assert (HIT, start_kernel) == (reached.kind, reached.rip)


@pytest.mark.parametrize("users", ["hbreak *{clear_bss}", "set can-use-hw-watchpoints 0", "set language ada"])
def test_a_breakpoint_or_a_setting_of_the_user_does_not_lose_the_stage(
    vmlinux_61: Path, tmp_path: Path, users: str
) -> None:
    with OwnMachine() as machine:
        runner = runner_of(machine, vmlinux_61, tmp_path)
        start_kernel, clear_bss = map(machine.target.symbol, ("start_kernel", CLEARS_BSS))
        console.run(machine.gdb, users.format(clear_bss=hex(clear_bss)), lambda: None)
        halts = [runner.run_to([start_kernel], 60)]
        if users.startswith("hbreak"):
            halts.append(runner.run_to([start_kernel], 60))

    assert (HIT, start_kernel) == (halts[-1].kind, halts[-1].rip)
    assert [(ELSEWHERE, clear_bss, "breakpoint 1")] * (len(halts) - 1) == [
        (halt.kind, halt.rip, halt.message) for halt in halts[:-1]
    ]


def test_the_return_itself_may_be_the_goal(machine: Either, tmp_path: Path) -> None:
    runner = tiny_runner(machine, tmp_path, tiny.returning(symbol=CLEARS_BSS))
    halt = runner.run_to([tiny.RETURNS_TO], 30)

    assert (HIT, tiny.RETURNS_TO) == (halt.kind, halt.rip)


def test_a_guest_that_dies_before_the_return_has_died(machine: Either, tmp_path: Path) -> None:
    runner = tiny_runner(machine, tmp_path, tiny.dying(name=CLEARS_BSS))
    halt = runner.run_to([_IN_PAGE], 30)

    assert (DIED, TRIPLE_FAULT) == (halt.kind, halt.how)


def test_a_guest_that_never_returns_times_out(machine: Either, tmp_path: Path) -> None:
    runner = tiny_runner(machine, tmp_path, tiny.waiting(name=CLEARS_BSS))
    halt = patient.in_time(lambda seconds: runner.run_to([_IN_PAGE], seconds), lambda halt: halt.rip in tiny.WAITING)

    assert TIMEOUT == halt.kind
    assert halt.rip in tiny.WAITING


def test_the_run_to_the_return_has_only_the_rest_of_the_time(
    stub_machine: StubMachine, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    runner, asked = tiny_runner(stub_machine, tmp_path, tiny.returning(symbol=CLEARS_BSS)), list[float]()

    def interrupted(timeout: float) -> Halt:
        asked.append(timeout)
        return Halt(INTERRUPTED, None)

    times = iter((100.0, 101.0, 125.0))  # the start, before the run to clear_bss, and after it
    monkeypatch.setattr(stub_machine.runner, "run_to_return", interrupted)
    monkeypatch.setattr(slow_page, "time", SimpleNamespace(monotonic=lambda: next(times)))
    halt = runner.run_to([tiny.RETURNS_TO], 60)

    assert (INTERRUPTED, [35.0]) == (halt.kind, asked)


def test_the_run_to_the_return_can_be_interrupted(
    stub_machine: StubMachine, packets: list[str], tmp_path: Path
) -> None:
    runner = tiny_runner(stub_machine, tmp_path, tiny.waiting(name=CLEARS_BSS))
    halts: list[Halt] = []
    running = threading.Thread(target=lambda: halts.append(runner.run_to([_IN_PAGE], 60)))
    running.start()
    while not (any(packet.startswith("Z3") for packet in packets) and packets[-1] == "vCont;c") and running.is_alive():
        time.sleep(0.01)
    stub_machine.runner.interrupt()
    running.join()

    assert [INTERRUPTED] == [halt.kind for halt in halts]
