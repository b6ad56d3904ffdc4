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
"""How a cell of each kind is drawn, and how in ASCII."""

NAMED = 8
"""Ranges outside the strips, and modules, that are named one by one."""


def render(drawn: Picture, *, ascii: bool = False, indent: int = 2) -> list[str]:  # noqa: A002  what it asks for
    """The picture as lines: for each strip a scale, the cells and the marks, then a legend of what occurs."""
    lines: list[str] = []
    for strip in drawn.strips:
        lines += [_scale_line(strip), _cells_line(strip, ascii=ascii), *_mark_lines(strip)]
    lines += legend(drawn, ascii=ascii)
    return [(" " * indent + line).rstrip() for line in lines]


def _cells_line(strip: Strip, *, ascii: bool) -> str:  # noqa: A002
    return "".join(SIGNS[kind][ascii] for kind in strip.cells)


def _scale_line(strip: Strip) -> str:
    width, length = len(strip.cells), strip.end - strip.start
    line = [" "] * (width + 20)
    _write(line, 0, text.scale_label(strip.start))
    _write(line, width - 1, text.scale_label(strip.end))
    for at in _ticks(strip):
        _write(line, (at - strip.start) * width // length, text.scale_label(at))
    return "".join(line).rstrip()


def _write(line: list[str], at: int, label: str) -> None:
    """Put a label there unless it would touch another."""
    if all(each == " " for each in line[max(at - 2, 0) : at + len(label) + 2]):
        line[at : at + len(label)] = label


def _ticks(strip: Strip) -> Iterator[int]:
    """Round addresses, three to seven of them; in the first MiB the end of conventional memory."""
    if strip.end == MIB:
        yield 640 << 10
        return
    step = 1 << max((strip.end - strip.start - 1).bit_length() - 2, 0)
    yield from range(-(-strip.start // step) * step or step, strip.end, step)


def _mark_lines(strip: Strip) -> list[str]:
    """The letters below the cells; those that would hide each other on lines of their own."""
    places: dict[str, set[int]] = {}
    for mark, first, last in strip.marks:
        places.setdefault(mark.letter, set()).update(range(first, last + 1))
    lines: list[dict[int, str]] = []
    for letter, cells in places.items():
        line = next((each for each in lines if not cells & each.keys()), None)
        if line is None:
            line = {}
            lines.append(line)
        line.update(dict.fromkeys(cells, letter))
    return ["".join(line.get(cell, " ") for cell in range(len(strip.cells))) for line in lines]


def legend(drawn: Picture, *, ascii: bool = False) -> list[str]:  # noqa: A002
    """Signs and letters that occur, the marks with their addresses and sizes, and what no strip shows."""
    used = {kind for strip in drawn.strips for kind in strip.cells}
    signs = "   ".join(f"{SIGNS[kind][ascii]} {kind}" for kind in SIGNS if kind in used)
    lines = [f"{signs}   (a character: {', '.join(_scales(drawn))})"]
    lines += text.columns(_mark_rows(drawn.marks), indent=0)
    return lines + _outside_lines(drawn)


def _scales(drawn: Picture) -> Iterator[str]:
    """What a cell stands for, and from where on it is another size."""
    last = ""
    for strip in drawn.strips:
        size = text.size((strip.end - strip.start) // len(strip.cells))
        if size != last:
            yield f"from {text.scale_label(strip.start)} {size}" if last else size
        last = size


def _mark_rows(found: Sequence[Mark]) -> list[tuple[str, str, str]]:
    modules = [each for each in found if each.letter == "m"]
    shown = [each for each in found if each.letter != "m"] + modules[:NAMED]
    rows = [
        (f"{each.letter} {each.name}", text.span(each.start, each.end), text.size(each.end - each.start))
        for each in shown
    ]
    return rows + ([("m …", f"and {len(modules) - NAMED} more modules", "")] if len(modules) > NAMED else [])


def _outside_lines(drawn: Picture) -> list[str]:
    ranges = [f"{text.span(each.start, each.end)} {each.kind}" for each in drawn.outside]
    ranges += [f"{text.span(each.start, each.end)} {each.name}" for each in drawn.marks_outside]
    if not ranges:
        return []
    more = [f"and {len(ranges) - NAMED} more"] if len(ranges) > NAMED else []
    named = [*ranges[:NAMED], *more]
    return [f"{'not shown: ' if at == 0 else '           '}{each}" for at, each in enumerate(named)]
