"""ELF files of at most 64 MiB for which a naive reader would need minutes or gigabytes.

Each has a PVH entry, so that all of the file is examined. Headers come first, the contents begin at 8 MiB.
"""

from __future__ import annotations

import gzip
import random
import struct
from collections.abc import Callable, Sequence

from tests.image.builder import note, raw_note

MIB = 1 << 20
BODY = 8 * MIB
CODE_SIZE = 0x1000
MOST = 65_535
"""The largest value of e_phnum and e_shnum."""

PT_LOAD, PT_NOTE = 1, 4
PROGBITS, SYMTAB, STRTAB, SHT_NOTE = 1, 2, 3, 7
NAMES = (
    b"xen_prepare_pvh",
    b"pvh_start_info",
    b"pvh_bootparams",
    b"boot_params",
    b"e820_table",
    b"start_kernel",
    b"e820__memory_setup",
)
"""The symbols that `inspect` looks up."""

Header = bytes


def program(kind: int, offset: int, size: int, paddr: int = 0, align: int = 4) -> Header:
    return struct.pack("<IIQQQQQQ", kind, 5, offset, paddr, paddr, size, size, align)


def section(kind: int, offset: int, size: int, *, name: int = 0, link: int = 0, addr: int = 0) -> Header:
    entsize = 24 if kind == SYMTAB else 0
    return struct.pack("<IIQQQQIIQQ", name, kind, 2, addr, offset, size, link, 1, 1, entsize)


def symbol(name: int, value: int = 0x100000, info: int = 0x10) -> bytes:
    return struct.pack("<IBBHQQ", name, info, 0, 1, value, 0)


def file(programs: Sequence[Header], sections: Sequence[Header], body: bytes, names: int = 0) -> bytes:
    """Return a file with code, a PVH note, and `body` at the offset BODY + CODE_SIZE."""
    start = [program(PT_LOAD, BODY, CODE_SIZE, 0x100000, 0x1000)]
    end = [program(PT_NOTE, BODY + 16, 20)]
    programs = [*start, *programs[: MOST - 2], *end]
    shoff = 64 + 56 * len(programs)
    ident = b"\x7fELF\2\1\1".ljust(16, b"\0")
    counts = (64, 56, len(programs), 64, len(sections), names)
    head = ident + struct.pack("<HHIQQQIHHHHHH", 2, 62, 1, 0x100000, 64, shoff if sections else 0, 0, *counts)
    code = (b"\xf4" * 16 + note()).ljust(CODE_SIZE, b"\x90")
    return (head + b"".join(programs) + b"".join(sections)).ljust(BODY, b"\0") + code + body


AT = BODY + CODE_SIZE
WALL = b"\xff\xff\xff\x7f" + b"\1" * 60
ZEROS = bytes(4 * MIB) + WALL


def _zeros_scanned_60000_times() -> bytes:
    return file([program(PT_NOTE, AT, 64)] * 60_000, [], ZEROS)


def _zeros_scanned_from_60000_places() -> bytes:
    return file([program(PT_NOTE, AT + 12 * number, 64) for number in range(60_000)], [], bytes(50 * MIB) + WALL)


def _zeroed_notes_from_60000_places() -> bytes:
    programs = [program(PT_NOTE, AT + number, MIB) for number in range(60_000)]
    return file(programs, [], bytes(4 * MIB)).replace(note(), bytes(20), 1)


def _segments_that_share_a_million_notes() -> bytes:
    return file([program(PT_NOTE, AT, 16 * MIB)] * MOST, [], raw_note(b"A\0", 1, b"") * MIB)


def _segments_with_parts_of_a_million_notes() -> bytes:
    programs = [program(PT_NOTE, AT + 16 * number, 15 * MIB) for number in range(MOST)]
    return file(programs, [], raw_note(b"A\0", 1, b"") * MIB)


def _sections_that_share_a_million_notes() -> bytes:
    return file([], [section(SHT_NOTE, AT, 16 * MIB)] * MOST, raw_note(b"A\0", 1, b"") * MIB)


def _notes_that_do_not_fit() -> bytes:
    programs = [program(PT_NOTE, AT + number, 64) for number in range(MOST)]
    sections = [section(SHT_NOTE, AT + number, 64) for number in range(MOST)]
    return file(programs, sections, b"\x7f" * MIB)


def _section_names_of_32_mib() -> bytes:
    sections = [section(STRTAB, AT, 32 * MIB + 1), *(section(PROGBITS, 0, 0, name=n) for n in range(60_000))]
    return file([], sections, b"A" * 32 * MIB + b"\0")


def _80_section_names_of_4_mib() -> bytes:
    sections = [section(STRTAB, AT, 4 * MIB + 1), *(section(PROGBITS, 0, 0, name=n) for n in range(80))]
    return file([], sections, b"A" * 4 * MIB + b"\0")


