"""The layouts of C structures, from a kernel's DWARF: sizes, and offsets of members.

Only the compilation unit that contains a given function is read, and in it only the structures at file level. In a
vmlinux with 200 MB of .debug_info, this takes milliseconds. Where the debug information is missing, damaged or in an
unusual format, there are no layouts.

Source: DWARF Debugging Information Format, versions 4 and 5: sections 6.1.2 (aranges), 7.5 (units and forms).
"""

from __future__ import annotations

import struct
from collections.abc import Collection, Iterator, Mapping
from itertools import islice
from typing import TYPE_CHECKING

from pvhdbg.image.file import occurrences
from pvhdbg.image.header import CLASS64, read_elf
from pvhdbg.lazy_pattern import pattern
from pvhdbg.named_tuple import NamedTuple

if TYPE_CHECKING:
    from pvhdbg.image.file import Buffer
    from pvhdbg.image.header import Elf

BUILD_FOLDER = pattern(r"^/.*?/linux-[^/]*/")
"""The folder in which a distribution unpacked the kernel's source: assembly has its absolute path."""

_TAG_MEMBER, _TAG_STRUCTURE = 0x0D, 0x13
_AT_SIBLING, _AT_NAME, _AT_BYTE_SIZE, _AT_MEMBER_LOCATION, _AT_DATA_BIT_OFFSET = 0x01, 0x03, 0x0B, 0x38, 0x6B
_FORM_STRING, _FORM_INDIRECT, _FORM_IMPLICIT_CONST = 0x08, 0x16, 0x21
_FIXED = {
    **dict.fromkeys((0x0B, 0x0C, 0x11, 0x25, 0x29), 1),  # data1, flag, ref1, strx1, addrx1
    **dict.fromkeys((0x05, 0x12, 0x26, 0x2A), 2),  # data2, ref2, strx2, addrx2
    **dict.fromkeys((0x27, 0x2B), 3),  # strx3, addrx3
    # data4, strp, ref_addr, ref4, sec_offset, ref_sup4, strp_sup, line_strp, strx4, addrx4
    **dict.fromkeys((0x06, 0x0E, 0x10, 0x13, 0x17, 0x1C, 0x1D, 0x1F, 0x28, 0x2C), 4),
    **dict.fromkeys((0x07, 0x14, 0x20, 0x24), 8),  # data8, ref8, ref_sig8, ref_sup8
    0x1E: 16,  # data16
    0x19: 0,  # flag_present
}
_VARIABLE = (0x0D, 0x0F, 0x15, 0x1A, 0x1B, 0x22, 0x23)
"""Forms of one LEB128 number: sdata, udata, ref_udata, strx, addrx, loclistx, rnglistx."""
_BLOCKS = {0x0A: 1, 0x03: 2, 0x04: 4, 0x09: 0, 0x18: 0}
"""Forms that begin with their length: block1, block2, block4, and, with a LEB128 number, block and exprloc."""

_MAX_ARANGES, _MAX_STRINGS, _MAX_UNIT, _MAX_ABBREVS = 4 << 20, 16 << 20, 1 << 19, 1 << 16
"""The limits in bytes. In Debian's kernels, the strings have 4.6 MB, and the units that are read 0.1 MB."""
_MAX_NAME_OFFSETS = 4096
_SHF_COMPRESSED = 1 << 11


class StructLayout(NamedTuple):
    """The size of a structure in bytes, and the offsets of its members."""

    size: int
    members: Mapping[str, int]


class _Abbreviation(NamedTuple):
    tag: int
    has_children: bool
    attributes: tuple[tuple[int, int, int], ...]
    """Attribute, form, and the value of an implicit constant."""


def struct_layouts(data: Buffer, path: str, function: int, names: Collection[str]) -> dict[str, StructLayout]:
    """Return the layouts of these structures, as the unit of the function at a link address knows them.

    :raise UserError: if the file is not an ELF file, or cannot be read.
    """
    elf = read_elf(data, path)
    try:
        offset = unit_of(elf, function)
        return {} if offset is None else dict(_Unit(elf, offset).structures(names))
    except (IndexError, KeyError, struct.error, RecursionError):
        return {}


def _contents(elf: Elf, name: bytes, start: int, size: int) -> bytes:
    """Return part of a section: at most `size` bytes; no bytes if the file has no such section or compresses it."""
    section = elf.section(name)
    if section is None or section.flags & _SHF_COMPRESSED:
        return b""
    return elf.data[section.offset + min(start, section.size) : section.offset + min(start + size, section.size)]


def unit_of(elf: Elf, address: int) -> int | None:
    """Return the offset in .debug_info of the unit that has code at an address."""
    data = _contents(elf, b".debug_aranges", 0, _MAX_ARANGES)
    word = 8 if elf.elf_class == CLASS64 else 4
    pair, start = struct.Struct("<QQ" if word == 8 else "<II"), 0
    while start + 12 <= len(data):
        length, _, unit, size, _ = struct.unpack_from("<IHIBB", data, start)
        end = min(start + 4 + length, len(data))
        first = start + 12 + -12 % (2 * word)
        if size == word and first < end:
            ranges = data[first : end - (end - first) % pair.size]
            if any(low <= address < low + count for low, count in pair.iter_unpack(ranges)):
                return int(unit)
        start = end
    return None


