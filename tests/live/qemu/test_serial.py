import os
import threading
from collections.abc import Iterator
from io import FileIO

import pytest

from pvhdbg.live.debuggee.own_machine import OwnMachine
from pvhdbg.live.qemu.serial import Serial
from pvhdbg.target import monitor

MIB = 1 << 20


def pipe() -> tuple[FileIO, FileIO]:
    """Return the end of a pipe that stands for the guest, and ours."""
    ours, theirs = os.pipe()
    return FileIO(theirs, "wb"), FileIO(ours, "rb")


@pytest.fixture
def pair() -> Iterator[tuple[FileIO, Serial]]:
    """The pipe's end that stands for the guest, and the Serial that reads from it."""
    guest, ours = pipe()
    serial = Serial(ours)
    yield guest, serial
    guest.close()
    serial.close()


def test_serial_output_can_be_read_after_qemu_has_ended(teaching: OwnMachine) -> None:
    teaching.runner.run_to([0x10], 60)  # it ends when the guest has halted
    assert teaching.qemu is not None
    teaching.close()

    assert teaching.qemu.serial.text().endswith(b"halting\r\n")


def test_nothing_is_lost_while_pvhdbg_does_not_get_to_read(teaching: OwnMachine) -> None:
    assert teaching.qemu is not None
    serial = teaching.qemu.serial
    with serial._lock:
        assert teaching.runner.run_to([0x10], 60).message == monitor.HALTED

    assert len(serial.complete()) > 500
    assert serial.text().endswith(b"halting\r\n")


def test_since_returns_only_output_after_the_position(pair: tuple[FileIO, Serial]) -> None:
    guest, serial = pair
    more = threading.Event()
    serial.on_data = more.set
    guest.write(b"first")
    assert more.wait(10)
    more.clear()
    first, position = serial.since(0)
    guest.write(b"second")
    assert more.wait(10)

    assert (b"first", b"second") == (first, serial.since(position)[0])
    assert (b"", 11) == serial.since(11)


def test_a_guest_that_writes_without_end_never_blocks_and_the_last_4_mib_are_kept(
    pair: tuple[FileIO, Serial],
) -> None:
    guest, serial = pair
    for number in range(40):
        guest.write(bytes([number]) * MIB)
    guest.close()
    serial.close()
    text = serial.text()

    assert 4 * MIB <= len(text) <= 8 * MIB
    assert bytes([39]) * MIB == text[-MIB:]
    assert (text[-10:], 40 * MIB) == serial.since(40 * MIB - 10)


def test_on_end_is_called_when_qemu_closes_the_console(pair: tuple[FileIO, Serial]) -> None:
    guest, serial = pair
    ended = threading.Event()
    serial.on_end = ended.set
    guest.close()

    assert ended.wait(10)


def test_complete_returns_everything_that_was_written_before_the_call(pair: tuple[FileIO, Serial]) -> None:
    guest, serial = pair
    written = b""
    lengths = []
    for number in range(200):
        written += b"%d\n" % number
        guest.write(b"%d\n" % number)
        lengths.append((len(written), len(serial.complete())))

    assert [expected for expected, _ in lengths] == [actual for _, actual in lengths]
    guest.close()

    assert written == serial.complete()


def test_a_pipe_that_was_closed_ends_the_output(monkeypatch: pytest.MonkeyPatch) -> None:
    """A signal can close the machine while the thread is between two reads."""
    lost: list[object] = []
    monkeypatch.setattr("threading.excepthook", lost.append)
    guest, ours = pipe()
    guest.close()
    ours.close()

    serial = Serial(ours)
    serial.close()

    assert (b"", []) == (serial.text(), lost)
