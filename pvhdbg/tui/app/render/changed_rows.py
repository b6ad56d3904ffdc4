"""Draw the rows of a frame that have changed, in place of prompt_toolkit.

prompt_toolkit compares and writes one cell at a time, which takes longer than everything else that a key does. Python
compares whole rows much faster, and this module writes what has changed in a row in a few pieces.
"""

from __future__ import annotations

from collections import defaultdict
from copy import copy
from functools import cache, partial
from itertools import compress
from operator import is_not, itemgetter
from typing import TYPE_CHECKING, Any

from prompt_toolkit import renderer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from prompt_toolkit.layout.screen import Char, Screen
    from prompt_toolkit.output import ColorDepth, Output
    from prompt_toolkit.styles import Attrs

    from pvhdbg.tui.app.render.body import Part

    Row = Mapping[int, Char]
    Pieces = list[tuple[int, str, str]]
    """Parts of a row: column, style, text."""

_PARAMETERS = (
    *("app", "output", "screen", "current_pos", "color_depth", "previous_screen", "last_style", "is_done"),
    *("full_screen", "attrs_for_style_string", "style_string_has_style", "size", "previous_width"),
)


@cache
def draw_changed_rows() -> None:
    """Replace prompt_toolkit's function that draws a frame, unless its parameters are not the expected ones."""
    compare: Any = renderer._output_screen_diff  # noqa: SLF001 - there is no public way
    if compare.__code__.co_varnames[: compare.__code__.co_argcount] == _PARAMETERS:
        vars(renderer)[compare.__name__] = partial(_draw, compare)


def _draw(compare: Callable[..., object], *values: object, **named: object) -> object:
    """Draw the rows that have changed, and let prompt_toolkit's `compare` do the rest, such as placing the cursor.

    `compare` draws every row of a first frame or of another size, and rows with wide characters.
    """
    arguments: dict[str, Any] = {**dict(zip(_PARAMETERS, values, strict=False)), **named}
    screen, before, size = arguments["screen"], arguments["previous_screen"], arguments["size"]
    if before is None or arguments["is_done"] or arguments["previous_width"] != size.columns:
        return compare(**arguments)
    changed = [row for row in range(size.rows) if _differs(screen.data_buffer.get(row), before.data_buffer.get(row))]
    pieces = {row: _pieces(screen.data_buffer[row], before.data_buffer[row], size.columns) for row in changed}
    parts = [(row, *piece) for row, found in pieces.items() for piece in found or ()]
    output, position = arguments["output"], arguments["current_pos"]
    write(parts, output, arguments["attrs_for_style_string"], arguments["color_depth"])
    output.cursor_goto(position.y + 1, position.x + 1)
    left = [row for row, parts in pieces.items() if parts is None]
    arguments |= {"screen": _with_rows(screen, left), "previous_screen": _with_rows(before, left), "last_style": None}
    return compare(**arguments)


def _differs(row: Row | None, before: Row | None) -> bool:
    return row is not before and row != before


def _pieces(row: Row, before: Row, width: int) -> Pieces | None:
    """Return the pieces of a row that differ, as (column, style, text); None if not every cell is one column wide."""
    pieces: Pieces = []
    start, end, style, text = 0, -1, "", ""
    cells = _cells_of(width)
    for column in compress(range(width), map(is_not, cells(row), cells(before))):
        cell = row[column]
        if cell.width != 1 or before[column].width != 1:
            return None
        if column != end or cell.style != style:
            pieces.append((start, style, text))
            start, style, text = column, cell.style, ""
        text, end = text + cell.char, column + 1
    return [*pieces[1:], (start, style, text)] if text else []


@cache
def _cells_of(width: int) -> Callable[[Row], tuple[Char, ...]]:
    """Return a function that returns the cells of a row."""
    return itemgetter(*range(width)) if width > 1 else lambda row: (row[0],)


def write(parts: Iterable[Part], output: Output, attributes: Mapping[str, Attrs], depth: ColorDepth) -> None:
    """Write parts of rows. The cursor is hidden then, and behind the last part."""
    output.hide_cursor()
    behind, last_style = (-1, -1), None
    for row, column, style, text in parts:
        if (row, column) != behind:
            output.cursor_goto(row + 1, column + 1)
        if style != last_style:
            output.set_attributes(attributes[style], depth)
        output.write(text)
        behind, last_style = (row, column + len(text)), style
    output.reset_attributes()


def _with_rows(screen: Screen, rows: list[int]) -> Screen:
    """Return a copy of a screen that has only these rows: the others are empty, and it ends with the last of these."""
    copied = copy(screen)
    copied.height = max(rows, default=-1) + 1
    copied.data_buffer = defaultdict(screen.data_buffer.default_factory, {row: screen.data_buffer[row] for row in rows})
    return copied
