"""What a stop records of the machine besides its decoded memory."""

from __future__ import annotations

import pytest

from pvhdbg.boot.run import stop_recorder
from pvhdbg.boot.run.stop_recorder import AFTER, BEFORE, StopRecorder
from pvhdbg.boot.stop.capture import EMPTY_CAPTURE, MAX_SERIAL, Capture, CodeRow
from pvhdbg.errors import MemoryUnreadable
from pvhdbg.target.recording import Recording

RIP = 0x1000
OFF: dict[str, int | None] = {"cr0": 0x11, "cr3": 0, "cr4": 0, "efer": 0, "cs.base": 0}


def completed(memory: dict[int, bytes], serial: bytes | None = b"", stage: str = "entry") -> Capture:
    """Complete a capture at RIP before paging."""
    capture = EMPTY_CAPTURE._replace(stage=stage, rip=RIP, registers={**OFF, "rip": RIP})
    recorder = StopRecorder(None if serial is None else lambda: serial)
    return recorder.complete(capture, Recording(tuple(memory.items()), capture.registers, {}), None)


def test_the_code_before_rip_and_from_rip_on_is_recorded() -> None:
    memory = {RIP - BEFORE: b"\x90" * BEFORE + b"\xfc" * AFTER}

    assert (CodeRow(RIP - BEFORE, b"\x90" * BEFORE), CodeRow(RIP, b"\xfc" * AFTER)) == completed(memory).code


def test_without_the_page_before_rip_only_the_code_from_rip_on_is_recorded() -> None:
    assert (CodeRow(RIP, b"\xfc" * AFTER),) == completed({RIP: b"\xfc" * AFTER}).code
    assert () == completed({}).code


def test_the_last_serial_output_is_recorded_and_a_cut_is_said() -> None:
    long = completed({}, b"x" * MAX_SERIAL + b"end")

    assert (b"x" * MAX_SERIAL + b"end")[-MAX_SERIAL:] == long.serial
    assert "truncated: only the last 65536 bytes of 65539" == long.missing["serial"]
    assert b"hello" == completed({}, b"hello").serial


def test_a_machine_whose_console_pvhdbg_does_not_read_has_no_serial_output() -> None:
    capture = completed({}, None)

    assert capture.serial is None
    assert stop_recorder.NO_SERIAL == capture.missing["serial"]


@pytest.mark.parametrize(
    ("stage", "reason"), [("bootparams", stop_recorder.NO_LOG_YET), ("kernel", "has no symbol prb")]
)
def test_why_there_is_no_log(stage: str, reason: str) -> None:
    capture = completed({}, b"", stage)

    assert capture.log is None
    assert reason in capture.missing["log"]


def test_a_machine_that_is_gone_has_no_log() -> None:
    class Gone(Recording):
        def symbol(self, name: str) -> int:
            raise MemoryUnreadable(0, 8, name)

    capture = EMPTY_CAPTURE._replace(stage="died", registers=OFF)

    assert "prb" in StopRecorder(None).complete(capture, Gone((), OFF, {}), None).missing["log"]
