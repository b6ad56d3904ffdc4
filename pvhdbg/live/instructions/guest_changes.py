"""What was changed in a copy of the teaching guest: its functions and variables, compared with those of the original.

A change moves everything that comes after it. So addresses in instructions and in data are replaced by names before two
functions or variables are compared.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections import defaultdict
from contextlib import closing, suppress
from functools import cached_property
from itertools import islice, pairwise
from pathlib import Path
from typing import TYPE_CHECKING

from pvhdbg import guest
from pvhdbg.errors import PvhdbgError, UserError
from pvhdbg.guest_profiles.linux import TEACHING
from pvhdbg.image.debug_info.source_lines import SourceLines
from pvhdbg.image.debug_info.symbols import Symbols
from pvhdbg.image.facts import parse_facts
from pvhdbg.image.file import open_file
from pvhdbg.image.header import read_elf
from pvhdbg.lazy_pattern import pattern
from pvhdbg.live.instructions.decode import Decoder
from pvhdbg.named_tuple import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pvhdbg.image.facts import ImageFacts

CHANGED, NEW, REMOVED = "changed", "new", "removed"
FOLDER = "original"
"""The folder in a copy of the source that has the unchanged source, and the guest that was built from it."""

_SHOWN = 6
_LARGEST, _LARGEST_CONTENT = 16 << 20, 1 << 20
_MAX_SYMBOLS, _MAX_FUNCTION, _MAX_STRING = 4096, 1 << 16, 1024
_NUMBER = pattern(r"(-?)0x([0-9a-f]{1,16})(\(%rip\))?")
_COPY = pattern(r"\.\d+$")
_TEXT = pattern(rb"[\t\n -~]*\0")
_PAGE = 4096
_BUILD_ID = "GNU"


class Change(NamedTuple):
    """A changed function, variable or note. `what` is CHANGED, NEW or REMOVED; `source` is FILE:LINE, or None."""

    name: str
    what: str
    source: str | None
    before: int
    after: int

    @property
    def file(self) -> str | None:
        return self.source.rpartition(":")[0] if self.source else None


class GuestChanges(NamedTuple):
    """All changes. `problem` says why the two files can't be compared; None if they were."""

    changes: tuple[Change, ...]
    problem: str | None = None


def is_copy(facts: ImageFacts) -> bool:
    """Return whether a kernel is a teaching guest that was changed, or built again."""
    return facts.guest == TEACHING.name and Path(facts.elf).resolve() != guest.ELF.resolve()


def guest_changes(facts: ImageFacts) -> GuestChanges | None:
    """Compare a copy of the teaching guest with the original; return None for any other kernel."""
    if not is_copy(facts):
        return None
    try:
        ours = _Guest(facts.elf)
        original = _original(ours, facts)
        found = GuestChanges(() if ours.loaded() == original.loaded() else tuple(_changes(original, ours)))
    except PvhdbgError as error:
        return GuestChanges((), str(error))
    return found


def summary(found: GuestChanges) -> str:
    """Return one line: which functions and variables of which files differ."""
    files: dict[str, list[str]] = defaultdict(list)
    for change in found.changes:
        files[change.file or ""].append(change.name if change.what == CHANGED else f"{change.name} ({change.what})")
    parts = [f"{file}: {_listed(names)}" if file else _listed(names) for file, names in files.items()]
    return f"this kernel differs from pvhdbg's teaching guest in {'; '.join(parts[:_SHOWN])}{_more(len(parts))}"


def _listed(names: list[str]) -> str:
    return ", ".join(names[:_SHOWN]) + _more(len(names))


def _more(count: int) -> str:
    return f" and {count - _SHOWN} more" if count > _SHOWN else ""


