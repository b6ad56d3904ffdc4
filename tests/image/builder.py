"""Build small ELF files and bzImages, valid or with chosen defects."""

import struct
from typing import NamedTuple

PT_LOAD, PT_NOTE = 1, 4
SHT_PROGBITS, SHT_SYMTAB, SHT_STRTAB, SHT_NOTE, SHT_NOBITS = 1, 2, 3, 7, 8
EM_386, EM_X86_64, EM_ARM = 3, 62, 40

# Three addresses in `CODE`. The code at each address ends QEMU with a different exit status.
ENTRY, OTHER, E_ENTRY = 0x100000, 0x100040, 0x100080
EXIT_STATUS = {33: ENTRY, 35: OTHER, 37: E_ENTRY}


class Segment(NamedTuple):
    """A program header and the bytes of the segment. Fields that are None are computed."""

    type: int
    data: bytes
    paddr: int = ENTRY
    vaddr: int | None = None
    memsz: int | None = None
    filesz: int | None = None
    align: int = 4
    offset: int | None = None


class Section(NamedTuple):
    """A section header and the bytes of the section."""

    name: str
    type: int
    data: bytes
    addr: int = 0
    link: int = 0
    info: int = 0
    entsize: int = 0


class Symbol(NamedTuple):
    """A row of the symbol table. Type 2 is a function, 0 a label; bind 0 is local; shndx 0xfff1 is absolute."""

    name: str
    value: int
    size: int = 0
    type: int = 2
    bind: int = 1
    shndx: int = 1


def exit_code(status: int) -> bytes:
    """Return 32-bit code that ends QEMU with this (odd) exit status through isa-debug-exit at port 0x501."""
    return b"\x66\xba\x01\x05\xb0" + bytes([status >> 1]) + b"\xee\xf4\xeb\xfd"


CODE = b"".join(exit_code(status).ljust(0x40, b"\x90") for status in EXIT_STATUS)


def compare(paddr: int, word: bytes) -> bytes:
    """Return 32-bit code that ends QEMU as at ENTRY if these 4 bytes are at `paddr`, otherwise as at OTHER."""
    absent = exit_code(35)
    jump_if_equal = b"\x74" + bytes([len(absent)])
    return b"\xa1" + paddr.to_bytes(4, "little") + b"\x3d" + word + jump_if_equal + absent + exit_code(33)


def note(entry: int = ENTRY, *, owner: bytes = b"Xen\0", kind: int = 18, size: int = 4, pad: int = 4) -> bytes:
    """Return a note that contains a number, by default the PHYS32_ENTRY note."""
    return raw_note(owner, kind, entry.to_bytes(size, "little"), pad)


def raw_note(owner: bytes, kind: int, desc: bytes, pad: int = 4) -> bytes:
    """Return a note. Its name and its descriptor are padded to a multiple of `pad`."""
    return struct.pack("<III", len(owner), len(desc), kind) + padded(owner, pad) + padded(desc, pad)


def padded(data: bytes, pad: int) -> bytes:
    return data + bytes(-len(data) % pad)


def load(data: bytes = CODE, *, paddr: int = ENTRY, vaddr: int | None = None, **sizes: int) -> Segment:
    """Return a PT_LOAD segment, by default `CODE` at ENTRY."""
    return Segment(PT_LOAD, data, paddr, vaddr, sizes.get("memsz"), sizes.get("filesz"), sizes.get("align", 0x1000))


def notes(*parts: bytes, align: int = 4, filesz: int | None = None) -> Segment:
    """Return a PT_NOTE segment with these notes."""
    return Segment(PT_NOTE, b"".join(parts), align=align, filesz=filesz)


