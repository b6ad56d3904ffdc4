"""How MiRunner runs and judges a machine, with a gdb whose answers the tests choose."""

from __future__ import annotations

import re
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

import pytest

from pvhdbg.errors import NotConnected, RegisterUnavailable
from pvhdbg.target.base import DIED, ELSEWHERE, HIT, INTERRUPTED, QEMU_EXIT, RESET, TIMEOUT, Halt
from pvhdbg.target.mi.client import MiError, Stop
from pvhdbg.target.mi.mi_runner import MiRunner

if TYPE_CHECKING:
    from collections.abc import Iterator

PLACE = 0x1000850
ALIVE = Stop("signal-received", "SIGTRAP", None)
SHUT_DOWN = Stop("signal-received", "SIGQUIT", None)
CRASHED = Stop("signal-received", "SIGABRT", None)


class Answer(NamedTuple):
    line: str
    text: str = ""


class Gdb:
    """A client of gdb, and the Target behind it. `users` is how many breakpoints the user has set."""

    generation = 0

    def __init__(self, rip: int = 0, users: int = 0, *, stops: bool = True) -> None:
        self.rip, self.users, self.stops = rip, users, stops
        self.connected, self.running = True, False
        self.last_stop: Stop | None = None
        self.next_stop: Stop | None = ALIVE
        self.fails_at = ""
        self.sent: list[str] = []
        self.set_at: list[str] = []

    def send(self, command: str) -> str:
        self.sent.append(command)
        if command.startswith("-exec-continue"):
            self.running = True
        return command

    def wait(self, pending: str) -> Answer:
        if self.fails_at and self.fails_at in pending:
            raise MiError("Cannot insert hardware breakpoint")
        if pending.startswith("-break-insert"):
            self.set_at.append(pending.rpartition("*")[2])
            return Answer(f'1^done,bkpt={{number="{len(self.set_at)}",type="hw breakpoint"}}')
        return Answer("1^done" + ',bkpt={number="9"}' * self.users)

    def wait_stop(self, _timeout: float | None) -> bool:
        if self.running and self.stops:
            self.running, self.last_stop = False, self.next_stop
        return not self.running

    def interrupt(self) -> None:
        self.sent.append("interrupt")

    def check(self) -> None:
        pass

    @contextmanager
    def suppress_output(self) -> Iterator[None]:
        yield

    def register(self, name: str) -> int:
        if name != "rip":
            raise RegisterUnavailable(name, "not asked for")
        return self.rip

    def read_phys(self, paddr: int, size: int) -> bytes:
        raise NotImplementedError

    def symbol(self, name: str) -> int:
        raise NotImplementedError


class Qemu:
    """A QEMU with this run state. `end` is how it ended."""

    def __init__(self, status: str | None = None, end: Halt | None = None, error: str = "") -> None:
        self.run_state, self.end, self.error = status, end, error
        self.timeouts: list[float] = []

    def status(self) -> str | None:
        return self.run_state

    def stop(self) -> bool:
        return False

    def shutdown_reason(self) -> str | None:
        return None

    def find_error_line(self, _words: str) -> str:
        return self.error

    def death(self, timeout: float = 0.0) -> Halt | None:
        self.timeouts.append(timeout)
        return self.end

    def xen_report(self) -> None:
        pass


def stopped(last_stop: Stop | None, *, running: bool = False) -> Gdb:
    gdb = Gdb(PLACE)
    gdb.last_stop, gdb.running = last_stop, running
    return gdb


@pytest.mark.parametrize(
    ("last_stop", "running"), [(None, False), (None, True), (SHUT_DOWN, True), (ALIVE, False), (ALIVE, True)]
)
def test_a_machine_is_alive_before_its_first_stop_while_it_runs_and_after_an_ordinary_stop(
    last_stop: Stop | None, running: bool
) -> None:
    gdb = stopped(last_stop, running=running)

    assert None is MiRunner(gdb, gdb, None).death()


@pytest.mark.parametrize(
    ("last_stop", "how", "message"),
    [
        (SHUT_DOWN, "triple-fault", "triple fault (or the guest itself asked for a reset or shutdown)"),
        (CRASHED, "kvm-internal-error", "KVM internal error"),
    ],
)
def test_without_qmp_the_signal_of_the_stop_shows_how_the_guest_died(last_stop: Stop, how: str, message: str) -> None:
    gdb = stopped(last_stop)

    assert Halt(DIED, PLACE, how, message) == MiRunner(gdb, gdb, None).death()


@pytest.mark.parametrize(
    ("status", "how"),
    [("running", None), ("paused", None), ("shutdown", "triple-fault"), ("internal-error", "kvm-internal-error")],
)
def test_with_qmp_the_run_state_shows_whether_and_how_the_guest_died(status: str, how: str | None) -> None:
    gdb = stopped(SHUT_DOWN)
    death = MiRunner(gdb, gdb, Qemu(status)).death()

    assert how == (death and death.how)


def test_the_death_has_qemus_own_message_if_there_is_one() -> None:
    gdb = stopped(CRASHED)
    error = "KVM internal error. Suberror: 1"

    assert Halt(DIED, PLACE, "kvm-internal-error", error) == MiRunner(gdb, gdb, Qemu(None, error=error)).death()


def test_a_death_is_remembered() -> None:
    gdb = stopped(SHUT_DOWN)
    runner = MiRunner(gdb, gdb, None)
    death = runner.death()
    gdb.last_stop, gdb.rip = ALIVE, 0

    assert death is not None
    assert death is runner.death()
    assert death is runner.run_to([PLACE], 1)
    assert [] == gdb.sent


