"""A Recording returns only the data that a Recorder has recorded."""

import pytest

from pvhdbg.errors import MemoryUnreadable, RegisterUnavailable, SymbolMissing
from pvhdbg.target.recording import Recorder, Recording, readable_parts

MEMORY = ((0x10, b"abcd"), (0x20, b"efgh"), (0xFFFFFFFFFFFFFFF0, bytes(16)))


def recording() -> Recording:
    return Recording(MEMORY, {"rip": 0x1000, "a20": None}, {"boot_params": 0x2000})


@pytest.mark.parametrize(
    ("paddr", "size", "expected"),
    [(0x10, 4, b"abcd"), (0x11, 2, b"bc"), (0x23, 1, b"h"), (0x20, 4, b"efgh"), (0xFFFFFFFFFFFFFFFF, 1, b"\0")],
)
def test_recorded_memory_is_readable(paddr: int, size: int, expected: bytes) -> None:
    assert expected == recording().read_phys(paddr, size)


@pytest.mark.parametrize(
    ("paddr", "size"), [(0, 1), (0xF, 2), (0x13, 2), (0x14, 1), (0x10, 0x14), (0x24, 1), (1 << 64, 1)]
)
def test_memory_that_was_not_recorded_is_unreadable(paddr: int, size: int) -> None:
    with pytest.raises(MemoryUnreadable, match=f"not captured: {size} bytes at {paddr:#x}"):
        recording().read_phys(paddr, size)


def test_only_recorded_registers_and_symbols_are_available() -> None:
    assert (0x1000, 0x2000) == (recording().register("rip"), recording().symbol("boot_params"))
    for name in ("a20", "cr3"):
        with pytest.raises(RegisterUnavailable):
            recording().register(name)
    with pytest.raises(SymbolMissing, match="no symbol start_kernel"):
        recording().symbol("start_kernel")


def test_overlapping_and_adjacent_reads_are_joined() -> None:
    recorder = Recorder(Recording(((0, bytes(range(64))),), {}, {}))
    for paddr, size in ((32, 4), (0, 4), (2, 4), (6, 2), (33, 1), (10, 1)):
        recorder.read_phys(paddr, size)

    assert ((0, bytes(range(8))), (10, b"\x0a"), (32, bytes(range(32, 36)))) == recorder.memory()


def test_only_refused_registers_are_recorded_as_refused() -> None:
    recorder = Recorder(recording())
    with pytest.raises(RegisterUnavailable):
        recorder.register("a20")
    with pytest.raises(SymbolMissing):
        recorder.symbol("e820_table")
    with pytest.raises(MemoryUnreadable):
        recorder.read_phys(0, 1)

    assert {"a20": None} == recorder.registers
    assert ({}, ()) == (recorder.symbols, recorder.memory())


def test_a_recording_of_a_recording_is_the_same() -> None:
    recorder = Recorder(recording())
    for paddr, data in MEMORY:
        recorder.read_phys(paddr, len(data))

    assert MEMORY == recorder.memory()


@pytest.mark.parametrize(
    ("start", "end", "expected"),
    [
        (0, 0x2000, [(0x100, b"abcd"), (0x1000, b"efgh")]),
        (0x101, 0x1002, [(0x101, b"bcd"), (0x1000, b"ef")]),
        (0x101, 0x103, [(0x101, b"bc")]),
        (0x104, 0x1000, []),
        (0x2000, 0x3000, []),
        (0, 0x100, []),
    ],
)
def test_the_recorded_parts_of_a_range_have_their_addresses(
    start: int, end: int, expected: list[tuple[int, bytes]]
) -> None:
    recording = Recording(((0x100, b"abcd"), (0x1000, b"efgh")), {}, {})

    assert expected == list(readable_parts(recording, start, end))