def _segments_that_share_a_false_banner() -> bytes:
    programs = [program(PT_LOAD, BODY, 52 * MIB, 0x200000 + n) for n in range(MOST)]
    return file(programs, [], b"Linux version " * (52 * MIB // 14))


def _sections_that_share_a_false_banner() -> bytes:
    sections = [section(STRTAB, AT, 9, name=1), *(section(PROGBITS, AT, 52 * MIB, name=1) for _ in range(60_000))]
    return file([], sections, b"\0.rodata\0" + b"Linux version " * (26 * MIB // 14) + b"IKCFG_ST" * (26 * MIB // 8))


def _small_segments_with_false_banners() -> bytes:
    programs = [program(PT_LOAD, AT + 768 * n, 768, 0x200000 + 4096 * n) for n in range(MOST)]
    return file(programs, [], b"Linux version 1" * (50 * MIB // 15))


def _gzip_bombs_as_configuration() -> bytes:
    bomb = b"IKCFG_ST" + gzip.compress(b"\0" * (MIB - 1))[:-8] + bytes(8)
    return file([program(PT_LOAD, AT, 40 * MIB, 0x200000)], [], (bomb * 30_000).ljust(40 * MIB, b"\0"))


def _a_configuration_of_a_million_options() -> bytes:
    text = b"".join(b"CONFIG_%x=\n" % number for number in range(3 * MIB))
    blob = b"IKCFG_ST" + gzip.compress(text, 1)
    return file([program(PT_LOAD, AT, len(blob), 0x200000)], [], blob)


def _symbols(rows: bytes, strings: bytes) -> bytes:
    rows += bytes(-len(rows) % 16)
    sections = [section(0, 0, 0), section(SYMTAB, AT, len(rows) // 24 * 24, link=2)]
    return file([], [*sections, section(STRTAB, AT + len(rows), len(strings))], rows + strings)


def _names_that_match_at_odd_offsets() -> bytes:
    strings = bytes(b"A" * 0x01010101) + b"\0".join(NAMES) + b"\0"
    return _symbols(symbol(0x01010101, 0x0101010101010101) * 1_600_000, strings)


def _a_million_names_with_the_same_tail() -> bytes:
    rows = b"".join(symbol(16 * number, 0x100000 + number) for number in range(MIB))
    return _symbols(rows, b"xen_prepare_pvh\0" * MIB)


def _a_million_local_symbols_for_every_name() -> bytes:
    strings = b"\0" + b"\0".join(NAMES) + b"\0"
    rows = b"".join(symbol(strings.index(b"\0" + name + b"\0") + 1, info=2) for name in NAMES)
    return _symbols(rows * 150_000, strings)


def _every_name_a_hundred_thousand_times() -> bytes:
    strings = b"".join((name + b"\0") * 90_000 for name in NAMES)
    places = random.Random(0).choices(range(len(strings)), k=MIB)
    return _symbols(b"".join(symbol(place) for place in places), strings)


def _symbol_names_of_50_mib() -> bytes:
    return _symbols(symbol(1) * 1000, b"x" * 50 * MIB)


def _65535_random_headers_of_each_kind() -> bytes:
    source = random.Random(0)
    body = source.randbytes(50 * MIB)
    programs = [
        program(source.choice([PT_LOAD, PT_NOTE, 7]), AT + source.randrange(MIB), source.randrange(MIB), 1 << 40 | n)
        for n in range(MOST)
    ]
    sections = [
        section(source.randrange(12), source.randrange(1 << 63), source.randrange(1 << 63), name=n, addr=1 << 60 | n)
        for n in range(MOST)
    ]
    return file(programs, sections, body)


def _everything_at_once() -> bytes:
    """Return a file with many headers, symbols and notes, all of which are in memory at the same time."""
    rows = b"".join(symbol(n * 977 % (1 << 24), 1 << 60 | n) for n in range(600_000))
    strings = (b"xen_prepare_pvh\0" * (16 * MIB // 16) + b"A" * 18 * MIB)[: 34 * MIB]
    programs = [
        *(program(PT_LOAD, AT, 46 * MIB, 1 << 40 | n * 4096) for n in range(30_000)),
        *(program(PT_NOTE, AT + n, 1 << 20, 1 << 41 | n) for n in range(MOST - 30_002)),
    ]
    sections = [section(0, 0, 0), section(SYMTAB, AT, len(rows), link=2), section(STRTAB, AT + len(rows), len(strings))]
    sections += [section(SHT_NOTE, AT + n, MIB, name=n, addr=1 << 60 | n) for n in range(MOST - 3)]
    return file(programs, sections, rows + strings, 2)


def _a_million_multiboot_headers() -> bytes:
    return file([], [], struct.pack("<I", 0x1BADB002) * MIB).replace(note(), bytes(20), 1)


HOSTILE: dict[str, Callable[[], bytes]] = {
    name.removeprefix("_").replace("_", " "): make
    for name, make in list(globals().items())
    if callable(make) and name.startswith("_") and not name.startswith("__") and name != "_symbols"
}
