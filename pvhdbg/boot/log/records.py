"""Read the records of printk's ring buffer, in one of its layouts.

Sources: Linux kernel/printk/printk_ringbuffer.c, desc_read and get_data.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from pvhdbg.abi.printk import COMMITTED, FINALIZED
from pvhdbg.named_tuple import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pvhdbg.abi.printk import PrintkLayout

ReadVirtual = Callable[[int, int], bytes]
"""Returns guest memory at a virtual address of the kernel."""

MAX_RECORDS, MAX_TEXT = 1 << 14, 1 << 20
"""The limits for the newest records and for the bytes of their text. Debian's kernels have room for 4096 records."""
_MAX_BITS = 31
_LEVEL_SHIFT = 5


class Record(NamedTuple):
    """A record of the log. `text` has no newline at its end, but may have others; the kernel does not check it."""

    seq: int
    ns: int
    level: int
    text: bytes


class _Entry(NamedTuple):
    """A record whose text has not been read yet.

    `id` is its descriptor's ID, and `begin` and `next` are logical positions in the data ring.
    """

    id: int
    seq: int
    ns: int
    level: int
    text_len: int
    begin: int
    next: int

    @property
    def has_text(self) -> bool:
        return not self.begin & 1


def read_records(read: ReadVirtual, layout: PrintkLayout, address: int) -> list[Record] | None:
    """Return the newest complete records of the struct printk_ringbuffer at `address`, oldest first.

    Return None if what is there contradicts this layout: impossible sizes, sequence numbers that are not consecutive,
    or text outside the data ring.

    :raise TargetError: if memory cannot be read.
    """
    ring = _Ring(read, layout, address)
    entries = ring.entries() if ring.is_plausible else None
    return None if entries is None else ring.with_text(entries)


class _Ring:
    """A struct printk_ringbuffer and what its pointers lead to."""

    def __init__(self, read: ReadVirtual, layout: PrintkLayout, address: int) -> None:
        self._read = read
        self._layout = layout
        head = read(address, layout.ring_size)
        self._count_bits, self._size_bits = (_number(head, at, 4) for at in (layout.count_bits, layout.size_bits))
        self._descs, self._infos, self._data = (
            _number(head, at, layout.word) for at in (layout.descs, layout.infos, layout.data)
        )
        self._head_id, self._tail_id = (_number(head, at, layout.word) for at in (layout.head_id, layout.tail_id))

    @property
    def is_plausible(self) -> bool:
        """Whether the sizes and IDs are possible."""
        are_sizes = all(0 < bits <= _MAX_BITS for bits in (self._count_bits, self._size_bits))
        return are_sizes and max(self._head_id, self._tail_id) <= self._layout.id_mask and self._length <= self._count

    @property
    def _count(self) -> int:
        return 1 << self._count_bits

    @property
    def _is_unused(self) -> bool:
        """Whether the head has the ID that it has before the first message. C computes it with 32 bits or a word."""
        first_id = -(self._count + 1) & self._layout.id_mask
        return self._head_id in (first_id, first_id & 0xFFFFFFFF)

    @property
    def _length(self) -> int:
        """The number of descriptors from the tail to the head, both included."""
        return (self._head_id - self._tail_id & self._layout.id_mask) + 1

    def entries(self) -> list[_Entry] | None:
        """Return the complete records, oldest first; None if their sequence numbers are not consecutive."""
        layout, length = self._layout, min(self._length, MAX_RECORDS)
        first = self._head_id - length + 1
        descs = self._items(self._descs, layout.desc_size, first, length)
        infos = self._items(self._infos, layout.info_size, first, length)
        entries: list[_Entry] = []
        seqs = set()
        for index, (desc, info) in enumerate(zip(descs, infos, strict=True)):
            state_var = _number(desc, layout.state_var, layout.word)
            is_current = state_var & layout.id_mask == first + index & layout.id_mask
            if is_current and layout.state(state_var) in (COMMITTED, FINALIZED):
                entries.append(_entry(layout, state_var & layout.id_mask, desc, info))
                seqs.add(entries[-1].seq - index)
        return entries if len(seqs) == 1 or (not seqs and self._is_unused) else None

    def _items(self, base: int, size: int, first: int, length: int) -> list[bytes]:
        raw = self._wrapped(base, self._count * size, (first & self._count - 1) * size, length * size)
        return [raw[at : at + size] for at in range(0, len(raw), size)]

    def _wrapped(self, base: int, capacity: int, start: int, size: int) -> bytes:
        """Read from `start` in a ring of `capacity` bytes, and go on at its beginning after its end."""
        before_end = min(size, capacity - start)
        rest = size - before_end
        return self._read(base + start, before_end) + (self._read(base, rest) if rest else b"")

    def with_text(self, entries: Sequence[_Entry]) -> list[Record] | None:
        """Return the records, the oldest only if there is not too much text; None if text is outside the ring."""
        texts = [entry for entry in entries if entry.has_text]
        if not texts:
            return [_record(entry, b"") for entry in entries]
        size, end = 1 << self._size_bits, texts[-1].next
        limit = min(size, MAX_TEXT)
        first = next((entry for entry in texts if self._distance(entry.begin, end) <= limit), None)
        if first is None:
            return None
        used = self._distance(first.begin, end)
        data = self._wrapped(self._data, size, first.begin & size - 1, used)
        records = []
        for entry in entries if first is texts[0] else entries[entries.index(first) :]:
            at, length = self._block(entry, first.begin) if entry.has_text else (0, 0)
            if entry.has_text and not self._is_block_of(entry, data, at):
                return None
            records.append(_record(entry, data[at : at + length]))
        return records

    def _is_block_of(self, entry: _Entry, data: bytes, at: int) -> bool:
        """Return whether the block whose text is at this offset begins with the descriptor's ID."""
        word = self._layout.word
        return word <= at <= len(data) and _number(data, at - word, word) == entry.id

    def _distance(self, start: int, end: int) -> int:
        return end - start & (1 << 8 * self._layout.word) - 1

    def _block(self, entry: _Entry, start: int) -> tuple[int, int]:
        """Return where the text of a record is, relative to the logical position `start`, and its length.

        A block begins with the descriptor's ID. If it does not fit before the end of the ring, it is stored at the
        ring's beginning.
        """
        size, word = 1 << self._size_bits, self._layout.word
        fits = not (entry.begin ^ entry.next) >> self._size_bits or not entry.next & size - 1
        at = self._distance(start, entry.begin if fits else entry.next - entry.next % size)
        length = self._distance(entry.begin, entry.next) if fits else entry.next % size
        return at + word, min(entry.text_len, max(length - word, 0))


def _entry(layout: PrintkLayout, id: int, desc: bytes, info: bytes) -> _Entry:  # noqa: A002  the kernel's word
    return _Entry(
        id=id,
        seq=_number(info, layout.seq, 8),
        ns=_number(info, layout.ts_nsec, 8),
        level=info[layout.facility + 1] >> _LEVEL_SHIFT,
        text_len=_number(info, layout.text_len, 2),
        begin=_number(desc, layout.begin, layout.word),
        next=_number(desc, layout.next, layout.word),
    )


def _record(entry: _Entry, text: bytes) -> Record:
    return Record(entry.seq, entry.ns, entry.level, text)


def _number(raw: bytes, offset: int, size: int) -> int:
    return int.from_bytes(raw[offset : offset + size], "little")
