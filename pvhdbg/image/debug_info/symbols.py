"""Look up symbols in a vmlinux of 590 MB within milliseconds.

The first search finds the name in the string table. The second finds the name's offset in a copy of one column of the
symbol table. Both are as fast as reading memory, so there is no loop over all symbols. Source: the System V gABI,
"Symbol Table".
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator
from functools import cached_property
from itertools import chain, compress, count, islice
from struct import Struct, calcsize
from typing import TYPE_CHECKING, Literal

from pvhdbg.errors import SymbolMissing
from pvhdbg.image.debug_info import rust_names
from pvhdbg.image.debug_info.lookups import lookups
from pvhdbg.image.file import Buffer, File, occurrences, open_file
from pvhdbg.image.header import CLASS64, PT_LOAD, SHT_SYMTAB, Elf, SectionHeader, read_elf
from pvhdbg.named_tuple import NamedTuple

if TYPE_CHECKING:
    import re
    from pathlib import Path

_SHN_UNDEF, _SHN_LORESERVE = 0, 0xFF00
_STT_FUNC, _STT_SECTION, _STT_FILE = 2, 3, 4
# Five times as many as Debian's kernels have. A hostile file can claim any number.
_MAX_SYMBOLS = 1_000_000
_MAX_NAMES_SIZE = 32 << 20
# A few thousand names in a kernel end in "_end".
_MAX_NAME_OFFSETS = 1 << 16
_MAX_SAME_NAME = 4096
# If there are more words than this, or a word has more matches, one pass over the column is faster than a search for
# each word. Matches include those at an offset that is not a multiple of the word's size.
_FEW_WORDS = 8
_MAX_MATCHES = 4096
_MAX_NAME = 4096
_MAX_ALIASES = 64
_MAX_ENCLOSING = 8
_MAX_MANGLED = 16
_MAX_ADDRESSES = 16
_PLACE = "@{:x}"
"""The key of an address in `lookups`. A symbol may have the same name, so the symbol that is found there is checked."""


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
        """Whether the symbol names code or data, and not an absolute number, a section or a source file."""
        return self.name > 0 and _SHN_UNDEF < self.shndx < _SHN_LORESERVE and self.type not in (_STT_SECTION, _STT_FILE)


class _Layout(NamedTuple):
    """The layout of a symbol in an ELF class. `word` is the struct format of a word; the value is the second word."""

    row: Struct
    word: Literal["I", "Q"]


_LAYOUT32 = _Layout(Struct("<IIIBBH"), "I")
_LAYOUT64 = _Layout(Struct("<IBBHQQ"), "Q")


class _Table:
    """A copy of a file's symbol table and string table.

    Searching bytes is faster than searching a file, and the file can change while the guest runs.
    If the file has more symbols than any kernel, only some are copied, and `left_out` is a remark about this.
    """

    def __init__(self, elf: Elf) -> None:
        self._is64 = elf.elf_class == CLASS64
        self._layout = _LAYOUT64 if self._is64 else _LAYOUT32
        self._rows = self._strings = b""
        self._rows_at = self._strings_at = range(0)
        self.count = 0
        self.left_out: str | None = None
        symtab = next((section for section in elf.sections if section.type == SHT_SYMTAB), None)
        if symtab and symtab.link < len(elf.sections):
            self._find_parts(len(elf.data), symtab, elf.sections[symtab.link])

    def _find_parts(self, file_size: int, symtab: SectionHeader, strtab: SectionHeader) -> None:
        size = max(min(symtab.size, file_size - symtab.offset), 0)
        rows, names = size // self._layout.row.size, min(strtab.size, file_size)
        self.count = min(rows, _MAX_SYMBOLS)
        self._rows_at = range(symtab.offset, symtab.offset + self.count * self._layout.row.size)
        self._strings_at = range(strtab.offset, strtab.offset + min(names, _MAX_NAMES_SIZE))
        if rows > _MAX_SYMBOLS:
            self.left_out = f"only the first {_MAX_SYMBOLS} of {rows} symbols are read"
        elif names > _MAX_NAMES_SIZE:
            self.left_out = f"only the first {_MAX_NAMES_SIZE} bytes of the symbols' names are read"

    def copy(self, data: Buffer) -> None:
        """Copy the tables, for `named`, `with_value` and `name`."""
        self._rows = data[self._rows_at.start : self._rows_at.stop]
        # A file that is becoming shorter gives fewer bytes.
        self.count = len(self._rows) // self._layout.row.size
        self._rows = self._rows[: self.count * self._layout.row.size]
        self._strings = data[self._strings_at.start : self._strings_at.stop]

    def clear(self) -> None:
        self._rows = self._strings = b""

    def read(self, data: Buffer, index: int, name: bytes) -> _Symbol | None:
        """Read one symbol from the file, without a copy; None if it does not have this name."""
        symbol = self._read(data, index)
        return symbol if symbol and self._read_name(data, symbol, len(name) + 1) == name + b"\0" else None

    def read_named(self, data: Buffer, index: int) -> tuple[_Symbol, str] | None:
        """Read one symbol and its name from the file, without a copy; None if there is no such symbol."""
        symbol = self._read(data, index)
        return symbol and (symbol, _text(self._read_name(data, symbol, _MAX_NAME)))

    def _read(self, data: Buffer, index: int) -> _Symbol | None:
        offset = self._rows_at.start + index * self._layout.row.size
        row = data[offset : offset + self._layout.row.size]
        return self._symbol(row) if index < self.count and len(row) == self._layout.row.size else None

    def _read_name(self, data: Buffer, symbol: _Symbol, size: int) -> bytes:
        start = self._strings_at.start + symbol.name
        return data[start : min(start + size, self._strings_at.stop)]

    def __getitem__(self, index: int) -> _Symbol:
        return self._symbol(self._rows, index * self._layout.row.size)

    def _symbol(self, rows: bytes, offset: int = 0) -> _Symbol:
        row = self._layout.row.unpack_from(rows, offset)
        if self._is64:
            return _Symbol._make(row)
        name, value, size, info, other, shndx = row
        return _Symbol(name, info, other, shndx, value, size)

    def name(self, symbol: _Symbol) -> str:
        return _text(self._strings[symbol.name : symbol.name + _MAX_NAME])

    def named(self, name: bytes) -> Iterator[int]:
        """Yield the numbers of the symbols with this name, at most 4096.

        Linkers may store a name as the tail of a longer name, so every occurrence before a NUL is a candidate.
        """
        offsets = occurrences(self._strings, name + b"\0", 0, len(self._strings))
        indices = _indices(self._name_column, "I", set(islice(offsets, _MAX_NAME_OFFSETS)))
        yield from islice(indices, _MAX_SAME_NAME)

    def matches(self, pattern: re.Pattern[bytes]) -> Iterator[bytes]:
        """Yield the parts of the string table that match a pattern."""
        yield from (match[0] for match in pattern.finditer(self._strings))

    def with_value(self, value: int) -> Iterable[int]:
        """Return the numbers of the symbols with this value."""
        return _indices(self._value_column, self._layout.word, {value})

    @cached_property
    def values(self) -> list[int]:
        """The values of all symbols, sorted."""
        with memoryview(self._value_column) as column, column.cast(self._layout.word) as words:
            return sorted(words)

    @cached_property
    def _name_column(self) -> bytes:
        return self._column("I", 0)

    @cached_property
    def _value_column(self) -> bytes:
        return self._column(self._layout.word, 1)

    def _column(self, word: Literal["I", "Q"], index: int) -> bytes:
        """Copy the word at `index` of every row."""
        with memoryview(self._rows) as rows, rows.cast(word) as words:
            return words[index :: self._layout.row.size // words.itemsize].tobytes()


class Symbols:
    """The symbols of one ELF file. A file without a symbol table has no symbols, which is not an error."""

    def __init__(self, path: str, build_id: str | None = None, cache: Path | None = None) -> None:
        """Read the symbols of an ELF file.

        If `cache`, a folder, has the results of earlier searches in this file, the symbol table is copied only for a
        name that was not searched for before. The file stays open until then.

        :raise UserError: if the file can't be read, is not an ELF file, or is truncated.
        """
        self.path = path
        self._cache: dict[str, _Symbol | None] = {}
        self._best: dict[int, int | None] = {}
        self._addresses_kept = 0
        self._file: File | None = open_file(path)
        try:
            elf = read_elf(self._file, path)
            self._table = _Table(elf)
            self.lookups = lookups(cache, build_id, self._file)
            if self.lookups is None:
                self._copy()
        except BaseException:
            self._close_file()
            raise
        loaded = [segment for segment in elf.segments if segment.type == PT_LOAD and segment.memsz]
        self._first = min(loaded, key=lambda segment: segment.paddr).vaddr if loaded else 0
        self._ranges = [(segment.vaddr, segment.vaddr + segment.memsz) for segment in loaded]

    def close(self) -> None:
        """Free the memory. Afterwards, only the number of symbols is known."""
        self._close_file()
        self._table.clear()

    def _close_file(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None

    def _copy(self) -> None:
        """Copy the symbol table, if that was not done before. A file that was written to meanwhile has no symbols."""
        if self._file is not None:
            if not self._file.has_changed():
                self._table.copy(self._file)
            else:
                self.lookups = None
            self._close_file()

    @property
    def left_out(self) -> str | None:
        """A remark if the file has more symbols than any kernel, so that only some were read; None otherwise."""
        return self._table.left_out

    def __len__(self) -> int:
        return self._table.count

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and self._find(name) is not None

    def address(self, name: str) -> int:
        """Return a symbol's link address. Global symbols are preferred to local symbols with the same name.

        :raise SymbolMissing: if there is no such symbol.
        """
        symbol = self._find(name)
        if symbol is None:
            raise SymbolMissing(name)
        return symbol.value

    def enclosing(self, address: int) -> tuple[str, int] | None:
        """Return the symbol that contains a link address, and the offset in the symbol; None if there is no symbol.

        A symbol without a size ends at the next symbol. Addresses below the kernel's first load address have no symbol:
        per-CPU data is linked near 0, so low physical addresses would get the names of per-CPU data.
        """
        if not any(start <= address < end for start, end in self._ranges):
            return None
        known = self._looked_up_before(address)
        if known is not None:
            return known
        self._copy()
        values = self._table.values
        end = bisect_right(values, address)
        nearest = True
        for _ in range(_MAX_ENCLOSING):
            if end == 0 or values[end - 1] < self._first:
                return None
            value = values[end - 1]
            index = self._best_at(value)
            symbol = None if index is None else self._table[index]
            if symbol and (address < value + symbol.size or (symbol.size == 0 and nearest)):
                self._keep(address, index)
                name = self._table.name(symbol)
                return (name, address - value) if name else None
            nearest = nearest and symbol is None
            end = bisect_left(values, value)
        return None

    def _looked_up_before(self, address: int) -> tuple[str, int] | None:
        """Return the symbol that contains an address if an earlier run has searched for it, without a copy."""
        place = _PLACE.format(address)
        if self._file is None or self.lookups is None or place not in self.lookups or self._file.has_changed():
            return None
        index = self.lookups[place]
        found = None if index is None else self._table.read_named(self._file, index)
        if found is None or not (found[0].is_location and found[0].value <= address and found[1]):
            return None
        symbol, name = found
        offset = address - symbol.value
        return (name, offset) if offset < symbol.size or symbol.size == 0 else None

    def _keep(self, address: int, index: int | None) -> None:
        """Store the result of a search for the next run. A run needs few addresses before it shows its first stop."""
        if self.lookups is not None and self._addresses_kept < _MAX_ADDRESSES:
            self._addresses_kept += 1
            self.lookups[_PLACE.format(address)] = index

    def located(self) -> Iterator[tuple[str, int, int, bool]]:
        """Yield the name, the link address and the size of each symbol of code or data, and whether it is a function.

        The size is 0 if the symbol has none.
        """
        self._copy()
        for index in range(self._table.count):
            symbol = self._table[index]
            if symbol.is_location:
                yield self._table.name(symbol), symbol.value, symbol.size, symbol.type == _STT_FUNC

    def _best_at(self, value: int) -> int | None:
        """Return the number of the best symbol at one address: functions first, then global symbols, then the largest.

        The result is cached, because the instructions of a function are in the same symbol.
        """
        if value not in self._best:
            numbers = islice(self._table.with_value(value), _MAX_ALIASES)
            locations = [number for number in numbers if self._table[number].is_location]
            self._best[value] = max(locations, key=lambda number: _rank(self._table[number]), default=None)
        return self._best[value]

    def _find(self, name: str) -> _Symbol | None:
        """Search for a name, and cache the result, because the same few names are looked up at every stage."""
        if name not in self._cache:
            self._cache[name] = self._look_up(name)
        return self._cache[name]

    def _look_up(self, name: str) -> _Symbol | None:
        if not self._table.count or not name or "\0" in name:
            return None
        if rust_names.is_path(name):
            return self._look_up_path(name)
        encoded = name.encode("utf-8", "backslashreplace")
        if self._file is not None and self.lookups is not None and name in self.lookups:
            index = self.lookups[name]
            symbol = None if index is None else self._table.read(self._file, index, encoded)
            if (index is None or symbol is not None) and not self._file.has_changed():
                return symbol
        self._copy()
        index = self._search(encoded)
        if self.lookups is not None:
            self.lookups[name] = index
        return None if index is None else self._table[index]

    def _look_up_path(self, path: str) -> _Symbol | None:
        """Search for a Rust function. Its mangled name must be a whole name in the table."""
        self._copy()
        names = islice(self._table.matches(rust_names.pattern(path)), _MAX_MANGLED)
        indices = (index for name in names if (index := self._search(name)) is not None)
        return next((self._table[index] for index in indices), None)

    def _search(self, name: bytes) -> int | None:
        local = None
        for index in self._table.named(name):
            symbol = self._table[index]
            if symbol.is_defined and symbol.is_global:
                return index
            local = index if local is None and symbol.is_defined else local
        return local


def _text(name: bytes) -> str:
    return name.partition(b"\0")[0].decode("latin-1")


def _rank(symbol: _Symbol) -> tuple[bool, bool, int]:
    return symbol.type == _STT_FUNC, symbol.is_global, symbol.size


def _indices(column: bytes, word: Literal["I", "Q"], values: set[int]) -> Iterable[int]:
    """Return the indices at which a column of words contains one of the values."""
    if len(values) <= _FEW_WORDS:
        size = calcsize(f"<{word}")
        found = [_search(column, value.to_bytes(size, "little")) for value in sorted(values)]
        if None not in found:
            return chain.from_iterable(filter(None, found))
    return compress(count(), map(values.__contains__, memoryview(column).cast(word)))


def _search(column: bytes, word: bytes) -> list[int] | None:
    """Return the indices at which a column contains `word`; None if there are too many matches."""
    matches = list(islice(occurrences(column, word, 0, len(column)), _MAX_MATCHES))
    if len(matches) == _MAX_MATCHES:
        return None
    return [offset // len(word) for offset in matches if offset % len(word) == 0]
