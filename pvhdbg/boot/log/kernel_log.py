"""A KernelLog: the lines of printk's ring buffer, read from guest memory at any stop, with or without a console."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from pvhdbg.abi.printk import known_layouts, layout_from
from pvhdbg.boot.log.problems import BUG, problem
from pvhdbg.boot.log.records import read_records
from pvhdbg.boot.stop.address import Addresses
from pvhdbg.boot.stop.capture import LogLine
from pvhdbg.errors import NotConnected, SymbolMissing, TargetError
from pvhdbg.lazy_pattern import pattern
from pvhdbg.named_tuple import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from pvhdbg.abi.printk import PrintkLayout
    from pvhdbg.boot.log.records import Record
    from pvhdbg.image.facts import ImageFacts
    from pvhdbg.target.base import Target

POINTER = "prb"
"""The kernel's variable that points to the ring buffer in use. The kernel may move to a larger one."""
NO_RING = "the kernel has no symbol prb: it is older than Linux 5.10, not a Linux kernel, or its symbols are missing"
NOT_LOADED = "prb is 0: the kernel is not in memory yet"
UNKNOWN_LAYOUT = "unknown layout: the memory at prb is not a ring buffer of Linux 5.10 or later"
MAX_LINES = 1 << 15
LINES_OF_BUG = 8
"""A BUG, and the lines after it up to the one with RIP."""
_STAMPED = pattern(r"\[ *([0-9]{1,12})\.([0-9]{6})\] (.*)", re.DOTALL)


class KernelLog(NamedTuple):
    """The kernel's log, oldest line first.

    `dropped` is the number of records before the first line, which the kernel has overwritten or pvhdbg has not read.
    `is_excerpt`: a recording kept only these lines when pvhdbg stopped watching the guest. `cut` says what a stop of a
    recording lacks, or is empty. If the log cannot be read,
    `missing` is the reason; otherwise it is None.
    """

    lines: tuple[LogLine, ...] = ()
    dropped: int = 0
    missing: str | None = None
    is_excerpt: bool = False
    cut: str = ""

    def excerpt(self, count: int) -> tuple[LogLine, ...]:
        """Return the last `count` lines, and before them the lines that report a problem, at most `count` of them.

        After the first BUG, there are also the lines that say where it was.
        """
        earlier, last = self.lines[:-count], self.lines[-count:]
        found = {index: report.kind for index, line in enumerate(earlier) if (report := problem(line.text))}
        bug = next((index for index, kind in found.items() if kind == BUG), len(earlier))
        kept = {*[*found][-count:], *range(bug, bug + LINES_OF_BUG)}
        return (*[earlier[index] for index in sorted(kept) if index < len(earlier)], *last)


def stored_log(lines: Iterable[str]) -> KernelLog:
    """Return the log of a recording, which has only stamped lines."""
    return KernelLog(tuple(map(_stored_line, lines)), is_excerpt=True)


def _stored_line(line: str) -> LogLine:
    match = _STAMPED.fullmatch(line)
    return LogLine(int(match[1]) * 10**9 + int(match[2]) * 1000, None, match[3]) if match else LogLine(0, None, line)


def read_kernel_log(target: Target, registers: Mapping[str, int | None], image: ImageFacts | None) -> KernelLog:
    """Read the kernel's log from guest memory. `registers` are needed for the page tables.

    A message is complete only after printk has returned. For example, the text of a panic is not in the log yet at the
    first instruction of `panic`.

    :raise NotConnected: if the machine is gone.
    """
    memory = _KernelMemory(target, registers, image)
    try:
        address = memory.ring()
        for layout in _layouts(target, memory.word) if address else ():
            records = read_records(memory.read, layout, address)
            if records is not None:
                return _log(records)
    except NotConnected:
        raise
    except SymbolMissing:
        return KernelLog(missing=NO_RING)
    except TargetError as error:
        return KernelLog(missing=str(error))
    return KernelLog(missing=UNKNOWN_LAYOUT if address else NOT_LOADED)


def _layouts(target: Target, word: int) -> tuple[PrintkLayout, ...]:
    """Return the layout that the kernel's debug information describes or, without it, those that pvhdbg knows."""
    try:
        layout = layout_from(word, target.symbol)
    except SymbolMissing:
        return known_layouts(word)
    return (layout,) if layout.is_possible else known_layouts(word)


class _KernelMemory:
    """The kernel's memory by virtual address."""

    def __init__(self, target: Target, registers: Mapping[str, int | None], image: ImageFacts | None) -> None:
        self._target = target
        self._addresses = Addresses(target, registers, image)
        self.word = 4 if image and image.elf_class == 32 else 8

    def ring(self) -> int:
        raw = self._target.read_phys(self._addresses.symbol(POINTER), self.word)
        return int.from_bytes(raw, "little")

    def read(self, vaddr: int, size: int) -> bytes:
        """Read memory that may span pages.

        :raise TargetError: if the memory is not mapped or cannot be read.
        """
        return b"".join(self._target.read_phys(*block) for block in self._addresses.blocks(vaddr, size))


def _log(records: Sequence[Record]) -> KernelLog:
    """Return the newest lines. A record may have several lines; it is dropped if not all of them fit."""
    kept: list[list[LogLine]] = []
    count, dropped = 0, 0
    for record in reversed(records):
        texts = record.text.decode("latin-1").split("\n")
        count += len(texts)
        if count > MAX_LINES:
            break
        kept.append([LogLine(record.ns, record.level, text) for text in texts])
        dropped = record.seq
    return KernelLog(tuple(line for lines in reversed(kept) for line in lines), dropped)
