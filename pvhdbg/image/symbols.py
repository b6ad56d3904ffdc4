"""A symbol's address out of a 590 MB vmlinux in milliseconds, through mmap.

The name is sought in the string table, its offset there in a copy of one column of the symbol table: two searches at
memory speed instead of a walk. Source: the System V gABI, "Symbol Table".
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
# Ten times what the largest kernels have: a hostile file may claim any number.
_MOST_SYMBOLS = 2_000_000
_MOST_PLACES = 1_000_000
_FEW_PLACES = 8
_LONGEST_NAME = 4096
_ALIASES = 64
_ENCLOSING = 8


class _Symbol(NamedTuple):
    """Elf32_Sym or Elf64_Sym, its fields in the order of the 64-bit one."""

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
    def is_place(self) -> bool:
        """It names code or data of the image, not an absolute number, a section or a source file."""
        return self.name > 0 and _SHN_UNDEF < self.shndx < _SHN_LORESERVE and self.type not in (_STT_SECTION, _STT_FILE)


class _Layout(NamedTuple):
    """How a class of ELF lays out a symbol. Its value is the second of the words that `word` names."""

    row: Struct
    word: Literal["I", "Q"]


_LAYOUT32 = _Layout(Struct("<IIIBBH"), "I")
_LAYOUT64 = _Layout(Struct("<IBBHQQ"), "Q")


class _Table:
    """The symbol table of a file and its string table, neither of them read before it is asked for."""

    def __init__(self, elf: Elf) -> None:
        self._data = elf.data
        self._is64 = elf.elf_class == CLASS64
        self._layout = _LAYOUT64 if self._is64 else _LAYOUT32
        symtab = next((each for each in elf.sections if each.type == SHT_SYMTAB), None)
        linked = symtab is not None and symtab.link < len(elf.sections)
        self.start = self.count = self._names = self._names_end = 0
        if symtab and linked:
            strtab = elf.sections[symtab.link]
            room = max(min(symtab.size, len(elf.data) - symtab.offset), 0)
            self.start, self.count = symtab.offset, min(room // self._layout.row.size, _MOST_SYMBOLS)
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
        return self._data[start : min(start + _LONGEST_NAME, self._names_end)].partition(b"\0")[0].decode("latin-1")

    def named(self, name: bytes) -> Iterator[_Symbol]:
        """Every symbol of a name. Linkers let a name be the tail of a longer one: each place where it ends counts."""
        strings = self._strings
        offsets = set(islice(occurrences(strings, name + b"\0", 0, len(strings)), _MOST_PLACES))
        if len(offsets) > _FEW_PLACES:
            yield from (self[index] for index, offset in enumerate(self._name_offsets) if offset in offsets)
            return
        for offset in sorted(offsets):
            yield from (self[index] for index in _indices(self._name_column, offset.to_bytes(4, "little")))

    def valued(self, value: int) -> Iterator[_Symbol]:
        size = 8 if self._is64 else 4
        yield from (self[index] for index in _indices(self._value_column, value.to_bytes(size, "little")))

    @cached_property
    def values(self) -> list[int]:
        """Every symbol's value, sorted."""
        return sorted(unpack(f"<{self.count}{self._layout.word}", self._value_column))

    @cached_property
    def _name_offsets(self) -> tuple[int, ...]:
        return unpack(f"<{self.count}I", self._name_column)

    @cached_property
    def _strings(self) -> bytes:
        """The string table. A search of bytes is several times as fast as one of a map."""
        return self._data[self._names : self._names_end]

    @cached_property
    def _name_column(self) -> bytes:
        return self._column("I", 0)

    @cached_property
    def _value_column(self) -> bytes:
        return self._column(self._layout.word, 1)

    def _column(self, word: Literal["I", "Q"], which: int) -> bytes:
        size = self.count * self._layout.row.size
        with memoryview(self._data) as whole, whole[self.start : self.start + size] as rows, rows.cast(word) as words:
            return words[which :: self._layout.row.size // words.itemsize].tobytes()


class Symbols:
    """The symbols of one ELF file; a file without any lacks every one."""

    def __init__(self, path: str) -> None:
        """:raise UserError: if the file can't be read, or is no whole ELF file."""
        self.path = path
        self._found: dict[str, _Symbol | None] = {}
        self._map = map_file(path)
        try:
            elf = read_elf(self._map, path)
        except BaseException:
            self._map.close()
            raise
        self._table = _Table(elf)
        loaded = [each for each in elf.segments if each.type == PT_LOAD and each.memsz]
        self._first = min(loaded, key=lambda each: each.paddr).vaddr if loaded else 0
        self._ranges = [(each.vaddr, each.vaddr + each.memsz) for each in loaded]

    def close(self) -> None:
        self._map.close()

    def __len__(self) -> int:
        return self._table.count

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and self._find(name) is not None

    def address(self, name: str) -> int:
        """A symbol's link address; of two with that name the global one.

        :raise SymbolMissing: if there is none.
        """
        symbol = self._find(name)
        if symbol is None:
            raise SymbolMissing(name)
        return symbol.value

    def at(self, address: int) -> tuple[str, int] | None:
        """The symbol that a link address lies in and the offset there, or null where it lies in none.

        A symbol with a size ends there, one without it at the next symbol. Nothing below the kernel's first load
        address has a name: per-CPU data are linked near 0, and low physical addresses would be named after them.
        """
        if not any(start <= address < end for start, end in self._ranges):
            return None
        values = self._table.values
        end = bisect_right(values, address)
        nearest = True
        for _ in range(_ENCLOSING):
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
        """Of several symbols at one address a function, then a global one."""
        places = [each for each in islice(self._table.valued(value), _ALIASES) if each.is_place]
        return max(places, key=lambda each: (each.type == _STT_FUNC, each.is_global, each.size), default=None)

    def _find(self, name: str) -> _Symbol | None:
        """Each name is sought once: what asks for a stage asks again."""
        if name not in self._found:
            self._found[name] = self._search(name)
        return self._found[name]

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
    """Which words of a column are `word`."""
    for place in occurrences(column, word, 0, len(column)):
        if place % len(word) == 0:
            yield place // len(word)
