"""While Linux clears its BSS, no breakpoint is in that page, because QEMU's TCG would execute the page slowly."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

import pytest

from pvhdbg.boot.run.slow_page import CLEARS_BSS, SlowPageRunner
from pvhdbg.image.load import open_kernel
from pvhdbg.live.debuggee.stub_machine import StubMachine
from pvhdbg.target.base import DIED, HIT, INTERRUPTED, TIMEOUT, TRIPLE_FAULT
from tests import tiny
from tests.image.builder import ENTRY
from tests.live.runs import booted

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from pvhdbg.target.base import Halt

_PAGE = 0xFFF
_IN_PAGE = ENTRY + 0xF00
"""An address in the page of the tiny guests' code that they never reach."""


@pytest.fixture
def machine() -> Iterator[StubMachine]:
    with StubMachine() as made:
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


def runner_of(machine: StubMachine, path: Path, folder: Path) -> SlowPageRunner:
    booted(machine, path, {})
    kernel = open_kernel(str(path), folder)
    machine.target.symbols = kernel.symbols
    return SlowPageRunner(machine.target, machine.runner, lambda: kernel.facts, lambda: machine.target)


def tiny_runner(machine: StubMachine, folder: Path, elf: bytes) -> SlowPageRunner:
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


def test_linux_clears_its_bss_without_a_breakpoint_in_that_page(
    vmlinux_61: Path, machine: StubMachine, packets: list[str], tmp_path: Path
) -> None:
    runner = runner_of(machine, vmlinux_61, tmp_path)
    symbol = machine.target.symbol
    start_kernel, clear_bss = symbol("start_kernel"), symbol(CLEARS_BSS)
    halt = runner.run_to([start_kernel], 60)
    watched = [packet for packet in packets if packet.startswith("Z3")]

    assert start_kernel & ~_PAGE == clear_bss & ~_PAGE  # otherwise there is nothing to avoid
    assert (HIT, start_kernel) == (halt.kind, halt.rip)
    assert 1 == len(watched)
    assert set() == breakpoints_while_running(packets, watched[0])
    assert packets.count(watched[0]) == packets.count(watched[0].replace("Z", "z"))
    assert packets.index(f"Z1,{start_kernel:x},1", packets.index(watched[0])) > 0


def test_a_breakpoint_in_another_page_needs_no_stop(
    vmlinux_612: Path, machine: StubMachine, packets: list[str], tmp_path: Path
) -> None:
    runner = runner_of(machine, vmlinux_612, tmp_path)
    start_kernel = machine.target.symbol("start_kernel")
    halt = runner.run_to([start_kernel], 60)

    assert start_kernel & ~_PAGE != machine.target.symbol(CLEARS_BSS) & ~_PAGE
    assert (HIT, start_kernel) == (halt.kind, halt.rip)
    assert 1 == sum(packet == "vCont;c" for packet in packets)


def test_the_return_itself_may_be_the_goal(machine: StubMachine, tmp_path: Path) -> None:
    runner = tiny_runner(machine, tmp_path, tiny.returning(symbol=CLEARS_BSS))
    halt = runner.run_to([tiny.RETURNS_TO], 30)

    assert (HIT, tiny.RETURNS_TO) == (halt.kind, halt.rip)


def test_a_guest_that_dies_before_the_return_has_died(machine: StubMachine, tmp_path: Path) -> None:
    runner = tiny_runner(machine, tmp_path, tiny.dying(name=CLEARS_BSS))
    halt = runner.run_to([_IN_PAGE], 30)

    assert (DIED, TRIPLE_FAULT) == (halt.kind, halt.how)


def test_a_guest_that_never_returns_times_out(machine: StubMachine, packets: list[str], tmp_path: Path) -> None:
    runner = tiny_runner(machine, tmp_path, tiny.waiting(name=CLEARS_BSS))
    halt = runner.run_to([_IN_PAGE], 0.5)

    assert TIMEOUT == halt.kind
    assert halt.rip in tiny.WAITING
    assert any(packet.startswith("z3") for packet in packets)


def test_it_can_be_interrupted_before_the_return(machine: StubMachine, packets: list[str], tmp_path: Path) -> None:
    runner = tiny_runner(machine, tmp_path, tiny.waiting(name=CLEARS_BSS))
    halts: list[Halt] = []
    running = threading.Thread(target=lambda: halts.append(runner.run_to([_IN_PAGE], 60)))
    running.start()
    while not (any(packet.startswith("Z3") for packet in packets) and packets[-1] == "vCont;c") and running.is_alive():
        time.sleep(0.01)
    machine.runner.interrupt()
    running.join()

    assert [INTERRUPTED] == [halt.kind for halt in halts]
