"""Code: instructions, and the source lines that they were made from, in the order of their addresses."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from pvhdbg.named_tuple import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from pvhdbg.live.gdb.breakpoints import Line

_NUMBER = re.compile(r"(?<![-\w])0x[0-9a-f]{1,16}\b")
MOST_SOURCE = 1 << 20
_LEAD, _GAP = 6, 12
"""The most source lines that are shown above the first one, and between two that follow each other."""


class CodeLine(NamedTuple):
    """An instruction (`address`, and its bytes), or a line of source (`number` in the file `path`).

    `source` is FILE:LINE of an instruction; a line of source has it if the file cannot be read. `current` marks what is
    at RIP.
    """

    text: str
    address: int | None = None
    number: int | None = None
    current: bool = False
    breakpoint: bool = False
    raw: bytes = b""
    path: str = ""
    source: str = ""

    @property
    def place(self) -> int | Line | None:
        """Where to set a breakpoint for this line; None if it is only text."""
        return self.address if self.number is None else (self.path, self.number)


class Code(NamedTuple):
    """Lines of code. `title` says what they are; `why` is the reason why there are no lines."""

    title: str = ""
    lines: tuple[CodeLine, ...] = ()
    why: str = ""


class Place(NamedTuple):
    """A source line. `path` is the file's full name, `name` its name in the debug information."""

    path: str
    name: str
    number: int

    def __str__(self) -> str:
        return f"{self.name}:{self.number}"


def with_source(instructions: Sequence[CodeLine], places: Mapping[int, Place]) -> Iterator[CodeLine]:
    """Yield the instructions, with source lines above them. `places` are by the address where a line's code begins."""
    files = _Files()
    place: Place | None = None
    for instruction in instructions:
        known = places.get(instruction.address or 0)
        if known is not None and known != place:
            place = known
            current = any(line.current for line in _of_block(instructions, instruction, places))
            yield from files.lines(place, current=current)
        yield instruction._replace(source=str(place) if place else "")


def _of_block(instructions: Sequence[CodeLine], first: CodeLine, places: Mapping[int, Place]) -> Iterator[CodeLine]:
    """Yield the instructions from `first` on, up to the next one that begins another line."""
    start = instructions.index(first)
    yield first
    for line in instructions[start + 1 :]:
        if places.get(line.address or 0, places[first.address or 0]) != places[first.address or 0]:
            return
        yield line


class _Files:
    """The source files that a listing shows, and the last line shown of each."""

    def __init__(self) -> None:
        self._texts: dict[str, Sequence[str] | None] = {}
        self._shown: dict[str, int] = {}

    def lines(self, place: Place, *, current: bool) -> Iterator[CodeLine]:
        if place.path not in self._texts:
            self._texts[place.path] = read_lines(place.path)
        text = self._texts[place.path]
        if text is None or not 0 < place.number <= len(text):
            yield CodeLine("", None, place.number, current, path=place.path, source=str(place))
            return
        for number in range(self._first(place, text), place.number + 1):
            is_current = current and number == place.number
            yield CodeLine(text[number - 1].expandtabs(), None, number, is_current, path=place.path)
        self._shown[place.path] = place.number

    def _first(self, place: Place, text: Sequence[str]) -> int:
        """Return the number of the first line to show: what is above a line belongs to it, up to an empty line."""
        before = self._shown.get(place.path)
        if before is not None:
            return before + 1 if before < place.number <= before + _GAP else place.number
        first = place.number
        while first > max(place.number - _LEAD, 1) and text[first - 2].strip():
            first -= 1
        return first


def read_lines(path: str) -> Sequence[str] | None:
    """Return a file's lines, as compilers count them, or None. The path comes from the symbols and may be anything."""
    try:
        if not Path(path).is_file() or Path(path).stat().st_size > MOST_SOURCE:
            return None
        return Path(path).read_text(errors="replace").split("\n")
    except (OSError, ValueError):
        return None


def with_names(text: str, name_of: Callable[[int], str | None]) -> str:
    """Add to an instruction the name of the address that it names: of a call's target, of a table, of a variable."""
    names = (name_of(int(address, 16)) for address in _NUMBER.findall(text.partition("#")[2] or text))
    name = next(filter(None, names), None)
    return f"{text} <{name}>" if name else text
