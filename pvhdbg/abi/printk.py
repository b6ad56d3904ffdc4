"""The layout of printk's ring buffer: struct printk_ringbuffer and the structures that it contains or points to.

Since Linux 5.10, a record of the log has three parts: a descriptor (prb_desc), a printk_info with the same index, and a
block of text in the data ring. Up to its last members, every structure here has only members of the size of a word or
members with a fixed size, so a few numbers describe all layouts.

Source: Linux kernel/printk/printk_ringbuffer.h.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable

RING, DESC_RING, DATA_RING = "printk_ringbuffer", "prb_desc_ring", "prb_data_ring"
DESC, BLOCK, INFO = "prb_desc", "prb_data_blk_lpos", "printk_info"

_STATE_BITS = 2
COMMITTED, FINALIZED = 1, 2
"""The states of a descriptor whose record is complete. A finalized record can't be extended any more."""
LEVELS = ("emerg", "alert", "crit", "err", "warning", "notice", "info", "debug")
"""The names of the log levels, 0 to 7."""


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
    def id_mask(self) -> int:
        """The bits of `state_var` that are the descriptor's ID. The other bits are its state."""
        return (1 << 8 * self.word - _STATE_BITS) - 1

    def state(self, state_var: int) -> int:
        return state_var >> 8 * self.word - _STATE_BITS


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


def layout_from(word: int, size_of: Callable[[str], int], offset_of: Callable[[str, str], int]) -> PrintkLayout:
    """Return the layout that a kernel's debug information describes.

    `size_of` returns the size of a structure, and `offset_of` the offset of a member in a structure.
    """
    sizes = {name: size_of(structure) for name, structure in SIZES.items()}
    offsets = {name: sum(offset_of(*member) for member in path) for name, path in MEMBERS.items()}
    return PrintkLayout(word=word, **sizes, **offsets)


def known_layouts(word: int) -> tuple[PrintkLayout, ...]:
    """Return the layouts of Linux 6.0 and later, and of Linux 5.10 to 5.19, for kernels with words of this size.

    Commit b371cbb58483 added last_finalized_id to prb_desc_ring. Nothing else has changed.
    """
    return _layout(word, 6), _layout(word, 5)


def _layout(word: int, desc_ring_words: int) -> PrintkLayout:
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
        info_size=88,
        seq=0,
        ts_nsec=8,
        text_len=16,
        facility=18,
    )
