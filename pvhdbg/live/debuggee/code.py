"""Code: instructions, and the source lines that they were made from, in the order of their addresses."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from pvhdbg.abi.text import printable
from pvhdbg.boot.stop.capture import MAX_TEXT, CodeRow
from pvhdbg.lazy_pattern import pattern
from pvhdbg.named_tuple import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from pvhdbg.image.facts import ImageFacts
    from pvhdbg.live.gdb.breakpoints import Line
    from pvhdbg.live.instructions.decode import Decoder

    NameOf = Callable[[int], str | None]

_STACK = pattern(r"\bmov[a-z]* +\$(0x[0-9a-f]{1,16}), *%[er]sp\b", re.ASCII)
_NUMBER = pattern(r"(?<![-\w])0x[0-9a-f]{1,16}\b")
MOST_SOURCE = 1 << 20
_LONG_BITS, _FAR_JUMP, _FAR_JUMP_SIZE = 64, b"\xea", 7
"""A far jump to the next instruction. It has the opcode, a 4-byte offset and a 2-byte selector."""
_RIP_RELATIVE = pattern(r"(-?)(?:0x)?([0-9a-f]+)\(%rip\)")
_LONGEST = 15
TAB = 4
"""The width of a tab in source: narrow panes have no room for more."""
_RECORDED = 32
"""The most instructions that are recorded before RIP, and from it on."""
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
            yield CodeLine(text[number - 1].expandtabs(TAB), None, number, is_current, path=place.path)
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


def as_rows(code: Code) -> tuple[CodeRow, ...]:
    """Return the instructions around the current one, to be recorded."""
    lines = [line for line in code.lines if line.address is not None and line.raw]
    here = next((index for index, line in enumerate(lines) if line.current), None)
    near = lines[max(here - _RECORDED, 0) : here + _RECORDED] if here is not None else ()
    return tuple(
        CodeRow(line.address or 0, line.raw, line.text[:MAX_TEXT], line.source[:MAX_TEXT] or None) for line in near
    )


def with_names(text: str, name_of: Callable[[int], str | None]) -> str:
    """Add to an instruction the name of the address that it names: of a call's target, of a table, of a variable.

    A stack pointer starts at the end of the stack, where the next variable may begin: name the stack instead.
    """
    if stack := _STACK.search(text):
        last = name_of(int(stack[1], 16) - 1)
        return f"{text} <end of {last.rpartition('+')[0] or last}>" if last else text
    names = (name_of(int(address, 16)) for address in _NUMBER.findall(text.partition("#")[2] or text))
    name = next(filter(None, names), None)
    return f"{text} <{name}>" if name else text


class Bytes(NamedTuple):
    """Code that was read: its CPU mode, RIP as a linear address, and the bytes at `start`."""

    mode: str
    rip: int
    start: int
    data: bytes

    @property
    def bits(self) -> int | None:
        """The size of instructions; None if it is not known."""
        from pvhdbg.live.instructions.decode import BITS

        return BITS.get(self.mode)


def instructions(code: Bytes, image: ImageFacts | None, name_of: NameOf) -> Iterator[CodeLine]:
    """Yield the instructions. `name_of` returns the symbol at an address."""
    for start, end, bits in _parts(code, code.bits or 0, image):
        data = code.data[start - code.start : end - code.start]
        for at, count, text in _decoder().texts(data, start, bits):
            named = with_names(with_address(text, at + count), lambda address: _name(image, name_of, address))
            raw = data[at - start : at - start + count]
            yield CodeLine(printable(named), at, None, at == code.rip, raw=raw)


def aligned(code: Bytes) -> Bytes:
    """Return the code from its first certain instruction on, if it is not known where its first instruction begins.

    Decoding that starts inside an instruction soon meets the real ones: an instruction is certain if decoding from
    most of the first bytes finds it, and the instruction at RIP.
    """
    bits, before = code.bits, code.rip - code.start
    if not bits or before <= 0:
        return code
    ways = [_starts(code, bits, first) for first in range(min(_LONGEST, before))]
    reaching = [way for way in ways if code.rip in way]
    certain = set.intersection(*reaching) if 2 * len(reaching) > len(ways) else {code.rip}
    first = min(certain)
    return code._replace(start=first, data=code.data[first - code.start :])


def _starts(code: Bytes, bits: int, first: int) -> set[int]:
    data = code.data[first : code.rip - code.start + _LONGEST]
    return {at for at, _ in _decoder().sizes(data, code.start + first, bits) if at <= code.rip}


def _parts(code: Bytes, bits: int, image: ImageFacts | None) -> tuple[tuple[int, int, int], ...]:
    """Return start, end and size of instructions before and after the jump to 64-bit code, if there is one."""
    ends, start, end = _far_jumps(code, image), code.start, code.start + len(code.data)
    if bits == _LONG_BITS:
        border = max((at for at in ends if at <= code.rip), default=start)
        return (start, border, 32), (border, end, bits)
    border = min((at for at in ends if at > code.rip), default=end)
    return (start, border, bits), (border, end, _LONG_BITS)


def _far_jumps(code: Bytes, image: ImageFacts | None) -> list[int]:
    """Return the ends of all far jumps to the next instruction, in a 64-bit kernel."""
    if image is None or image.elf_class != _LONG_BITS:
        return []
    ends = range(code.start + _FAR_JUMP_SIZE, code.start + len(code.data) + 1)
    wanted = ((end, _FAR_JUMP + (end & 0xFFFFFFFF).to_bytes(4, "little")) for end in ends)
    return [end for end, jump in wanted if code.data[end - _FAR_JUMP_SIZE - code.start :][:5] == jump]


def _name(image: ImageFacts | None, name_of: NameOf, address: int) -> str | None:
    if image is None or (image.to_vaddr(address) is None and image.to_paddr(address) in (None, address)):
        return None
    return name_of(address)


@cache
def _decoder() -> Decoder:
    from pvhdbg.live.instructions.decode import Decoder

    return Decoder()


def with_address(text: str, following: int) -> str:
    """Add the address to which an offset from RIP leads."""
    found = _RIP_RELATIVE.search(text)
    if found is None:
        return text
    offset = int(found[2], 16 if "0x" in found[0] else 10)
    address = following + (-offset if found[1] else offset) & (1 << 64) - 1
    return f"{text}  # {address:#x}"
