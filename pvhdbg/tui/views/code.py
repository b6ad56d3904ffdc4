"""code: source or instructions at RIP; in a recording, the captured bytes."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from pvhdbg.boot.stop import stages
from pvhdbg.tui.lines import classes
from pvhdbg.tui.lines.line import clean
from pvhdbg.tui.lines.signs import signs
from pvhdbg.tui.screen import code_at, state
from pvhdbg.tui.screen.by_id import ById
from pvhdbg.tui.views.view import BreakpointPlace, Detail
from pvhdbg.views.rows import text
from pvhdbg.views.rows.row import Row

if TYPE_CHECKING:
    from pvhdbg.live.debuggee.code import Code, CodeLine
    from pvhdbg.tui.lines.line import Line
    from pvhdbg.tui.screen.state import Screen
    from pvhdbg.tui.views.view import Rows


def rows(screen: Screen) -> Rows:
    return _rows(ById(code_at.code(screen)))


@lru_cache(8)
def _rows(code: ById[Code]) -> Rows:
    return tuple(Row("", _place(line), clean(line.text), address=line.address) for line in code.value.lines)


def _place(line: CodeLine) -> str:
    if line.number is not None:
        return str(line.number)
    return "" if line.address is None else text.address(line.address)


def start_row(screen: Screen) -> int:
    """Return the index of the row at RIP."""
    return _row_at_rip(ById(code_at.code(screen)))


@lru_cache(8)
def _row_at_rip(code: ById[Code]) -> int:
    return next((index for index, line in enumerate(code.value.lines) if line.current), 0)


def heading(screen: Screen) -> str:
    return code_at.code(screen).title


def empty(screen: Screen) -> str:
    return code_at.code(screen).why or "no code yet"


def draw(screen: Screen, rows: Rows, shown: range, _width: int) -> list[Line]:
    """Draw source or instructions, with signs for RIP and for breakpoints."""
    columns = max((len(rows[index].name) for index in shown), default=0)
    return [_line(screen, index, rows[index].name.rjust(columns)) for index in shown]


def _line(screen: Screen, index: int, place: str) -> Line:
    sign, line = signs(screen.ascii), code_at.code(screen).lines[index]
    at_rip = classes.CURRENT if line.current else ""
    if line.address is None and line.number is None:
        return [(classes.EMPTY, f"  {line.text}")]
    return [
        (classes.BREAKPOINT, sign.breakpoint if line.breakpoint else " "),
        (classes.CURRENT, sign.current if line.current else " "),
        (classes.ADDRESS, f"{place}  "),
        (at_rip, clean(line.text.expandtabs(), ascii=screen.ascii)),
    ]


def detail(screen: Screen, _rows: Rows, index: int) -> Detail:
    """If the line at RIP is selected, explain the stage."""
    lines = code_at.code(screen).lines
    if index >= len(lines) or not lines[index].current:
        return Detail()
    is_now = screen.run.kind == state.STOPPED and screen.past is None
    stage = screen.run.where if is_now else screen.capture.stage if screen.capture else ""
    return Detail(note="RIP is here.", topic=stage if stage in stages.NAMES else "")


def breakpoint_place(screen: Screen, index: int) -> BreakpointPlace:
    """Return the selected instruction or source line, or RIP if there is no code."""
    if screen.past is not None:
        return BreakpointPlace(refusal="no breakpoints in a past stage: press Right to return to the current stop")
    if index >= len(screen.code.lines):
        return BreakpointPlace()
    return BreakpointPlace(screen.code.place(screen.code.lines[index]))