def _original(ours: _Guest, facts: ImageFacts) -> _Guest:
    """Return the original that the same compiler built: pvhdbg's, or the one in the folder `original`.

    :raise UserError: if there is none.
    """
    packaged = _Guest(str(guest.ELF))
    if packaged.compiler == ours.compiler:
        return packaged
    path = Path(facts.path).parent / FOLDER / Path(facts.path).name
    with suppress(UserError):
        original = _Guest(str(path))
        if original.compiler == ours.compiler:
            return original
    raise UserError("built with a different compiler than pvhdbg's teaching guest", "run make in its folder")


class _Symbol(NamedTuple):
    name: str
    address: int
    size: int
    is_function: bool


class _Guest:
    """A teaching guest: its symbols, and the bytes of each."""

    def __init__(self, path: str) -> None:
        """:raise UserError: if the file can't be read, is damaged, or is too large."""
        self.path = path
        with closing(open_file(path)) as data:
            if len(data) > _LARGEST:
                raise UserError(f"{path}: larger than any teaching guest")
            self._data = data[: len(data)]
        self.facts = parse_facts(self._data, path)
        elf = read_elf(self._data, path)
        comment = elf.section(b".comment")
        self.compiler = self._data[comment.offset : comment.offset + comment.size] if comment else b""

    def loaded(self) -> list[bytes]:
        """Return the bytes of each segment, without the build-id, which differs in each build."""
        build_id = bytes.fromhex(self.facts.build_id or "")
        parts = [self._data[one.offset : one.offset + one.filesz] for one in self.facts.segments]
        return [part.replace(build_id, b"") if build_id else part for part in parts]

    @cached_property
    def _all(self) -> list[_Symbol]:
        """The symbols of code and data, by address."""
        with closing(Symbols(self.path)) as symbols:
            located = [
                _Symbol(_base(name), address, size, is_function)
                for name, address, size, is_function in islice(symbols.located(), _MAX_SYMBOLS)
            ]
        return sorted(located, key=lambda symbol: (symbol.address, -symbol.size))

    @cached_property
    def _sized(self) -> list[_Symbol]:
        return [symbol for symbol in self._all if symbol.size]

    @cached_property
    def _at(self) -> dict[int, str]:
        return {symbol.address: symbol.name for symbol in reversed(self._all)}

    @cached_property
    def symbols(self) -> dict[str, list[_Symbol]]:
        """The functions and variables by name. A variable without a size ends at the next one without a size.

        :raise UserError: if they are larger than those of any teaching guest.
        """
        found: dict[str, list[_Symbol]] = defaultdict(list)
        for symbol, following in pairwise([*self._all, _Symbol("", 1 << 64, 1, is_function=False)]):
            if symbol.size or symbol.is_function:
                found[symbol.name].append(symbol)
            elif not following.size and following.address > symbol.address:
                found[symbol.name].append(symbol._replace(size=following.address - symbol.address))
        if sum(len(self.read(symbol)) for same in found.values() for symbol in same) > _LARGEST_CONTENT:
            raise UserError(f"{self.path}: larger than any teaching guest")
        return found

    def read(self, symbol: _Symbol) -> bytes:
        """Return the bytes of a symbol that are in the file; none of a variable that begins as zeros."""
        for segment in self.facts.segments:
            offset = symbol.address - segment.vaddr
            if 0 <= offset < segment.filesz:
                end = min(offset + min(symbol.size, _MAX_FUNCTION), segment.filesz)
                return self._data[segment.offset + offset : segment.offset + end]
        return b""

    def content(self, symbol: _Symbol, decoder: Decoder) -> list[str]:
        """Return the instructions or the words of a symbol, with names instead of addresses."""
        code = self.read(symbol)
        if not symbol.is_function:
            return list(self._words(code))
        is_entry = self.facts.entry is not None and self.facts.to_paddr(symbol.address) == self.facts.entry
        lines = decoder.texts(code, symbol.address, 32 if is_entry else 64)
        return [
            _NUMBER.sub(lambda found, end=at + size: self._named(found, end), text)  # type: ignore[misc]
            for at, size, text in lines
        ]

    def _named(self, found: re.Match[str], end: int) -> str:
        """Return what a number in an instruction stands for: a symbol, a text, or the number itself."""
        number = -int(found[2], 16) if found[1] else int(found[2], 16)
        if found[3]:
            number += end
        return self._name(number & (1 << 64) - 1) or self._name(number & (1 << 32) - 1) or found[0]

    def _name(self, number: int) -> str | None:
        """Return the name of an address, virtual or physical; None if no segment contains it."""
        address = number if self.facts.to_paddr(number) is not None else self.facts.to_vaddr(number)
        if address is None:
            return None
        if address in self._at:
            return self._at[address]
        at = bisect_right(self._sized, address, key=lambda symbol: symbol.address)
        if at and address < self._sized[at - 1].address + self._sized[at - 1].size:
            return f"{self._sized[at - 1].name}+{address - self._sized[at - 1].address:#x}"
        text = _TEXT.match(self.read(_Symbol("", address, _MAX_STRING, is_function=False)))
        return repr(text[0]) if text else "data"

    def _words(self, data: bytes) -> Iterator[str]:
        """Yield data byte by byte, but with the name of a symbol where its address is."""
        at = 0
        while at < len(data):
            size, name = self._pointer(data[at : at + 8])
            yield name
            at += size

    def _pointer(self, data: bytes) -> tuple[int, str]:
        wide, narrow = int.from_bytes(data, "little"), int.from_bytes(data[:4], "little")
        if len(data) == 8 and self.facts.to_paddr(wide) is not None:
            return 8, self._name(wide) or ""
        for paddr, flags in ((narrow, 0), (narrow & -_PAGE, narrow & _PAGE - 1)):
            address = self.facts.to_vaddr(paddr) if len(data) >= 4 else None
            if address in self._at:
                return 4, f"{self._at[address]}+{flags:#x}"
        return 1, f"{data[0]:02x}"

    def sources(self, symbols: list[_Symbol]) -> list[str | None]:
        """Return the first source line of each function."""
        with closing(SourceLines(self.path)) as lines:
            return [lines.at(symbol.address).source if symbol.is_function else None for symbol in symbols]


