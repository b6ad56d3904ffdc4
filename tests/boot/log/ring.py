"""Write printk's ring buffer into guest memory, message by message, as the kernel does.

Independent of pvhdbg's own layouts: the offsets are those that the C compiler computes for struct printk_ringbuffer.
"""

from __future__ import annotations

from struct import pack

from tests import build
from tests.build import KERNEL_MAP, Guest

PADDING = 0xA5A5A5A5 << 32
"""What is behind an int where words have 8 bytes: C does not define it."""
RESERVED, COMMITTED, FINALIZED, REUSABLE = range(4)
PRB, RING, DESCS, INFOS, DATA = 0x2A62200, 0x2A62300, 0x2B00000, 0x2B10000, 0x2B20000


class Ring:
    """A ring buffer with 2**count_bits descriptors and 2**size_bits bytes of text.

    With `has_last`, prb_desc_ring ends with last_finalized_id, as in newer kernels. With `exact_fit`, a block may end
    exactly where the data ring ends. `info_size` is the size of struct printk_info, and `id_bits` a mask: C computes
    the first ID with that width.
    """

    def __init__(  # noqa: PLR0913  what differs between kernels
        self,
        *,
        word: int = 8,
        count_bits: int = 4,
        size_bits: int = 9,
        has_last: bool = True,
        exact_fit: bool = False,
        info_size: int = 88,
        id_bits: int = 0xFFFFFFFF,
        base: int = KERNEL_MAP,
    ) -> None:
        self.word, self.count, self.size = word, 1 << count_bits, 1 << size_bits
        self.bits = count_bits, size_bits
        self.has_last, self.exact_fit, self.base = has_last, exact_fit, base
        self.info_size = info_size
        self.mask = (1 << 8 * word - 2) - 1
        self.head_id = self.tail_id = -(self.count + 1) & id_bits & self.mask
        self.head_lpos = -self.size
        self.seq = 0
        self.descs = [(self.head_id | REUSABLE << 8 * word - 2, 1, 1)] * self.count
        self.infos = [b""] * self.count
        self.data = bytearray(self.size)

    def add(self, text: bytes, ns: int = 0, level: int = 6, state: int = FINALIZED) -> Ring:
        self.head_id = self.head_id + 1 & self.mask
        index = self.head_id % self.count
        begin, after = self._store(text) if text else (3, 3)
        self.descs[index] = self.head_id | state << 8 * self.word - 2, begin, after
        self.infos[index] = pack("<QQHBBI64x", self.seq, ns, len(text), 0, level << 5 | 6, 0)
        self.seq += 1
        if self.seq == 1 or self.head_id - self.tail_id & self.mask >= self.count:
            self.tail_id = self.tail_id + 1 & self.mask
        return self

    def _store(self, text: bytes) -> tuple[int, int]:
        size = self.word + len(text) + -len(text) % self.word
        begin = self.head_lpos
        after = begin + size
        last = after - 1 if self.exact_fit else after
        wraps = begin // self.size != last // self.size
        if wraps:
            after = after // self.size * self.size + size
        start = 0 if wraps else begin % self.size
        self.head_lpos = after
        self.data[start : start + size] = (self.head_id.to_bytes(self.word, "little") + text).ljust(size, b"\0")
        return begin, after

    def drop_overwritten(self) -> Ring:
        """Make the records reusable whose text was overwritten, as the kernel does before it overwrites it."""
        for index, (state_var, begin, after) in enumerate(self.descs):
            if begin != 3 and self.head_lpos - begin > self.size:
                self.descs[index] = state_var & self.mask | REUSABLE << 8 * self.word - 2, begin, after
        return self

    def put(self, guest: Guest, *, paddr: int = 0) -> None:
        """Write everything into memory. `paddr` is the physical address at which `base` is mapped."""
        addresses = (self.base + DESCS, self.base + INFOS)
        words = [self.bits[0] | PADDING, *addresses, self.head_id, self.tail_id]
        words += [self.seq] if self.has_last else []
        words += [self.bits[1] | PADDING, self.base + DATA, self.head_lpos, self.head_lpos - self.size, 0]
        guest.put(paddr + RING, self._words(*words))
        guest.put(paddr + DESCS, b"".join(self._words(*desc) for desc in self.descs))
        guest.put(paddr + INFOS, b"".join(info.ljust(self.info_size, b"\0") for info in self.infos))
        guest.put(paddr + DATA, bytes(self.data))
        guest.put(PRB, self._words(self.base + RING))
        guest.symbols["prb"] = (KERNEL_MAP if self.word == 8 else 0xC0000000) + PRB

    def _words(self, *values: int) -> bytes:
        return b"".join((value & (1 << 8 * self.word) - 1).to_bytes(self.word, "little") for value in values)


def guest_with(ring: Ring) -> Guest:
    """Return a 64-bit Linux with this ring buffer, at its entry."""
    guest = build.linux_guest()
    ring.put(guest)
    return guest
