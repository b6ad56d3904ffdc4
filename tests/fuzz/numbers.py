"""Numbers and damage that break readers of files."""

from __future__ import annotations

import struct

from hypothesis import strategies as st

_SMALL = (0, 1, 2, 3, 4, 7, 8, 12, 16, 0x40, 0xFF, 0x100, 0x1000, 0xFFFF, 0x10000, 1 << 20, 0x100000 - 1, 1 << 24)
_LARGE = (0x7FFFFFFF, 0x80000000, 0xFFFFFFF0, 0xFFFFFFFF, 1 << 32, 1 << 40, (1 << 63) - 6, 1 << 63, (1 << 64) - 1)
EDGES = _SMALL + _LARGE


def numbers(bits: int) -> st.SearchStrategy[int]:
    """Return numbers of this many bits, most of them at an edge."""
    limit = (1 << bits) - 1
    edges = st.sampled_from([edge for edge in EDGES if edge <= limit])
    return edges | st.sampled_from([limit, limit - 5, limit // 2 + 1]) | st.integers(0, limit)


Change = tuple[int, bytes]
"""Bytes, and where to write them: a position in 1/65536 of the file."""


def changes(most: int = 4) -> st.SearchStrategy[list[Change]]:
    """Return a few changes, mostly of single bytes and of numbers."""
    number = numbers(64).map(lambda value: value.to_bytes(8, "little")[: 8 if value >> 32 else 4 if value >> 8 else 1])
    return st.lists(st.tuples(st.integers(0, 0xFFFF), number), max_size=most)


def changed(data: bytes, changes: list[Change], head: int = 0) -> bytes:
    """Return the bytes with the changes made. Every second change is in the first `head` bytes: in the headers."""
    result = bytearray(data)
    for number, (place, new) in enumerate(changes):
        size = min(head, len(data)) if head and number % 2 == 0 else len(data)
        at = place * size >> 16
        result[at : at + len(new)] = new[: len(result) - at]
    return bytes(result)


Field = tuple[str, int, int, int]
"""A field of a header: the table (e, p or s: the ELF header, program headers, sections), row, number, new value. After
the last row comes the first one.
"""

_EHDR = {64: (16, "HHIQQQIHHHHHH"), 32: (16, "HHIIIIIHHHHHH")}
_PHDR = {64: "IIQQQQQQ", 32: "IIIIIIII"}
_SHDR = {64: "IIQQQQIIQQ", 32: "IIIIIIIIII"}


def fields(bits: int) -> st.SearchStrategy[list[Field]]:
    """Return changes of a few header fields. Half of those of sections are offsets and sizes."""
    rows, values = st.integers(0, 9), numbers(bits)
    header = st.tuples(st.just("e"), st.just(0), st.integers(0, 12), values)
    program = st.tuples(st.just("p"), rows, st.integers(0, 7), values)
    section = st.tuples(st.just("s"), rows, st.sampled_from([4, 5]) | st.integers(0, 9), values)
    return st.lists(header | program | section | section, max_size=3)


def with_fields(data: bytes, bits: int, fields: list[Field]) -> bytes:
    """Return an ELF file with fields of its headers changed."""
    result = bytearray(data)
    start, layout = _EHDR[bits]
    header = struct.unpack_from("<" + layout, data, start)
    tables = {
        "e": (start, 1, layout),
        "p": (header[4], header[9], _PHDR[bits]),
        "s": (header[5], header[11], _SHDR[bits]),
    }
    for table, row, number, value in fields:
        start, count, layout = tables[table]
        if count:
            at = start + row % count * struct.calcsize("<" + layout) + struct.calcsize("<" + layout[:number])
            size = struct.calcsize("<" + layout[number])
            result[at : at + size] = (value & (1 << 8 * size) - 1).to_bytes(size, "little")
    return bytes(result)