def _base(name: str) -> str:
    """Return a symbol's name in C: the compiler adds a number to the names of static variables in functions."""
    return _COPY.sub("", name)


def _changes(original: _Guest, ours: _Guest) -> Iterator[Change]:
    yield from _notes(original.facts, ours.facts)
    decoder, found = Decoder(), []
    for name in dict.fromkeys((*original.symbols, *ours.symbols)):
        before, after = original.symbols.get(name, []), ours.symbols.get(name, [])
        if [original.content(one, decoder) for one in before] != [ours.content(one, decoder) for one in after] or (
            [one.size for one in before if not one.is_function] != [one.size for one in after if not one.is_function]
        ):
            found.append((name, before, after))
    sources = ours.sources([after[0] for _, _, after in found if after])
    olds = original.sources([before[0] for _, before, after in found if not after])
    for name, before, after in found:
        what = NEW if not before else CHANGED if after else REMOVED
        source = sources.pop(0) if after else olds.pop(0)
        yield Change(name, what, source, sum(one.size for one in before), sum(one.size for one in after))


def _notes(original: ImageFacts, ours: ImageFacts) -> Iterator[Change]:
    """Yield the changed ELF notes, except the build-id, which differs in each build."""
    from pvhdbg.abi.notes import note_name

    before, after = (
        {(note.owner, note.type): note.desc for note in facts.notes if note.owner != _BUILD_ID}
        for facts in (original, ours)
    )
    for key in dict.fromkeys((*before, *after)):
        old, new = before.get(key), after.get(key)
        if old != new:
            what = NEW if old is None else CHANGED if new is not None else REMOVED
            yield Change(f"note {note_name(*key)}", what, None, len(old or b""), len(new or b""))
