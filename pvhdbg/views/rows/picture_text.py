"""A picture of memory as lines of characters: scales, cells, marks and a legend."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pvhdbg.views.rows import text
from pvhdbg.views.rows.memory_picture import MIB, NOT_LISTED, OVERLAP, UNKNOWN

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pvhdbg.views.rows.memory_picture import Mark, Picture, Strip

SIGNS = {
    "RAM": ("█", "#"),
    "RESERVED": ("▒", "-"),
    "ACPI": ("A", "A"),
    "NVS": ("N", "N"),
    "UNUSABLE": ("U", "U"),
    "DISABLED": ("D", "D"),
    "PMEM": ("P", "P"),
    "PRAM": ("p", "p"),
    "SOFT_RESERVED": ("S", "S"),
    UNKNOWN: ("?", "?"),
    OVERLAP: ("!", "!"),
    NOT_LISTED: ("·", "."),
}
"""The character for a cell of each kind, and the one in ASCII."""

NAMED = 8
"""How many ranges outside the strips, and how many modules, the legend names."""


def render(picture: Picture, *, ascii: bool = False, indent: int = 2) -> list[str]:  # noqa: A002  the option's name
    """Return the lines of a picture: a scale, cells and marks for each strip, then the legend."""
    lines: list[str] = []
    for strip in picture.strips:
        lines += [_scale_line(strip), _cells_line(strip, ascii=ascii), *_mark_lines(strip)]
    lines += legend(picture, ascii=ascii)
    return [(" " * indent + line).rstrip() for line in lines]


def _cells_line(strip: Strip, *, ascii: bool) -> str:  # noqa: A002
    return "".join(SIGNS[kind][ascii] for kind in strip.cells)


def _scale_line(strip: Strip) -> str:
    width, length = len(strip.cells), strip.end - strip.start
    line = [" "] * (width + 20)
    _write(line, 0, text.scale_label(strip.start))
    _write(line, width - 1, text.scale_label(strip.end))
    for address in _ticks(strip):
        _write(line, (address - strip.start) * width // length, text.scale_label(address))
    return "".join(line).rstrip()


def _write(line: list[str], at: int, label: str) -> None:
    """Write a label at index `at`, unless it would touch another one."""
    if all(character == " " for character in line[max(at - 2, 0) : at + len(label) + 2]):
        line[at : at + len(label)] = label


def _ticks(strip: Strip) -> Iterator[int]:
    """Yield three to seven round addresses; in the first MiB only 640K, the end of conventional memory."""
    if strip.end == MIB:
        yield 640 << 10
        return
    step = 1 << max((strip.end - strip.start - 1).bit_length() - 2, 0)
    yield from range(-(-strip.start // step) * step or step, strip.end, step)


def _mark_lines(strip: Strip) -> list[str]:
    """Return the lines of letters below the cells. Letters that would share a cell are on different lines."""
    cells_of: dict[str, set[int]] = {}
    for mark, first, last in strip.marks:
        cells_of.setdefault(mark.letter, set()).update(range(first, last + 1))
    lines: list[dict[int, str]] = []
    for letter, cells in cells_of.items():
        line = next((line for line in lines if not cells & line.keys()), None)
        if line is None:
            line = {}
            lines.append(line)
        line.update(dict.fromkeys(cells, letter))
    return ["".join(line.get(cell, " ") for cell in range(len(strip.cells))) for line in lines]


def legend(picture: Picture, *, ascii: bool = False) -> list[str]:  # noqa: A002
    """Return the legend: the kinds that occur, the scale, the marks with addresses and sizes, and what is not drawn."""
    used = {kind for strip in picture.strips for kind in strip.cells}
    signs = "   ".join(f"{SIGNS[kind][ascii]} {kind}" for kind in SIGNS if kind in used)
    lines = [f"{signs}   ({', '.join(_scales(picture))})"]
    lines += text.columns(_mark_rows(picture.marks), indent=0)
    return lines + _outside_lines(picture)


def _scales(picture: Picture) -> Iterator[str]:
    """`16 KiB per character`, then the scale of each further strip that differs: `7.9 MiB from 1M`."""
    last = ""
    for strip in picture.strips:
        size = text.size((strip.end - strip.start) // len(strip.cells))
        if size != last:
            yield f"{size} from {text.scale_label(strip.start)}" if last else f"{size} per character"
        last = size


def _mark_rows(marks: Sequence[Mark]) -> list[tuple[str, str, str]]:
    modules = [mark for mark in marks if mark.letter == "m"]
    shown = [mark for mark in marks if mark.letter != "m"] + modules[:NAMED]
    rows = [
        (f"{mark.letter} {mark.name}", text.span(mark.start, mark.end), text.size(mark.end - mark.start))
        for mark in shown
    ]
    return rows + ([("m …", f"and {len(modules) - NAMED} more modules", "")] if len(modules) > NAMED else [])


def _outside_lines(picture: Picture) -> list[str]:
    ranges = [f"{text.span(part.start, part.end)} {part.kind}" for part in picture.outside]
    ranges += [f"{text.span(mark.start, mark.end)} {mark.name}" for mark in picture.marks_outside]
    if not ranges:
        return []
    more = [f"and {len(ranges) - NAMED} more"] if len(ranges) > NAMED else []
    heading = "not drawn: "
    return [f"{' ' * len(heading) if index else heading}{line}" for index, line in enumerate([*ranges[:NAMED], *more])]
