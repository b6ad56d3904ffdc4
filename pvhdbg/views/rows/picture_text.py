"""A picture of memory as lines of characters: scales, cells, marks and a legend."""

from __future__ import annotations

from itertools import groupby
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
"""For each kind of cell, its character and the ASCII substitute."""

NAMED = 8
"""The most modules, and the most ranges outside the strips, that the legend names."""


def render(picture: Picture, *, ascii: bool = False, indent: int = 2) -> list[str]:  # noqa: A002  the option's name
    """Return a picture as lines: the scale, cells and marks of each strip, then the legend."""
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
    for address in ticks(strip):
        _write(line, (address - strip.start) * width // length, text.scale_label(address))
    return "".join(line).rstrip()


def _write(line: list[str], at: int, label: str) -> None:
    """Write a label at index `at`, unless it would touch another label."""
    if all(character == " " for character in line[max(at - 2, 0) : at + len(label) + 2]):
        line[at : at + len(label)] = label


def ticks(strip: Strip) -> Iterator[int]:
    """Yield three to seven round addresses, but in the first MiB only 640K, the end of conventional memory."""
    if strip.end == MIB:
        yield 640 << 10
        return
    step = 1 << max((strip.end - strip.start - 1).bit_length() - 2, 0)
    yield from range(-(-strip.start // step) * step or step, strip.end, step)


def _mark_lines(strip: Strip) -> list[str]:
    """Return the lines of letters below the cells. If two letters mark the same cell, they are on different lines."""
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
    """Return the legend: the kinds of cells, the scale, the marks with addresses and sizes, and what is not drawn."""
    used = {kind for strip in picture.strips for kind in strip.cells}
    signs = "   ".join(f"{SIGNS[kind][ascii]} {kind}" for kind in SIGNS if kind in used)
    lines = [signs, _scale(picture)]
    lines += text.columns(_mark_rows(picture.marks), indent=0)
    return lines + outside_lines(picture)


def _scale(picture: Picture) -> str:
    """Return text such as `one character = 16 KiB below 1M, 31.9 MiB from 1M to 4G, 48 MiB above 4G`."""
    sizes = [(text.size((strip.end - strip.start) // len(strip.cells)), strip.start) for strip in picture.strips]
    scales = [next(run) for _, run in groupby(sizes, key=lambda size: size[0])]
    starts = [text.scale_label(start) for _, start in scales]
    last = len(scales) - 1
    words = [
        f"{size} {f'above {starts[at]}' if at == last else f'from {starts[at]} to {starts[at + 1]}'}"
        for at, (size, _) in enumerate(scales)
    ]
    words[0] = f"{scales[0][0]} below {starts[1]}" if last else scales[0][0]
    return f"one character = {', '.join(words)}"


def _mark_rows(marks: Sequence[Mark]) -> list[tuple[str, str, str]]:
    modules = [mark for mark in marks if mark.letter == "m"]
    shown = [mark for mark in marks if mark.letter != "m"] + modules[:NAMED]
    rows = [
        (f"{mark.letter} {mark.name}", text.span(mark.start, mark.end), text.size(mark.end - mark.start))
        for mark in shown
    ]
    return rows + ([("m …", f"and {len(modules) - NAMED} more modules", "")] if len(modules) > NAMED else [])


def outside_lines(picture: Picture) -> list[str]:
    """Return the ranges and marks that no strip shows, one a line; nothing if the strips show everything."""
    ranges = [f"{text.span(part.start, part.end)} {part.kind}" for part in picture.outside]
    ranges += [f"{text.span(mark.start, mark.end)} {mark.name}" for mark in picture.marks_outside]
    if not ranges:
        return []
    more = [f"and {len(ranges) - NAMED} more"] if len(ranges) > NAMED else []
    heading = "not drawn: "
    return [f"{' ' * len(heading) if index else heading}{line}" for index, line in enumerate([*ranges[:NAMED], *more])]
