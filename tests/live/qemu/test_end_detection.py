"""When pvhdbg detects that a running guest has panicked or halted for good. The tests give QEMU's answers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pvhdbg.boot.record.document import HALTED, PANICKED, RUNAWAY
from pvhdbg.live.qemu.end_detection import EndDetector

if TYPE_CHECKING:
    from collections.abc import Sequence

PANIC = b"[    0.000000] Kernel panic - not syncing: Out of cheese\r\n"
CODES = b"\x90" * 17, bytes(17), b"\xf4" + bytes(16)
AWAKE = "RIP=0000000000000010 RFL=00000002 [-------] CPL=0 II=0 A20=1 SMM=0 HLT=0\n"
HALTS = AWAKE.replace("HLT=0", "HLT=1")
IDLES = HALTS.replace("RFL=00000002", "RFL=00000202")
CODE, ZEROS, AFTER_HLT = ("01000000: " + " ".join(f"0x{byte:02x}" for byte in data) + "\n" for data in CODES)
NO_CPU, ONE_CPU = ("0000000001000000: 0xff 0xff 0xff 0xff\n", "0000000001000000: 0x01 0x00 0x00 0x00\n")


class Machine:
    """A QEMU, its serial console, and its monitor, whose answers are given. The guest stops after `waits` waits."""

    def __init__(
        self, *answers: Sequence[str] | None, waits: int = 100, writes: Sequence[bytes] = (), code: Sequence[str] = ()
    ) -> None:
        self.serial = self
        self.written = b"before\n" + PANIC
        self.asked: list[Sequence[str]] = []
        self._answers = list(answers)
        self.code = list(code)
        self._waits = waits
        self._writes = list(writes)
        self.seconds = 0.0

    @property
    def end(self) -> int:
        return len(self.written)

    def since(self, position: int) -> tuple[bytes, int]:
        return self.written[position:], self.end

    def monitor(self, commands: Sequence[str]) -> Sequence[str] | None:
        self.asked.append(commands)
        answers = self._answers.pop(0) if self._answers else [AWAKE, NO_CPU]
        return None if answers is None else [answers[0], self.code.pop(0) if self.code else CODE, *answers[1:]]

    def wait(self, _seconds: float) -> bool:
        """Wait for the guest to stop; it writes meanwhile."""
        if self._writes:
            self.written += self._writes.pop(0)
        self._waits -= 1
        self.seconds += 1
        return self._waits < 0


def ended(machine: Any, panic_cpu: int | None = None) -> str | None:  # noqa: ANN401  it stands for a Qemu
    return EndDetector(machine, panic_cpu, lambda: float(machine.seconds)).wait_stop(machine.wait)


def test_a_panic_on_the_console_is_noticed_when_its_line_is_complete_and_the_console_is_quiet() -> None:
    machine = Machine(writes=(PANIC[:20], PANIC[20:], b"[    0.000000] Call Trace:\n", b"[    0.000000] main\n", b""))

    assert PANICKED == ended(machine)
    assert machine.written.endswith(b"main\n")


def test_a_panic_that_was_on_the_console_before_and_other_output_are_no_panic() -> None:
    machine = Machine(writes=(b"halting\n", b"---[ end Kernel panic - not syncing: no ]---\n", b"x" * (1 << 17)))

    assert ended(machine) is None


def test_a_guest_that_stops_while_it_prints_its_panic_has_stopped_by_itself() -> None:
    assert ended(Machine(writes=(PANIC, b"more\n", b"more\n"), waits=2)) is None


def test_a_panic_without_a_console_is_detected_in_panic_cpu() -> None:
    machine = Machine([AWAKE, NO_CPU], [AWAKE, ONE_CPU])

    assert PANICKED == ended(machine, 0x1000000)
    assert [["info registers -a", "x /17xb $pc-1", "xp /4xb 0x1000000"]] * 2 == machine.asked


def test_a_guest_has_halted_if_all_cpus_wait_for_an_interrupt_that_they_will_not_take() -> None:
    assert HALTED == ended(Machine([HALTS], [HALTS]))
    assert HALTED == ended(Machine([AWAKE], [HALTS + AWAKE], [HALTS * 2], [HALTS * 2]))


def test_a_guest_that_halts_once_or_idles_or_whose_state_is_unknown_has_not_ended() -> None:
    for machine in (Machine([HALTS], [AWAKE], [HALTS], [IDLES], waits=4), Machine([""], [""], None, None, waits=4)):
        assert ended(machine) is None
        assert 4 == len(machine.asked)


def test_a_guest_that_is_seen_twice_at_zero_bytes_has_left_its_code() -> None:
    assert RUNAWAY == ended(Machine(code=(ZEROS, ZEROS)))
    assert RUNAWAY == ended(Machine(code=(ZEROS, CODE, ZEROS, ZEROS)))


def test_a_guest_that_is_seen_once_at_zero_bytes_or_waits_before_them_has_not_ended() -> None:
    for code in ((ZEROS, CODE, ZEROS), (AFTER_HLT, AFTER_HLT), ("", "00000000: Cannot access memory\n")):
        assert ended(Machine(waits=4, code=code)) is None
