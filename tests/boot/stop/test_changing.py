"""Guest memory that changes while it is read, as a hostile stub or a device can make it."""

from __future__ import annotations

import random

import pytest

from pvhdbg.boot.stop import stages
from pvhdbg.boot.stop.read import read_capture
from pvhdbg.target.recording import Recorder, Recording
from tests import build

SEEDS = range(30)


class Changing(Recording):
    """A recording in which some bytes are different at each read."""

    def __init__(self, guest: build.Guest, seed: int) -> None:
        super().__init__(guest.memory.ranges(), guest.registers, guest.symbols)
        self._choice = random.Random(seed)
        self._rate = self._choice.choice((0.001, 0.01, 0.1))

    def read_phys(self, paddr: int, size: int) -> bytes:
        data = super().read_phys(paddr, size)
        return bytes(self._choice.randrange(256) if self._choice.random() < self._rate else byte for byte in data)


@pytest.mark.parametrize("stage", stages.NAMES)
def test_a_capture_of_changing_memory_is_what_its_recording_shows(stage: str) -> None:
    guest = build.linux_guest()
    for seed in SEEDS:
        capture = read_capture(Changing(guest, seed), stage, guest.image, build.START_INFO)
        recorded = Recording(capture.memory, capture.registers, capture.symbols)
        again = read_capture(recorded, stage, guest.image, build.START_INFO)

        assert capture._replace(memory=()) == again._replace(memory=()), f"seed {seed}"


class Counting:
    """Memory in which each read gives other bytes: the number of the read."""

    def __init__(self) -> None:
        self.reads: list[tuple[int, int]] = []

    def read_phys(self, paddr: int, size: int) -> bytes:
        self.reads.append((paddr, size))
        return bytes([len(self.reads)]) * size

    def register(self, _name: str) -> int:
        return 0

    def symbol(self, _name: str) -> int:
        return 0


def test_a_byte_that_was_read_stays_as_it_was() -> None:
    recorder = Recorder(Counting())

    assert b"\x01" * 8 == recorder.read_phys(0x100, 8)
    assert b"\x02\x02\x01\x01" == recorder.read_phys(0xFE, 4)
    assert b"\x01\x01\x03\x03" == recorder.read_phys(0x106, 4)
    assert b"\x04\x02" == recorder.read_phys(0xFD, 2)
    assert ((0xFD, b"\x04\x02\x02" + b"\x01" * 8 + b"\x03\x03"),) == recorder.memory()


def test_what_was_read_completely_is_not_read_again() -> None:
    machine = Counting()
    recorder = Recorder(machine)
    for paddr, size in ((0x100, 16), (0x104, 4), (0x100, 16), (0x10F, 1), (0x110, 1), (0x100, 0)):
        recorder.read_phys(paddr, size)

    assert [(0x100, 16), (0x110, 1), (0x100, 0)] == machine.reads


def test_one_read_joins_several_earlier_ones() -> None:
    recorder = Recorder(Counting())
    for paddr in (0x10, 0x30, 0x20):
        recorder.read_phys(paddr, 2)

    assert bytes([1, 1, *[4] * 14, 3, 3, *[4] * 14, 2, 2]) == recorder.read_phys(0x10, 0x22)