@pytest.mark.parametrize(("connected", "timeout"), [(True, 0.0), (False, 2.0)])
def test_qemus_exit_is_waited_for_only_if_gdb_has_lost_the_machine(connected: bool, timeout: float) -> None:
    gdb, exited = stopped(None), Halt(DIED, None, QEMU_EXIT, "exit status 1")
    gdb.connected = connected
    qemu = Qemu(end=exited)

    assert exited == MiRunner(gdb, gdb, qemu).death()
    assert [timeout] == qemu.timeouts


@pytest.mark.parametrize("qemu", [None, Qemu()])
def test_a_machine_that_gdb_has_lost_is_neither_alive_nor_dead(qemu: Qemu | None) -> None:
    gdb = stopped(SHUT_DOWN)
    gdb.connected = False

    with pytest.raises(NotConnected, match=r"^gdb is not connected to a machine$"):
        MiRunner(gdb, gdb, qemu).death()


def run(gdb: Gdb, *addresses: int, qemu: Qemu | None = None) -> Halt:
    return MiRunner(gdb, gdb, qemu).run_to(addresses or (PLACE,), 1)


def test_a_run_sets_a_breakpoint_at_each_address_and_deletes_exactly_those() -> None:
    gdb = Gdb(PLACE)

    assert Halt(HIT, PLACE) == run(gdb, 0x10, PLACE)
    assert ["0x10", hex(PLACE)] == gdb.set_at
    assert "-break-delete 1 2" == gdb.sent[-1]


@pytest.mark.parametrize(
    ("stop", "rip", "halt"),
    [
        (ALIVE, 0x10, Halt(ELSEWHERE, 0x10, message="SIGTRAP")),
        (Stop("breakpoint-hit", "", "7"), 0x10, Halt(ELSEWHERE, 0x10, message="breakpoint 7")),
        (Stop("watchpoint-trigger", "", None, watch="w 4, x"), 0x10, Halt(ELSEWHERE, 0x10, message="w 4, x")),
        (Stop("end-stepping-range", "", None), 0x10, Halt(ELSEWHERE, 0x10, message="end stepping range")),
        (None, 0x10, Halt(ELSEWHERE, 0x10)),
        (ALIVE, 0xFFF0, Halt(RESET, 0xFFF0)),
        (SHUT_DOWN, 0x10, Halt(DIED, 0x10, "triple-fault", "triple fault (or the guest itself asked for a reset or "
         "shutdown)")),
    ],
)  # fmt: skip
def test_a_stop_elsewhere_says_why(stop: Stop | None, rip: int, halt: Halt) -> None:
    gdb = Gdb(rip)
    gdb.next_stop = stop

    assert halt == run(gdb)


class Slow(Gdb):
    """A machine that stops only if it is interrupted."""

    def __init__(self) -> None:
        super().__init__(0x20, stops=False)

    def interrupt(self) -> None:
        super().interrupt()
        self.stops = True


def test_a_run_that_times_out_stops_the_machine() -> None:
    gdb = Slow()

    assert Halt(TIMEOUT, 0x20) == run(gdb)
    assert ["interrupt", "-break-delete 1"] == gdb.sent[-2:]


def test_a_machine_that_cannot_be_stopped_is_still_running() -> None:
    halt = run(Gdb(0x20, stops=False))

    assert Halt(TIMEOUT, None, message="the guest is running and can't be stopped") == halt


class Interrupted(Gdb):
    """A machine whose user presses Ctrl-C while it runs."""

    runner: MiRunner

    def wait_stop(self, timeout: float | None) -> bool:
        self.runner.interrupt()
        return super().wait_stop(timeout)


def test_an_interrupted_run_says_so() -> None:
    gdb = Interrupted(0x20)
    gdb.runner = MiRunner(gdb, gdb, None)

    assert Halt(INTERRUPTED, 0x20) == gdb.runner.run_to([PLACE], 1)


def test_a_request_to_stop_does_not_outlive_the_next_run() -> None:
    gdb = Gdb(0x20)
    runner = MiRunner(gdb, gdb, None)
    runner._interrupted = True

    assert ELSEWHERE == runner.run_to([PLACE], 1).kind


def test_if_a_breakpoint_cannot_be_set_the_others_are_deleted_and_the_guest_does_not_run() -> None:
    gdb = Gdb()
    gdb.fails_at = "*0x20"

    with pytest.raises(MiError, match=r"^Cannot insert hardware breakpoint$"):
        run(gdb, 0x10, 0x20, 0x30)
    assert "-break-delete 1" == gdb.sent[-1]
    assert "-exec-continue" not in gdb.sent


@pytest.mark.parametrize(
    ("users", "wanted", "is_set"), [(0, 1, True), (2, 1, True), (3, 1, False), (0, 3, True), (0, 4, False)]
)
def test_a_reset_is_noticed_if_one_of_the_four_hardware_breakpoints_is_free(
    users: int, wanted: int, is_set: bool
) -> None:
    gdb = Gdb(0x20, users)
    MiRunner(gdb, gdb, None, may_reset=True).run_to(range(0x100, 0x100 + wanted), 1)

    assert ([hex(0xFFFFFFF0)] if is_set else []) == gdb.set_at[:-wanted]
    assert wanted + is_set == sum(len(re.findall(r"\d+", it)) for it in gdb.sent if it.startswith("-break-delete"))


@pytest.mark.parametrize(("rip", "may_reset"), [(0xFFF0, True), (0x20, False)])
def test_a_machine_at_its_reset_vector_or_without_resets_needs_no_breakpoint_there(rip: int, may_reset: bool) -> None:
    gdb = Gdb(rip)
    MiRunner(gdb, gdb, None, may_reset=may_reset).run_to([PLACE], 1)

    assert [hex(PLACE)] == gdb.set_at
