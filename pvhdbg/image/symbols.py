"""Look up a symbol in a 590 MB vmlinux in milliseconds, through mmap.

The name is searched in the string table, then its offset in a copy of one column of the symbol table: two searches at
memory speed instead of a walk over all symbols. Source: the System V gABI, "Symbol Table".
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from functools import cached_property
from itertools import islice
from struct import Struct, unpack
from typing import Literal, NamedTuple

from pvhdbg.errors import SymbolMissing
from pvhdbg.image.header import CLASS64, PT_LOAD, SHT_SYMTAB, Elf, map_file, occurrences, read_elf

_SHN_UNDEF, _SHN_LORESERVE = 0, 0xFF00
_STT_FUNC, _STT_SECTION, _STT_FILE = 2, 3, 4
# Ten times as many as the largest kernels have. A hostile file can claim any number.
_MAX_SYMBOLS = 2_000_000
_MAX_NAME_OFFSETS = 1_000_000
# With more offsets than this, one pass over all symbols is faster than a search for each offset.
_FEW_NAME_OFFSETS = 8
_MAX_NAME = 4096
_MAX_ALIASES = 64
_MAX_ENCLOSING = 8


class _Symbol(NamedTuple):
    """An Elf32_Sym or Elf64_Sym, with the fields in the order of Elf64_Sym."""

    name: int
    info: int
    other: int
    shndx: int
    value: int
    size: int

    @property
    def type(self) -> int:
        return self.info & 0xF

    @property
    def is_global(self) -> bool:
        return self.info >> 4 != 0

    @property
    def is_defined(self) -> bool:
        return self.shndx != _SHN_UNDEF

    @property
    def is_location(self) -> bool:
        """Say whether it names code or data, rather than an absolute number, a section or a source file."""
        return self.name > 0 and _SHN_UNDEF < self.shndx < _SHN_LORESERVE and self.type not in (_STT_SECTION, _STT_FILE)


class _Layout(NamedTuple):
    """The layout of a symbol in an ELF class. Its value is the second word, if `word` is the unit (a struct format)."""

    row: Struct
    word: Literal["I", "Q"]


_LAYOUT32 = _Layout(Struct("<IIIBBH"), "I")
_LAYOUT64 = _Layout(Struct("<IBBHQQ"), "Q")


class _Table:
    """A file's symbol table and string table. Both are read on first use."""

    def __init__(self, elf: Elf) -> None:
        self._data = elf.data
        self._is64 = elf.elf_class == CLASS64
        self._layout = _LAYOUT64 if self._is64 else _LAYOUT32
        symtab = next((section for section in elf.sections if section.type == SHT_SYMTAB), None)
        has_strtab = symtab is not None and symtab.link < len(elf.sections)
        self.start = self.count = self._names = self._names_end = 0
        if symtab and has_strtab:
            strtab = elf.sections[symtab.link]
            size = max(min(symtab.size, len(elf.data) - symtab.offset), 0)
            self.start, self.count = symtab.offset, min(size // self._layout.row.size, _MAX_SYMBOLS)
            self._names = min(strtab.offset, len(elf.data))
            self._names_end = min(strtab.offset + strtab.size, len(elf.data))

    def __getitem__(self, index: int) -> _Symbol:
        row = self._layout.row.unpack_from(self._data, self.start + index * self._layout.row.size)
        if self._is64:
            return _Symbol._make(row)
        name, value, size, info, other, shndx = row
        return _Symbol(name, info, other, shndx, value, size)

    def name(self, symbol: _Symbol) -> str:
        start = self._names + symbol.name
        return self._data[start : min(start + _MAX_NAME, self._names_end)].partition(b"\0")[0].decode("latin-1")

    def named(self, name: bytes) -> Iterator[_Symbol]:
        """Yield every symbol with this name.

        Linkers store a name as the tail of a longer one, so every occurrence that ends in a NUL is a candidate.
        """
        strings = self._strings
        offsets = set(islice(occurrences(strings, name + b"\0", 0, len(strings)), _MAX_NAME_OFFSETS))
        if len(offsets) > _FEW_NAME_OFFSETS:
            yield from (self[index] for index, offset in enumerate(self._name_offsets) if offset in offsets)
            return
        for offset in sorted(offsets):
            yield from (self[index] for index in _indices(self._name_column, offset.to_bytes(4, "little")))

    def with_value(self, value: int) -> Iterator[_Symbol]:
        size = 8 if self._is64 else 4
        yield from (self[index] for index in _indices(self._value_column, value.to_bytes(size, "little")))

    @cached_property
    def values(self) -> list[int]:
        """The values of all symbols, sorted."""
        return sorted(unpack(f"<{self.count}{self._layout.word}", self._value_column))

    @cached_property
    def _name_offsets(self) -> tuple[int, ...]:
        return unpack(f"<{self.count}I", self._name_column)

    @cached_property
    def _strings(self) -> bytes:
        """The string table, copied: searching bytes is several times as fast as searching an mmap."""
        return self._data[self._names : self._names_end]

    @cached_property
    def _name_column(self) -> bytes:
        return self._column("I", 0)

    @cached_property
    def _value_column(self) -> bytes:
        return self._column(self._layout.word, 1)

    def _column(self, word: Literal["I", "Q"], index: int) -> bytes:
        """Copy the word at `index` of every row."""
        size = self.count * self._layout.row.size
        with memoryview(self._data) as whole, whole[self.start : self.start + size] as rows, rows.cast(word) as words:
            return words[index :: self._layout.row.size // words.itemsize].tobytes()


class Symbols:
    """The symbols of one ELF file. A file without a symbol table has no symbols; that is not an error."""

    def __init__(self, path: str) -> None:
        """:raise UserError: if the file can't be read, is not an ELF file, or is truncated."""
        self.path = path
        self._cache: dict[str, _Symbol | None] = {}
        self._map = map_file(path)
        try:
            elf = read_elf(self._map, path)
        except BaseException:
            self._map.close()
            raise
        self._table = _Table(elf)
        loaded = [segment for segment in elf.segments if segment.type == PT_LOAD and segment.memsz]
        self._first = min(loaded, key=lambda segment: segment.paddr).vaddr if loaded else 0
        self._ranges = [(segment.vaddr, segment.vaddr + segment.memsz) for segment in loaded]

    def close(self) -> None:
        self._map.close()

    def __len__(self) -> int:
        return self._table.count

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and self._find(name) is not None

    def address(self, name: str) -> int:
        """Return a symbol's link address. A global symbol is preferred to a local one with the same name.

        :raise SymbolMissing: if there is no such symbol.
        """
        symbol = self._find(name)
        if symbol is None:
            raise SymbolMissing(name)
        return symbol.value

    def enclosing(self, address: int) -> tuple[str, int] | None:
        """Return the symbol that contains a link address and the offset in it; None if no symbol contains it.

        A symbol without a size ends at the next symbol. Addresses below the kernel's first load address have no symbol:
        per-CPU data is linked near 0, and low physical addresses would get its names.
        """
        if not any(start <= address < end for start, end in self._ranges):
            return None
        values = self._table.values
        end = bisect_right(values, address)
        nearest = True
        for _ in range(_MAX_ENCLOSING):
            if end == 0 or values[end - 1] < self._first:
                return None
            value = values[end - 1]
            symbol = self._best_at(value)
            if symbol and (address < value + symbol.size or (symbol.size == 0 and nearest)):
                name = self._table.name(symbol)
                return (name, address - value) if name else None
            nearest = nearest and symbol is None
            end = bisect_left(values, value)
        return None

    def _best_at(self, value: int) -> _Symbol | None:
        """Choose among the symbols at one address: functions first, then global symbols, then the largest."""
        symbols = [symbol for symbol in islice(self._table.with_value(value), _MAX_ALIASES) if symbol.is_location]
        return max(symbols, key=lambda symbol: (symbol.type == _STT_FUNC, symbol.is_global, symbol.size), default=None)

    def _find(self, name: str) -> _Symbol | None:
        """Search a name, and cache the result: the same few names are looked up at every stage."""
        if name not in self._cache:
            self._cache[name] = self._search(name)
        return self._cache[name]

    def _search(self, name: str) -> _Symbol | None:
        if not self._table.count or not name or "\0" in name:
            return None
        local = None
        for symbol in self._table.named(name.encode()):
            if symbol.is_defined and symbol.is_global:
                return symbol
            local = local or (symbol if symbol.is_defined else None)
        return local


def _indices(column: bytes, word: bytes) -> Iterator[int]:
    """Yield the indices at which a column contains `word`."""
    for offset in occurrences(column, word, 0, len(column)):
        if offset % len(word) == 0:
            yield offset // len(word)