class _Unit:
    """A compilation unit of 32-bit DWARF."""

    def __init__(self, elf: Elf, offset: int) -> None:
        header = _contents(elf, b".debug_info", offset, 12)
        length, version = struct.unpack_from("<IH", header)
        abbrevs, word = struct.unpack_from("<IB", header, 6) if version < 5 else (0, header[7])
        if version >= 5:
            (abbrevs,) = struct.unpack_from("<I", header, 8)
        self._first = 11 if version < 5 else 12
        self._data = _contents(elf, b".debug_info", offset, min(length + 4, _MAX_UNIT))
        self._strings = _contents(elf, b".debug_str", 0, _MAX_STRINGS)
        self._abbreviations = _abbreviations(_contents(elf, b".debug_abbrev", abbrevs, _MAX_ABBREVS))
        self._sizes = {**_FIXED, 0x01: word}  # addr

    def structures(self, names: Collection[str]) -> Iterator[tuple[str, StructLayout]]:
        """Yield the structures at file level that have one of these names and are complete."""
        wanted = {offset: name for name in names for offset in islice(self._offsets(name), _MAX_NAME_OFFSETS)}
        at, _, _ = self._entry(self._first)
        while at < len(self._data):
            children, abbreviation, values = self._entry(at)
            if abbreviation is None:
                return
            name = wanted.get(values.get(_AT_NAME, -1)) if abbreviation.tag == _TAG_STRUCTURE else None
            if name is not None and _AT_BYTE_SIZE in values:
                yield name, StructLayout(values[_AT_BYTE_SIZE], dict(self._members(children)))
            at = self._after(children, abbreviation, values)

    def _offsets(self, name: str) -> Iterator[int]:
        """Yield the offsets of a name in the strings. Linkers may store it as the tail of a longer string."""
        return occurrences(self._strings, name.encode() + b"\0", 0, len(self._strings))

    def _members(self, at: int) -> Iterator[tuple[str, int]]:
        while True:
            children, abbreviation, values = self._entry(at)
            if abbreviation is None:
                return
            if abbreviation.tag == _TAG_MEMBER and _AT_NAME in values:
                bit_field = values.get(_AT_DATA_BIT_OFFSET, 0) // 8
                yield self._string(values[_AT_NAME]), values.get(_AT_MEMBER_LOCATION, bit_field)
            at = self._after(children, abbreviation, values)

    def _after(self, at: int, abbreviation: _Abbreviation, values: Mapping[int, int]) -> int:
        """Return the offset of the next entry that is not below this one; `at` is where its children begin."""
        if not abbreviation.has_children:
            return at
        if values.get(_AT_SIBLING, 0) >= at:
            return values[_AT_SIBLING]
        depth = 1
        while depth:
            at, child, _ = self._entry(at)
            depth += -1 if child is None else child.has_children
        return at

    def _entry(self, at: int) -> tuple[int, _Abbreviation | None, dict[int, int]]:
        """Return the offset after an entry, its abbreviation (None at the end of a list), and its integer attributes.

        The value of a name is its offset in the strings or, for a name that is in the entry itself, its negative
        offset in the unit.
        """
        code, at = _leb128(self._data, at)
        if code == 0:
            return at, None, {}
        abbreviation, values = self._abbreviations[code], dict[int, int]()
        for attribute, form, constant in abbreviation.attributes:
            start = at
            at, value = self._value(form, at)
            if form == _FORM_STRING:
                values[attribute] = -start
            elif form == _FORM_IMPLICIT_CONST:
                values[attribute] = constant
            elif value is not None:
                values[attribute] = value
        return at, abbreviation, values

    def _value(self, form: int, at: int) -> tuple[int, int | None]:
        """Return the offset after a value, and the value if it is an integer."""
        data = self._data
        size = self._sizes.get(form)
        if size is not None:
            if at + size > len(data):
                raise IndexError
            return at + size, int.from_bytes(data[at : at + size], "little")
        if form in _VARIABLE:
            value, at = _leb128(data, at)
            return at, value
        if form == _FORM_STRING:
            return data.find(b"\0", at) + 1 or len(data), None
        if form == _FORM_IMPLICIT_CONST:
            return at, None
        if form == _FORM_INDIRECT:
            form, at = _leb128(data, at)
            return self._value(form, at)
        size = _BLOCKS[form]
        length, at = (int.from_bytes(data[at : at + size], "little"), at + size) if size else _leb128(data, at)
        return at + length, None

    def _string(self, at: int) -> str:
        data, start = (self._data, -at) if at < 0 else (self._strings, at)
        return data[start : start + 64].partition(b"\0")[0].decode("latin-1")


def _abbreviations(data: bytes) -> dict[int, _Abbreviation]:
    result, at = dict[int, _Abbreviation](), 0
    while True:
        code, at = _leb128(data, at)
        if code == 0:
            return result
        tag, at = _leb128(data, at)
        has_children, attributes = bool(data[at]), list[tuple[int, int, int]]()
        at += 1
        while True:
            attribute, at = _leb128(data, at)
            form, at = _leb128(data, at)
            constant, at = _leb128(data, at) if form == _FORM_IMPLICIT_CONST else (0, at)
            if not attribute:
                break
            attributes.append((attribute, form, constant))
        result[code] = _Abbreviation(tag, has_children, tuple(attributes))


def _leb128(data: bytes, at: int) -> tuple[int, int]:
    """Return an unsigned LEB128 number, and the offset after it."""
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7
        if shift > 63:
            raise IndexError
