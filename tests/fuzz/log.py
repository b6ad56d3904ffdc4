"""The ring buffer of printk in guest memory: changed numbers and pointers, damaged text, and control characters in it.

Its lines are read, and shown as those of a guest that was watched after the last stage.
"""

from __future__ import annotations

from hypothesis import strategies as st

from pvhdbg.boot.log import records
from pvhdbg.boot.log.kernel_log import MAX_LINES, read_kernel_log
from pvhdbg.boot.record.document import DONE, WATCH_ENDS, Document, MachineFacts, Outcome, Watched
from pvhdbg.errors import MemoryUnreadable
from pvhdbg.target.recording import Recording
from pvhdbg.views.report import run_text
from tests import build
from tests.boot.log.ring import DATA, DESCS, INFOS, PRB, RING, Ring
from tests.fuzz import outputs
from tests.fuzz.numbers import numbers
from tests.fuzz.target import Target

SHOWN = 20
TEXTS = (
    *(b"", b"Linux version 6.1", b"\x1b[2J\x9b31m", b"one\ntwo\n", b"a" * 60, bytes(range(256)), b"\n" * 50),
    *(b"Kernel panic - not syncing: VFS", b"BUG: unable to handle page fault", b"[    1.000000] x", b"\0"),
)
STARTS = (PRB, RING, RING, DESCS, INFOS, DATA)

Change = tuple[int, int, int]
"""A part of the ring buffer, the index of a word in it, and the word's new value."""
Input = tuple[tuple[int, int, int, bool, bool], list[tuple[bytes, int, int]], list[Change], bool, str]
"""Bytes of a word, bits of the two rings, the kind of ring; texts with time and level; changes; whether memory outside
can be read, and how watching ended.
"""


def inputs() -> st.SearchStrategy[Input]:
    booleans = st.booleans()
    kind = st.tuples(st.sampled_from([8, 8, 4]), st.integers(1, 5), st.integers(6, 10), booleans, booleans)
    message = st.tuples(st.sampled_from(TEXTS) | st.binary(max_size=20), numbers(64), st.integers(0, 7))
    pointer = st.builds(int.__add__, st.sampled_from(STARTS), st.sampled_from([0, build.KERNEL_MAP, build.DIRECT_MAP]))
    value = pointer | numbers(64) | st.integers(0, 40)
    change = st.tuples(st.sampled_from(STARTS), st.integers(0, 11) | st.integers(0, 60), value)
    return st.tuples(
        kind,
        st.lists(message, max_size=12),
        st.lists(change, max_size=3),
        booleans,
        st.sampled_from(sorted(WATCH_ENDS)),
    )


class _Memory(Recording):
    """A machine in which memory that was not written is zeros, or cannot be read."""

    def __init__(self, guest: build.Guest, *, is_zeros: bool) -> None:
        super().__init__(guest.memory.ranges(), guest.registers, guest.symbols)
        self._is_zeros = is_zeros

    def read_phys(self, paddr: int, size: int) -> bytes:
        try:
            return super().read_phys(paddr, size)
        except MemoryUnreadable:
            if self._is_zeros and paddr + size <= 1 << 64:
                return bytes(size)
            raise


def _guest(value: Input) -> build.Guest:
    (word, count_bits, size_bits, has_last, exact_fit), messages, changes, _, _ = value
    base = build.KERNEL_MAP if word == 8 else 0xC0000000
    segment = build.linux().segments[0]._replace(paddr=0, vaddr=base, filesz=1 << 28, memsz=1 << 28)
    guest = build.linux_guest(build.linux()._replace(elf_class=8 * word, segments=(segment,)))
    ring = Ring(
        word=word, count_bits=count_bits, size_bits=size_bits, has_last=has_last, exact_fit=exact_fit, base=base
    )
    for text, ns, level in messages:
        if word + len(text) + word <= ring.size // 2:  # the kernel refuses longer ones
            ring.add(text, ns, level)
    ring.drop_overwritten().put(guest)
    for start, index, number in changes:
        guest.put(start + index * word, (number % (1 << 8 * word)).to_bytes(word, "little"))
    return guest


def check(value: Input) -> str:
    guest = _guest(value)
    log = read_kernel_log(_Memory(guest, is_zeros=value[3]), guest.registers, guest.image)
    assert len(log.lines) <= MAX_LINES
    assert sum(len(line.text) for line in log.lines) <= records.MAX_TEXT + records.MAX_RECORDS
    assert not log.lines or log.missing is None
    shown = tuple(line.stamped for line in log.excerpt(SHOWN))
    watched = Watched(value[-1], 1, 0x10, None, "", shown, None if log.missing else shown)
    document = Document(guest.image, MachineFacts(), (), Outcome("e820", DONE, watched=watched))
    outputs.check_again(document)
    outputs.check_text(run_text.document(document) + (log.missing or ""))
    return "missing" if log.missing else "read" if log.lines else "empty"


TARGET = Target("log", inputs(), check, frozenset({"read", "empty", "missing"}), in_tests=100)