def elf(
    segments: list[Segment],
    sections: list[Section] | None = None,
    *,
    bits: int = 64,
    machine: int | None = None,
    flags: int = 0,
    tail: bytes = b"",
) -> bytes:
    """Return an ELF file: headers, the segments (each at a multiple of 16), `tail`, the sections and their headers."""
    header_size, row = (64, 56) if bits == 64 else (52, 32)
    start = header_size + row * len(segments)
    headers, body = b"", bytearray()
    for segment in segments:
        body += bytes(-(start + len(body)) % 16)
        headers += _program_header(segment, start + len(body), bits)
        body += segment.data
    body += tail
    body += bytes(-(start + len(body)) % 8) if sections else b""
    table, contents = _sections(sections or [], start + len(body), bits)
    shoff = start + len(body) + len(contents) if sections else 0
    count = len(sections) + 2 if sections else 0
    form = "<HHIQQQIHHHHHH" if bits == 64 else "<HHIIIIIHHHHHH"
    machine = machine or (EM_X86_64 if bits == 64 else EM_386)
    rows = (header_size, row, len(segments), 64 if bits == 64 else 40, count, max(count - 1, 0))
    header = struct.pack(form, 2, machine, 1, E_ENTRY, header_size, shoff, flags, *rows)
    ident = b"\x7fELF" + bytes([bits // 32, 1, 1]) + bytes(9)
    return ident + header + headers + bytes(body) + contents + table


def _program_header(segment: Segment, offset: int, bits: int) -> bytes:
    offset = offset if segment.offset is None else segment.offset
    filesz = len(segment.data) if segment.filesz is None else segment.filesz
    memsz = filesz if segment.memsz is None else segment.memsz
    paddr, vaddr = segment.paddr, segment.paddr if segment.vaddr is None else segment.vaddr
    if bits == 64:
        return struct.pack("<IIQQQQQQ", segment.type, 7, offset, vaddr, paddr, filesz, memsz, segment.align)
    return struct.pack("<8I", segment.type, offset, vaddr, paddr, filesz, memsz, 7, segment.align)


def _sections(sections: list[Section], start: int, bits: int) -> tuple[bytes, bytes]:
    """Return the table of section headers (the last row is .shstrtab), and the bytes of the sections."""
    if not sections:
        return b"", b""
    names = b"\0" + b"".join(section.name.encode() + b"\0" for section in sections) + b".shstrtab\0"
    table, contents, name = bytes(64 if bits == 64 else 40), b"", 1
    for section in [*sections, Section(".shstrtab", SHT_STRTAB, names)]:
        location = (section.addr, start + len(contents), len(section.data))
        form = "<IIQQQQIIQQ" if bits == 64 else "<10I"
        table += struct.pack(form, name, section.type, 2, *location, section.link, section.info, 8, section.entsize)
        contents += padded(section.data, 8)
        name += len(section.name) + 1
    return table, contents


def symbol_sections(symbols: list[Symbol], *, bits: int = 64) -> list[Section]:
    """Return .symtab and .strtab, for sections 1 and 2. A name that is the tail of an earlier name shares its bytes."""
    strings, row_size = b"\0", 24 if bits == 64 else 16
    rows = bytes(row_size)
    for symbol in sorted(symbols, key=lambda symbol: symbol.bind != 0):
        name = symbol.name.encode("latin-1") + b"\0"
        strings += b"" if name in strings else name
        at, info = strings.find(name), symbol.bind << 4 | symbol.type
        if bits == 64:
            rows += struct.pack("<IBBHQQ", at, info, 0, symbol.shndx, symbol.value, symbol.size)
        else:
            rows += struct.pack("<IIIBBH", at, symbol.value, symbol.size, info, 0, symbol.shndx)
    first_global = 1 + sum(symbol.bind == 0 for symbol in symbols)
    return [
        Section(".symtab", SHT_SYMTAB, rows, link=2, info=first_global, entsize=row_size),
        Section(".strtab", SHT_STRTAB, strings),
    ]


def bzimage(
    payload: bytes, unpacked: int, *, version: int = 0x20F, sectors: int = 4, length: int | None = None
) -> bytes:
    """Return a bzImage that consists of a setup header, the payload and the payload's size word."""
    payload += struct.pack("<I", unpacked)
    setup = bytearray((sectors + 1) * 512)
    setup[0x1F1] = sectors
    setup[0x1FE:0x206] = b"\x55\xaa\xeb\x66HdrS"
    struct.pack_into("<H", setup, 0x206, version)
    struct.pack_into("<II", setup, 0x248, 16, len(payload) if length is None else length)
    return bytes(setup) + bytes(16) + payload
