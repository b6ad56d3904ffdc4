"""The stages of a run from left to right, and below them which boot structures exist at each."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pvhdbg.boot.record import compare
from pvhdbg.boot.record.document import WATCH_ENDS
from pvhdbg.boot.stop import stages
from pvhdbg.boot.stop.address import location_suffix
from pvhdbg.named_tuple import NamedTuple
from pvhdbg.views.pictures.drawing import CHARACTER, LINE, MARGIN, Drawing
from pvhdbg.views.rows import contents, cpu_rows, text
from pvhdbg.views.rows.boot_params_rows import symbol_path

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pvhdbg.boot.record.document import Document
    from pvhdbg.boot.stop.capture import Capture

_TITLE = "The stages of the boot, and the boot data at each"
_NOTE = "A box lasts as long as its structure exists and does not change. Distances do not show time."
_CELL_CHARACTERS, _CELL_LINES = 25, 3
_COLUMN = _CELL_CHARACTERS * CHARACTER + 14
_NAMES = 18 * CHARACTER
_CELL_HEIGHT = _CELL_LINES * LINE + 7


class Cell(NamedTuple):
    """A structure at a stage: its address, a summary, and how many values changed since the stage before."""

    address: str
    summary: str
    changes: int = 0

    @property
    def news(self) -> str:
        return text.counted(self.changes, "change") if self.changes else ""


class Column(NamedTuple):
    """A stage. `state` has lines about the CPU; `cells` has the structures that exist, by their key."""

    name: str
    about: str
    state: tuple[str, ...]
    cells: dict[str, Cell]
    is_reached: bool = True

    @property
    def is_death(self) -> bool:
        return self.name == stages.DIED


def columns(run: Document) -> list[Column]:
    """Return a column for each stop of a run, and for the stage that the guest did not reach."""
    found = []
    for index, capture in enumerate(run.stops):
        before = run.stops[index - 1] if index else None
        died = run.outcome.died if capture.stage == stages.DIED else None
        about = stages.stage(capture.stage, run.kernel).about
        if died is not None:
            about = died.describe(location_suffix(died.rip, died.symbol))
        found.append(Column(capture.stage, about, tuple(_state(capture)), _cells(before, capture)))
    if run.outcome.waited_for:
        why = WATCH_ENDS[run.outcome.early_end] if run.outcome.early_end else "the run timed out"
        found.append(Column(run.outcome.waited_for, f"{why} before this stage", (), {}, is_reached=False))
    return found


def _state(capture: Capture) -> Iterator[str]:
    yield f"rip {text.address(capture.rip)}"
    yield cpu_rows.MODES[capture.cpu_mode]
    yield cpu_rows.paging_words(capture)


def _cells(before: Capture | None, capture: Capture) -> dict[str, Cell]:
    changes = compare.compare_captures(before, capture, registers=False) if before else ()
    cells = {}
    for key in stages.CAPTURE_KEYS:
        if getattr(capture, key) is not None:
            is_new = before is None or getattr(before, key) is None
            count = 0 if is_new else sum(compare.is_within(change.path, key) for change in changes)
            cells[key] = Cell(*contents.cells(capture, key)[1:], count)
    return cells


def as_text(run: Document) -> list[str]:
    """Return the picture as a list of stages, each with its structures."""
    lines = [_TITLE]
    for column in columns(run):
        lines += ["", f"{column.name}: {column.about}", *(f"  {line}" for line in column.state)]
        rows = [(symbol_path(key), cell.address, cell.summary, cell.news) for key, cell in column.cells.items()]
        lines += text.columns(rows)
    return lines


def draw(run: Document) -> Drawing:
    """Draw the stages as dots on a line, and a row of cells for each structure."""
    shown = columns(run)
    keys = [key for key in stages.CAPTURE_KEYS if any(key in column.cells for column in shown)]
    described = "; ".join(f"{column.name}: {column.about}" for column in shown)
    width = max(MARGIN + _NAMES + len(shown) * _COLUMN, len(_NOTE) * CHARACTER + MARGIN) + MARGIN
    drawing = Drawing("stages", _TITLE, described, width)
    drawing.label(MARGIN, MARGIN + 8, _TITLE, "title")
    drawing.label(MARGIN, MARGIN + 8 + LINE, _NOTE, "quiet")
    axis = MARGIN + 5.0 * LINE
    _axis(drawing, shown, axis)
    top = axis + 6.7 * LINE
    for row, key in enumerate(keys):
        y = top + row * (_CELL_HEIGHT + 6)
        drawing.label(MARGIN, y + LINE, symbol_path(key), "title")
        for first, last, cell in _spans(shown, key):
            _cell(drawing, (_x(first), _x(last + 1) - 8), y, cell)
    return drawing


def _x(at: int) -> float:
    return MARGIN + _NAMES + at * _COLUMN


def _axis(drawing: Drawing, shown: Sequence[Column], y: float) -> None:
    if shown:
        drawing.line([(_x(0), y), (_x(len(shown) - 1) + 6, y)], "axis")
    for at, column in enumerate(shown):
        x = _x(at)
        is_bad = column.is_death or not column.is_reached
        drawing.label(x, y - 12, column.name, "title bad" if is_bad else "title")
        drawing.dot(x + 6, y, "bad-dot" if is_bad else "place")
        below = drawing.lines(x, y + LINE + 7, _fitting(column.about, 3), "quiet")
        drawing.lines(x, below, [_cut(line) for line in column.state])


def _spans(shown: Sequence[Column], key: str) -> list[tuple[int, int, Cell]]:
    """Return the first and last column of each time in which a structure is unchanged."""
    spans: list[tuple[int, int, Cell]] = []
    for at, column in enumerate(shown):
        cell = column.cells.get(key)
        if cell is None:
            continue
        if spans and spans[-1][1] == at - 1 and spans[-1][2][:2] == cell[:2] and not cell.changes:
            spans[-1] = spans[-1][0], at, spans[-1][2]
        else:
            spans.append((at, at, cell))
    return spans


def _cell(drawing: Drawing, sides: tuple[float, float], y: float, cell: Cell) -> None:
    """Draw what a structure is between two positions on the time axis."""
    left, right = sides
    width = int((right - left - 12) / CHARACTER)
    drawing.box(left, y, right - left, _CELL_HEIGHT, "changed framed" if cell.changes else "box")
    below = drawing.lines(left + 6, y + LINE - 2, [_cut(cell.address)])
    if cell.changes:
        drawing.label(right - 6, y + LINE - 2, cell.news, "new", anchor="end")
    drawing.lines(left + 6, below, _fitting(cell.summary, _CELL_LINES - 1, width))


def _cut(words: str) -> str:
    return words if len(words) <= _CELL_CHARACTERS else f"{words[: _CELL_CHARACTERS - 1]}…"


def _fitting(words: str, most: int, width: int = _CELL_CHARACTERS - 1) -> list[str]:
    """Return text in at most `most` lines of `width` characters; `…` stands for the rest."""
    from textwrap import wrap

    lines = wrap(words, width, break_on_hyphens=False)
    return lines if len(lines) <= most else [*lines[: most - 1], f"{lines[most - 1][: width - 1]}…"]
