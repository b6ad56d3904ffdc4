"""The layout of printk's ring buffer: struct printk_ringbuffer and the structures that it contains or points to.

Since Linux 5.10, a record of the log has three parts: a descriptor (prb_desc), a printk_info with the same index, and a
block of text in the data ring. Up to its last members, every structure here has only members of the size of a word or
members with a fixed size, so a few numbers describe all layouts.

Source: Linux kernel/printk/printk_ringbuffer.h.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pvhdbg.named_tuple import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable

RING, DESC_RING, DATA_RING = "printk_ringbuffer", "prb_desc_ring", "prb_data_ring"
DESC, BLOCK, INFO = "prb_desc", "prb_data_blk_lpos", "printk_info"

_STATE_BITS = 2
COMMITTED, FINALIZED = 1, 2
"""The states of a descriptor whose record is complete. A finalized record can't be extended any more."""
_INFO_SIZE, _TASK_SIZE = 88, 20
MAX_SIZE = 1024
"""The limit for the size of a structure in bytes. The largest has 112 bytes."""


class PrintkLayout(NamedTuple):
    """The offsets and sizes, in bytes, that are needed to read the ring buffer.

    `word` is the size of a pointer and of an unsigned long. The offsets from `count_bits` to `data` are those in struct
    printk_ringbuffer, the offsets from `state_var` to `next` those in struct prb_desc, and the others those in struct
    printk_info. The byte after `facility` has five flags in its low bits and the level in its high bits.
    """

    word: int
    ring_size: int
    count_bits: int
    descs: int
    infos: int
    head_id: int
    tail_id: int
    size_bits: int
    data: int
    desc_size: int
    state_var: int
    begin: int
    next: int
    info_size: int
    seq: int
    ts_nsec: int
    text_len: int
    facility: int

    @property
    def is_possible(self) -> bool:
        """Whether every offset is within its structure, and no structure is unreasonably large."""
        word = self.word
        ring = (self.count_bits, self.descs, self.infos, self.head_id, self.tail_id, self.size_bits, self.data)
        parts = (
            (self.ring_size, max(ring) + word),
            (self.desc_size, max(self.state_var, self.begin, self.next) + word),
            (self.info_size, max(self.seq + 8, self.ts_nsec + 8, self.text_len + 2, self.facility + 2)),
        )
        return all(end <= size <= MAX_SIZE for size, end in parts)

    @property
    def id_mask(self) -> int:
        """The bits of `state_var` that are the descriptor's ID. The other bits are its state."""
        return (1 << 8 * self.word - _STATE_BITS) - 1

    def state(self, state_var: int) -> int:
        return state_var >> 8 * self.word - _STATE_BITS


DESCRIBED_AT = "prb_read_valid"
"""A function of the kernel in the file whose debug information describes all these structures."""
SIZES = {"ring_size": RING, "desc_size": DESC, "info_size": INFO}
"""The structures whose sizes a PrintkLayout has."""
MEMBERS = {
    "count_bits": ((RING, "desc_ring"), (DESC_RING, "count_bits")),
    "descs": ((RING, "desc_ring"), (DESC_RING, "descs")),
    "infos": ((RING, "desc_ring"), (DESC_RING, "infos")),
    "head_id": ((RING, "desc_ring"), (DESC_RING, "head_id")),
    "tail_id": ((RING, "desc_ring"), (DESC_RING, "tail_id")),
    "size_bits": ((RING, "text_data_ring"), (DATA_RING, "size_bits")),
    "data": ((RING, "text_data_ring"), (DATA_RING, "data")),
    "state_var": ((DESC, "state_var"),),
    "begin": ((DESC, "text_blk_lpos"), (BLOCK, "begin")),
    "next": ((DESC, "text_blk_lpos"), (BLOCK, "next")),
    "seq": ((INFO, "seq"),),
    "ts_nsec": ((INFO, "ts_nsec"),),
    "text_len": ((INFO, "text_len"),),
    "facility": ((INFO, "facility"),),
}
"""The members whose offsets a PrintkLayout has. The offset of a nested member is a sum."""


def size_name(structure: str) -> str:
    """Return the name under which the size of a structure is looked up, like a symbol."""
    return f"sizeof(struct {structure})"


def offset_name(structure: str, member: str) -> str:
    """Return the name under which the offset of a member is looked up, like a symbol."""
    return f"offsetof(struct {structure}, {member})"


STRUCTURES = {RING, DESC_RING, DATA_RING, DESC, BLOCK, INFO}


def layout_from(word: int, number: Callable[[str], int]) -> PrintkLayout:
    """Return the layout that a kernel's debug information describes. `number` looks up a size or an offset by name."""
    sizes = {name: number(size_name(structure)) for name, structure in SIZES.items()}
    offsets = {name: sum(number(offset_name(*member)) for member in path) for name, path in MEMBERS.items()}
    return PrintkLayout(word=word, **sizes, **offsets)


def known_layouts(word: int) -> tuple[PrintkLayout, ...]:
    """Return the layouts of Linux 5.10 to 7.2 for kernels with words of this size.

    Commit f244b4dc53e5 added last_finalized_id to prb_desc_ring. With CONFIG_PRINTK_EXECUTION_CTX, as
    in Debian's Linux 7.2, printk_info also has the CPU and the name of the task.
    """
    with_task = _INFO_SIZE + _TASK_SIZE + -(_INFO_SIZE + _TASK_SIZE) % word
    return _layout(word, 6, _INFO_SIZE), _layout(word, 5, _INFO_SIZE), _layout(word, 6, with_task)


def _layout(word: int, desc_ring_words: int, info_size: int) -> PrintkLayout:
    count_bits, descs, infos, head_id, tail_id = (word * index for index in range(5))
    size_bits = word * desc_ring_words
    return PrintkLayout(
        word=word,
        ring_size=size_bits + 5 * word,
        count_bits=count_bits,
        descs=descs,
        infos=infos,
        head_id=head_id,
        tail_id=tail_id,
        size_bits=size_bits,
        data=size_bits + word,
        desc_size=3 * word,
        state_var=0,
        begin=word,
        next=2 * word,
        info_size=info_size,
        seq=0,
        ts_nsec=8,
        text_len=16,
        facility=18,
    )
