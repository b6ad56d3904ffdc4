"""Lines of code, bytes as hex, and the serial console."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pvhdbg.tui.draw import classes
from pvhdbg.tui.draw.row_lines import with_cursor
from pvhdbg.tui.draw.signs import signs
from pvhdbg.tui.screen import code_at, memory_at, view_rows
from pvhdbg.tui.screen.line import clean
from pvhdbg.tui.screen.view_rows import BYTES_PER_ROW
from pvhdbg.views.rows import text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pvhdbg.tui.screen.line import Line
    from pvhdbg.tui.screen.state import Bytes, Screen


def code(screen: Screen, shown: range, width: int) -> list[Line]:
    """Source or instructions; RIP's line and breakpoints have their signs."""
    rows = view_rows.rows(screen)
    columns = max((len(rows[at].name) for at in shown), default=0)
    return [with_cursor(screen, at, _code_line(screen, at, rows[at].name.rjust(columns)), width) for at in shown]


def _code_line(screen: Screen, at: int, place: str) -> Line:
    sign, line = signs(screen.ascii), code_at.code(screen).lines[at]
    at_rip = classes.CURRENT if line.current else ""
    if line.address is None and line.number is None:
        return [(classes.EMPTY, f"  {line.text}")]
    return [
        (classes.BREAKPOINT, sign.breakpoint if line.breakpoint else " "),
        (classes.CURRENT, sign.current if line.current else " "),
        (classes.ADDRESS, f"{place}  "),
        (at_rip, clean(line.text.expandtabs(), ascii=screen.ascii)),
    ]


def hex_lines(screen: Screen, shown: range, width: int) -> list[Line]:
    """Sixteen bytes a line: physical and, where it is known and fits, virtual address, hex, and characters."""
    columns = _address_columns(screen.bytes, width)
    return [with_cursor(screen, at, _hex_line(screen.bytes, at * BYTES_PER_ROW, columns), width) for at in shown]


def _address_columns(shown: Bytes, width: int) -> tuple[int, int]:
    """The widths of both addresses; the virtual one's is 0 where there is none, or no room."""
    size = len(shown.data or b"")
    physical = len(text.address(shown.paddr + size))
    virtual = 0 if shown.vaddr is None else len(text.address(first_vaddr(shown) + size)) + 2
    return physical, virtual if physical + virtual + 70 <= width else 0


def first_vaddr(shown: Bytes) -> int:
    """Where `paddr` is mapped: the virtual address that was asked for is that of what is selected."""
    return (shown.vaddr or 0) - (shown.selected[0] - shown.paddr if shown.selected[0] else 0)


def _hex_line(shown: Bytes, offset: int, columns: tuple[int, int]) -> Line:
    chunk = (shown.data or b"")[offset : offset + BYTES_PER_ROW]
    address = text.address(shown.paddr + offset).rjust(columns[0])
    virtual = text.address(first_vaddr(shown) + offset).rjust(columns[1]) if columns[1] else ""
    if memory_at.is_nothing(shown, shown.paddr + offset, len(chunk)):
        return [(classes.ADDRESS, f"{address}{virtual} "), (classes.EMPTY, f" {'-- ' * len(chunk)}no memory")]
    return [
        (classes.ADDRESS, f"{address}{virtual} "),
        *_hex(shown, offset, chunk),
        (classes.CHARACTERS, " " + "".join(chr(each) if 0x20 <= each < 0x7F else "." for each in chunk)),
    ]


def _hex(shown: Bytes, offset: int, chunk: bytes) -> Line:
    """The bytes; those that are selected stand in brackets."""
    start, end = (each - shown.paddr - offset for each in shown.selected)
    low, high = max(start, 0), min(end, len(chunk))
    blank = " " * 3 * (BYTES_PER_ROW - len(chunk))
    if low >= high:
        return [(classes.BYTES, f" {chunk.hex(' ')} {blank}")]
    before, inside, behind = chunk[:low].hex(" "), chunk[low:high].hex(" "), chunk[high:].hex(" ")
    return [
        (classes.BYTES, f" {before}" if before else ""),
        (classes.BYTES_SELECTED, f"[{inside}]"),
        (classes.BYTES, f"{behind} {blank}" if behind else blank),
    ]


def wrapped(screen: Screen, lines: Sequence[str], top: int | None, width: int, count: int) -> list[str]:
    """Lines of text from `top` on or, if that is null, the last ones; long ones go on in the next line.

    An empty last one is only where the next will be written.
    """
    end = len(lines) - 1 if lines and not lines[-1] else len(lines)
    start = max(end - count if top is None else top, 0)
    shown = [
        part for each in lines[start : min(start + count, end)] for part in _folded(each, width, ascii=screen.ascii)
    ]
    return shown[max(len(shown) - count, 0) :] if top is None else shown[:count]


def _folded(line: str, width: int, *, ascii: bool) -> list[str]:  # noqa: A002
    words = clean(line.expandtabs(), ascii=ascii)
    return [words[at : at + width] for at in range(0, len(words), width)] or [""]
