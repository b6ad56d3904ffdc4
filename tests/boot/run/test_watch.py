"""How a guest that runs on after the last stage is judged, with a runner whose halts are given."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from pvhdbg.boot.run import ending, watch
from pvhdbg.boot.run.journey import Journey
from pvhdbg.errors import RegisterUnavailable, TargetError
from pvhdbg.target import monitor
from pvhdbg.target.base import (
    DIED,
    ELSEWHERE,
    HIT,
    INTERRUPTED,
    QEMU_EXIT,
    RESET,
    RESET_VECTOR,
    TIMEOUT,
    TRIPLE_FAULT,
    Halt,
)
from pvhdbg.target.recording import Recording
from tests import build

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from pvhdbg.boot.record.document import Outcome

LINK = 0xFFFFFFFF81000000
SYMBOLS = {"start_kernel": LINK + 0x100, "panic": LINK + 0x200, "console_init": LINK + 0x300}
CALLER, FORMAT, STACK = LINK + 0x1234, LINK + 0x5000, LINK + 0x8000
PANIC_LINE = b"[    0.000000] Kernel panic - not syncing: Out of cheese\r\n"


Run = tuple[Halt, bytes]


class Scripted:
    """A machine in long mode, whose runs end as given, and with what the guest then writes to its console."""

    def __init__(self, *runs: Run, symbols: dict[str, int] | None = None, **registers: int) -> None:
        self.guest = build.linux_guest()
        build.page_tables(self.guest)
        self.guest.put(STACK & 0x7FFFFFFF, CALLER.to_bytes(8, "little"))
        self.guest.put(FORMAT & 0x7FFFFFFF, b"Out of %s\n\0")
        self.guest.registers.update(rsp=STACK, rdi=FORMAT, **registers)
        self.guest.symbols = SYMBOLS if symbols is None else symbols
        self.runs = list(runs)
        self.ran_to: list[list[int]] = []
        self.serial = b""

    def read_phys(self, paddr: int, size: int) -> bytes:
        return Recording(self.guest.memory.ranges(), {}, {}).read_phys(paddr, size)

    def register(self, name: str) -> int:
        value = self.guest.registers.get(name)
        if value is None:
            raise RegisterUnavailable(name, "unknown")
        return value

    def symbol(self, name: str) -> int:
        return Recording((), {}, self.guest.symbols).symbol(name)

    def run_to(self, addresses: Collection[int], timeout: float) -> Halt:  # noqa: ARG002  the protocol's signature
        if not self.runs:
            raise KeyboardInterrupt
        self.ran_to.append(sorted(addresses))
        halt, written = self.runs.pop(0)
        self.guest.registers["rip"] = halt.rip
        self.serial += written
        return halt

    def journey(self) -> Journey:
        return Journey(self, self, self.guest.image, trust_image=True)

    def watch(self, seconds: float = 1000.0, *, to_console: bool = True) -> Outcome:
        return watch.watch(
            self.journey(), seconds, lambda rip: f"f+{rip & 0xFFF:#x}", lambda: self.serial, to_console=to_console
        )


def at(kind: str, rip: int | None, message: str = "", written: bytes = b"", how: str | None = None) -> Run:
    return Halt(kind, rip, how, message), written


RUNNING = at(TIMEOUT, LINK + 0x10)


def ended(outcome: Outcome) -> str:
    assert outcome.watched is not None
    return outcome.watched.ended


def test_watching_ends_when_console_init_returns() -> None:
    machine = Scripted(RUNNING, at(HIT, SYMBOLS["console_init"]), at(HIT, CALLER))

    assert "console" == ended(machine.watch())
    assert [SYMBOLS["panic"], SYMBOLS["console_init"]] == machine.ran_to[1]
    assert [SYMBOLS["panic"], CALLER] == machine.ran_to[2]


def test_a_watch_that_goes_on_after_the_console_waits_only_for_a_panic() -> None:
    machine = Scripted(RUNNING)

    assert "time" == ended(machine.watch(0.0, to_console=False))
    assert [[SYMBOLS["panic"]]] == machine.ran_to


def test_without_symbols_the_console_shows_that_the_console_works() -> None:
    boot_console = at(TIMEOUT, LINK, written=b"[ 0.0] printk: bootconsole [earlyser0] enabled\r\n")
    console = at(TIMEOUT, LINK, written=b"[ 0.0] printk: legacy console [ttyS0] enabled\r\n")
    machine = Scripted(boot_console, console, symbols={})

    assert "console" == ended(machine.watch())
    assert [[], []] == machine.ran_to


def test_a_panic_is_read_after_it_was_printed_and_names_its_caller() -> None:
    machine = Scripted(at(HIT, SYMBOLS["panic"]), at(TIMEOUT, LINK, written=PANIC_LINE), RUNNING, RUNNING)
    watched = machine.watch().watched

    assert watched is not None
    assert ("panicked", CALLER, "f+0x234", "Out of cheese") == watched[:1] + watched[2:5]
    assert (PANIC_LINE.decode().strip(),) == watched.serial


def test_a_guest_prints_its_panic_as_long_as_its_console_is_not_quiet() -> None:
    parts = [
        at(TIMEOUT, LINK, written=bytes(PANIC_LINE[start : start + 20])) for start in range(0, len(PANIC_LINE), 20)
    ]
    watched = Scripted(at(HIT, SYMBOLS["panic"]), *parts, RUNNING).watch().watched

    assert watched is not None
    assert ("Out of cheese", (PANIC_LINE.decode().strip(),)) == (watched.message, watched.serial)


def test_a_call_of_panic_that_is_the_end_of_a_function_belongs_to_this_function() -> None:
    def fresh() -> Scripted:
        return Scripted(at(HIT, SYMBOLS["panic"]), RUNNING, RUNNING, RUNNING)

    names = {CALLER - 1: "setup_arch+0x9f", CALLER: "next_function"}
    odd = {CALLER - 1: "a+b", CALLER: "next_function"}
    ends = [watch.watch(fresh().journey(), 1000.0, it.get, lambda: b"", to_console=True) for it in (names, odd, {})]

    assert [(CALLER, "setup_arch+0xa0"), (CALLER, "a+b+0x1"), (CALLER, None)] == [
        end.watched[2:4] for end in ends if end.watched
    ]


def test_a_panic_without_console_output_has_the_text_of_its_format_string() -> None:
    watched = Scripted(at(HIT, SYMBOLS["panic"]), RUNNING, RUNNING, RUNNING).watch().watched

    assert watched is not None
    assert ("panicked", "Out of %s", (), None) == (watched.ended, *watched[4:])


def test_a_format_that_ends_with_its_page_is_read_to_there() -> None:
    machine = Scripted(at(HIT, SYMBOLS["panic"]), RUNNING, RUNNING, RUNNING)
    machine.guest.registers["rdi"] = FORMAT + 0x1000 - 6
    machine.guest.put(FORMAT + 0x1000 - 6 & 0x7FFFFFFF, b"Out of cheese")
    watched = machine.watch().watched

    assert watched is not None
    assert watched.message == "Out of"


def test_a_32_bit_kernel_passes_the_format_of_its_panic_on_the_stack() -> None:
    symbols = {"start_kernel": 0x1000100, "panic": 0x1000200}
    machine = Scripted(at(HIT, 0x1000200), RUNNING, RUNNING, RUNNING, symbols=symbols)
    machine.guest.image = build.linux()._replace(elf_class=32)
    machine.guest.registers.update(rsp=0x8000, cr0=0x11, cr4=0, efer=0)
    for address, word in ((0x8000, 0x1001234), (0x8004, 0x9000), (0x8008, 0xDEADBEEF)):
        machine.guest.put(address, word.to_bytes(4, "little"))
    machine.guest.put(0x9000, b"Out of %s\n\0")
    watched = machine.watch().watched

    assert watched is not None
    assert (0x1001234, "Out of %s") == (watched.rip, watched.message)


def test_a_machine_that_is_reset_by_its_panic_has_panicked() -> None:
    machine = Scripted(at(DIED, LINK, "triple fault", PANIC_LINE, TRIPLE_FAULT), symbols={})
    outcome = machine.watch()

    assert ("done", None, "panicked") == (outcome.ended, outcome.died, ended(outcome))


def test_a_panic_is_found_after_text_without_a_newline() -> None:
    machine = Scripted(at(TIMEOUT, LINK, written=b"Out of" + PANIC_LINE + b"[ 1.0] ---[ end " + PANIC_LINE), symbols={})
    watched = machine.watch().watched

    assert watched is not None
    assert ("panicked", None, "Out of cheese") == (watched.ended, watched.rip, watched.message)


def test_a_death_after_the_last_stage_is_a_death_of_the_run() -> None:
    outcome = Scripted(RUNNING, at(DIED, LINK + 0x20, "triple fault", how=TRIPLE_FAULT)).watch()

    assert ("died", "died") == (outcome.ended, ended(outcome))
    assert outcome.died is not None
    assert (TRIPLE_FAULT, LINK + 0x20, "f+0x20") == outcome.died[:3]


@pytest.mark.parametrize(
    ("registers", "expected"),
    [({monitor.RUNNING: 0}, "halted"), ({monitor.RUNNING: 1}, "time"), ({}, "time")],
    ids=["halted", "running", "no monitor"],
)
def test_a_guest_without_a_running_cpu_has_halted(registers: dict[str, int], expected: str) -> None:
    machine = Scripted(RUNNING)
    machine.guest.registers.update(registers)

    assert expected == ended(machine.watch(0.0))


def test_a_guest_that_powered_the_machine_off_has_halted() -> None:
    outcome = Scripted(at(DIED, LINK, monitor.POWERED_OFF, how=TRIPLE_FAULT)).watch()

    assert ("done", None, "halted") == (outcome.ended, outcome.died, ended(outcome))
    assert outcome.watched is not None
    assert monitor.POWERED_OFF == outcome.watched.message


@pytest.mark.parametrize(
    ("before", "code", "expected"),
    [(0x90, bytes(16), "runaway"), (0xF4, bytes(16), "time"), (0, b"\xeb\xfe".ljust(16, b"\0"), "time")],
    ids=["zero bytes", "after hlt", "code"],
)
def test_a_guest_that_executes_zero_bytes_has_left_its_code(before: int, code: bytes, expected: str) -> None:
    machine = Scripted(at(TIMEOUT, CALLER), symbols={"start_kernel": LINK})
    machine.guest.put((CALLER & 0x7FFFFFFF) - 1, bytes([before]) + code)

    assert expected == ended(machine.watch(0.0, to_console=False))


def test_a_reset_ends_the_watch() -> None:
    assert "reset" == ended(Scripted(at(RESET, RESET_VECTOR)).watch())


def test_an_interrupt_ends_the_run() -> None:
    outcomes = [Scripted(at(INTERRUPTED, LINK)).watch(), Scripted().watch()]

    assert [("interrupted", None)] * 2 == [(outcome.ended, outcome.watched) for outcome in outcomes]


@pytest.mark.parametrize("run", [at(ELSEWHERE, LINK, "breakpoint 3"), at(TIMEOUT, None, "can't be stopped")])
def test_a_stop_for_another_reason_is_an_error(run: Run) -> None:
    with pytest.raises(TargetError, match=f"while pvhdbg watched it: {run[0].message}"):
        Scripted(run).watch()


def test_only_the_last_lines_are_kept_and_each_is_bounded() -> None:
    lines: Sequence[Any] = ending.last_lines(["first", "", *("x" * 5000 for _ in range(30))])

    assert (ending.MAX_LINES, {ending.MAX_LINE}) == (len(lines), set(map(len, lines)))
    assert ("a", "b") == ending.last_lines(["a", " ", "b", ""])


def test_when_qemu_has_exited_nothing_more_is_read() -> None:
    outcome = Scripted(at(DIED, None, "QEMU exited", how=QEMU_EXIT)).watch()

    assert ("died", "died", None) == (outcome.ended, ended(outcome), outcome.watched and outcome.watched.log)
