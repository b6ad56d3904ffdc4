"""Small ELF files and bzImages, made to measure: right ones, and wrong in one chosen way."""

import struct
from typing import NamedTuple

PT_LOAD, PT_NOTE = 1, 4
SHT_PROGBITS, SHT_SYMTAB, SHT_STRTAB, SHT_NOTE, SHT_NOBITS = 1, 2, 3, 7, 8
EM_386, EM_X86_64, EM_ARM = 3, 62, 40

# Three places in `CODE`; each ends QEMU with an exit status of its own.
ENTRY, OTHER, E_ENTRY = 0x100000, 0x100040, 0x100080
EXIT_STATUS = {33: ENTRY, 35: OTHER, 37: E_ENTRY}


class Segment(NamedTuple):
    """A program header and its bytes; None leaves a number to be worked out."""

    type: int
    data: bytes
    paddr: int = ENTRY
    vaddr: int | None = None
    memsz: int | None = None
    filesz: int | None = None
    align: int = 4
    offset: int | None = None


class Section(NamedTuple):
    """A section header and its bytes."""

    name: str
    type: int
    data: bytes
    addr: int = 0
    link: int = 0
    info: int = 0
    entsize: int = 0


class Symbol(NamedTuple):
    """A row of the symbol table: type 2 is a function, 0 a label; bind 0 is local; shndx 0xfff1 an absolute number."""

    name: str
    value: int
    size: int = 0
    type: int = 2
    bind: int = 1
    shndx: int = 1


def exit_code(status: int) -> bytes:
    """32-bit code that ends QEMU with this odd exit status through isa-debug-exit at port 0x501, then halts."""
    return b"\x66\xba\x01\x05\xb0" + bytes([status >> 1]) + b"\xee\xf4\xeb\xfd"


CODE = b"".join(exit_code(status).ljust(0x40, b"\x90") for status in EXIT_STATUS)


def note(entry: int = ENTRY, *, owner: bytes = b"Xen\0", kind: int = 18, size: int = 4, pad: int = 4) -> bytes:
    """A note with a number in it, by default the PVH one."""
    return raw_note(owner, kind, entry.to_bytes(size, "little"), pad)


def raw_note(owner: bytes, kind: int, desc: bytes, pad: int = 4) -> bytes:
    """A note of any content, its name and descriptor padded to `pad`."""
    return struct.pack("<III", len(owner), len(desc), kind) + padded(owner, pad) + padded(desc, pad)


def padded(data: bytes, pad: int) -> bytes:
    return data + bytes(-len(data) % pad)


def load(data: bytes = CODE, *, paddr: int = ENTRY, vaddr: int | None = None, **sizes: int) -> Segment:
    """A PT_LOAD segment, by default `CODE` at ENTRY."""
    return Segment(PT_LOAD, data, paddr, vaddr, sizes.get("memsz"), sizes.get("filesz"), sizes.get("align", 0x1000))


def notes(*parts: bytes, align: int = 4, filesz: int | None = None) -> Segment:
    """A PT_NOTE segment of these notes."""
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
    """An ELF file: headers, the segments' bytes each at a multiple of 16, `tail`, the sections' bytes and headers."""
    header_size, row = (64, 56) if bits == 64 else (52, 32)
    start = header_size + row * len(segments)
    headers, body = b"", bytearray()
    for each in segments:
        body += bytes(-(start + len(body)) % 16)
        headers += _program_header(each, start + len(body), bits)
        body += each.data
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


def _program_header(each: Segment, offset: int, bits: int) -> bytes:
    offset = offset if each.offset is None else each.offset
    filesz = len(each.data) if each.filesz is None else each.filesz
    memsz = filesz if each.memsz is None else each.memsz
    vaddr = each.paddr if each.vaddr is None else each.vaddr
    if bits == 64:
        return struct.pack("<IIQQQQQQ", each.type, 7, offset, vaddr, each.paddr, filesz, memsz, each.align)
    return struct.pack("<8I", each.type, offset, vaddr, each.paddr, filesz, memsz, 7, each.align)


def _sections(sections: list[Section], start: int, bits: int) -> tuple[bytes, bytes]:
    """The table of section headers with .shstrtab as its last row, and the sections' bytes."""
    if not sections:
        return b"", b""
    names = b"\0" + b"".join(each.name.encode() + b"\0" for each in sections) + b".shstrtab\0"
    table, contents, name = bytes(64 if bits == 64 else 40), b"", 1
    for each in [*sections, Section(".shstrtab", SHT_STRTAB, names)]:
        place = (each.addr, start + len(contents), len(each.data))
        form = "<IIQQQQIIQQ" if bits == 64 else "<10I"
        table += struct.pack(form, name, each.type, 2, *place, each.link, each.info, 8, each.entsize)
        contents += padded(each.data, 8)
        name += len(each.name) + 1
    return table, contents


def symbol_sections(symbols: list[Symbol], *, bits: int = 64) -> list[Section]:
    """.symtab and .strtab as sections 1 and 2; a name that is the tail of an earlier one shares its bytes."""
    strings, row_size = b"\0", 24 if bits == 64 else 16
    rows = bytes(row_size)
    for each in sorted(symbols, key=lambda each: each.bind != 0):
        name = each.name.encode("latin-1") + b"\0"
        strings += b"" if name in strings else name
        at, info = strings.find(name), each.bind << 4 | each.type
        if bits == 64:
            rows += struct.pack("<IBBHQQ", at, info, 0, each.shndx, each.value, each.size)
        else:
            rows += struct.pack("<IIIBBH", at, each.value, each.size, info, 0, each.shndx)
    first_global = 1 + sum(each.bind == 0 for each in symbols)
    return [
        Section(".symtab", SHT_SYMTAB, rows, link=2, info=first_global, entsize=row_size),
        Section(".strtab", SHT_STRTAB, strings),
    ]


def bzimage(
    payload: bytes, unpacked: int, *, version: int = 0x20F, sectors: int = 4, length: int | None = None
) -> bytes:
    """A bzImage of nothing but its setup header and payload, which gets its size word."""
    payload += struct.pack("<I", unpacked)
    setup = bytearray((sectors + 1) * 512)
    setup[0x1F1] = sectors
    setup[0x1FE:0x206] = b"\x55\xaa\xeb\x66HdrS"
    struct.pack_into("<H", setup, 0x206, version)
    struct.pack_into("<II", setup, 0x248, 16, len(payload) if length is None else length)
    return bytes(setup) + bytes(16) + payload
