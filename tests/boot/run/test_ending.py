"""How pvhdbg describes a guest that it stopped, because the guest had panicked or halted."""

from __future__ import annotations

from pvhdbg.boot.record.document import DEAD, HALTED, PANICKED, RUNAWAY, TIMED_OUT, Death, Outcome, Watched
from pvhdbg.boot.run import ending
from pvhdbg.target import monitor
from tests.boot.run.test_watch import LINK, PANIC_LINE, STACK, SYMBOLS, Scripted

CALL = LINK + 0x1230


def stopped(machine: Scripted, ended: str) -> Watched:
    machine.guest.registers["rip"] = LINK + 0x777
    outcome = ending.end_outcome(
        machine.journey(), ended, 0.6, lambda address: f"f+{address & 0xFFF:#x}", lambda: machine.serial
    )
    assert outcome.watched is not None
    return outcome.watched


def test_a_panic_is_described_by_its_text_and_by_the_call_that_is_on_the_stack() -> None:
    machine = Scripted()
    goes_to = (SYMBOLS["panic"] - CALL - 5).to_bytes(4, "little", signed=True)
    machine.guest.put(CALL & 0x7FFFFFFF, b"\xe8" + goes_to)
    machine.guest.put((STACK & 0x7FFFFFFF) + 0x80, (CALL + 5).to_bytes(8, "little"))
    machine.serial = b"one\n" + PANIC_LINE
    watched = stopped(machine, PANICKED)

    assert (PANICKED, 600, CALL + 5, "f+0x235") == watched[:4]
    assert "Out of cheese" == watched.message
    assert "one" == watched.serial[0]


def test_a_panic_whose_call_is_not_on_the_stack_has_no_place() -> None:
    machine = Scripted()
    machine.serial = PANIC_LINE
    watched = stopped(machine, PANICKED)

    assert (None, None, "Out of cheese") == (watched.rip, watched.symbol, watched.message)


def test_a_halt_is_where_the_guest_is() -> None:
    watched = stopped(Scripted(symbols={}), HALTED)

    assert (HALTED, 600, LINK + 0x777, "f+0x777", "") == watched[:5]


def test_panic_cpu_is_read_only_if_the_kernel_has_it_and_no_cpu_has_panicked_yet() -> None:
    machine = Scripted(symbols={**SYMBOLS, ending.PANIC_CPU: LINK + 0x40})
    machine.guest.put((LINK + 0x40) & 0x7FFFFFFF, ending.NO_CPU)

    assert (LINK + 0x40) & 0x7FFFFFFF == ending.panic_cpu(machine.journey())
    assert ending.panic_cpu(Scripted().journey()) is None

    machine.guest.put((LINK + 0x40) & 0x7FFFFFFF, bytes(4))

    assert ending.panic_cpu(machine.journey()) is None


def early(machine: Scripted, *printed: int) -> list[str]:
    """Return what is said at each look at a guest on its way to a stage. `printed` is the size of the output before."""
    serial = machine.serial
    return [ending.early_end_message(machine.journey(), lambda: serial, size)[0] for size in printed]


def test_on_the_way_to_a_stage_a_panic_has_ended_the_guest_when_nothing_more_is_printed() -> None:
    machine = Scripted(rip=LINK + 0x10)
    machine.guest.put(LINK & 0x7FFFFFFF, b"\x90" * 64)

    assert [""] == early(machine, 0)

    machine.serial = b"one\n" + PANIC_LINE

    assert ["", "the kernel panicked"] == early(machine, 3, len(machine.serial))


def test_on_the_way_to_a_stage_a_guest_that_halts_or_executes_zero_bytes_has_ended() -> None:
    halts = Scripted()
    halts.guest.registers[monitor.RUNNING] = 0
    wild = Scripted(rip=LINK + 0x2000)
    waits = Scripted(rip=LINK + 0x2000)
    for machine in (halts, wild, waits):
        machine.guest.put((LINK + 0x1FFF) & 0x7FFFFFFF, bytes(32))
    waits.guest.put((LINK + 0x1FFF) & 0x7FFFFFFF, ending.HLT)

    assert ["the guest halted"] == early(halts, 0)
    assert ["the guest executes zero bytes"] == early(wild, 0)
    assert [""] == early(waits, 0)


def test_a_timeout_has_how_the_guest_ended_only_if_it_has_ended() -> None:
    outcome = Outcome("kernel", TIMED_OUT, waited_for="e820", rip=LINK + 0x2000)
    wild = Scripted(rip=LINK + 0x2000)
    wild.guest.put((LINK + 0x1FFF) & 0x7FFFFFFF, bytes(32))
    found = ending.early_outcome(wild.journey(), outcome, lambda _: None, lambda: b"")
    alive = Scripted(rip=LINK + 0x10)
    alive.guest.put(LINK & 0x7FFFFFFF, b"\x90" * 64)

    assert RUNAWAY == found.early_end
    assert outcome == ending.early_outcome(alive.journey(), outcome, lambda _: None, lambda: b"")


def test_a_reset_after_a_panic_is_told_apart_from_a_triple_fault() -> None:
    machine = Scripted()
    died = Outcome("kernel", DEAD, Death("triple-fault", LINK, None, "triple fault"))
    panicked = ending.early_outcome(machine.journey(), died, lambda _: None, lambda: PANIC_LINE)

    assert died == ending.early_outcome(machine.journey(), died, lambda _: None, lambda: b"panic: no\n")
    assert panicked.died is not None
    assert panicked.watched is not None
    assert "the machine was reset after the kernel panicked: Out of cheese" == panicked.died.message
    assert f"{panicked.died.message}, the guest was at 0x1" == panicked.died.describe(" at 0x1")
    assert (PANICKED, "Out of cheese") == (panicked.watched.ended, panicked.watched.message)
