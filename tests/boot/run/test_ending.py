"""How pvhdbg describes a guest that it stopped, because the guest had panicked or halted."""

from __future__ import annotations

from pvhdbg.boot.record.document import HALTED, PANICKED, Watched
from pvhdbg.boot.run import ending
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
