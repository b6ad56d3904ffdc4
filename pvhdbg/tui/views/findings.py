"""findings: what the rules found at this boot, up to the stop that is shown."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from pvhdbg.boot.stop import stages
from pvhdbg.tui.lines import classes
from pvhdbg.tui.lines.line import clean, styled
from pvhdbg.tui.screen.by_id import ById
from pvhdbg.tui.views import row_lines
from pvhdbg.tui.views.view import Detail
from pvhdbg.views.rows import text
from pvhdbg.views.rows.row import Row

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pvhdbg.checks.finding import Finding
    from pvhdbg.tui.lines.line import Line
    from pvhdbg.tui.screen.state import Noted, Screen
    from pvhdbg.tui.views.view import Rows

FIELDS_FROM = 110
"""Columns of the terminal from which the finding's field has a column, although its message names the field too."""


def rows(screen: Screen) -> Rows:
    return _rows(ById(screen.noted))


@lru_cache(8)
def _rows(noted: ById[Sequence[Noted]]) -> Rows:
    return tuple(_row(entry.finding) for entry in noted.it)


def _row(finding: Finding) -> Row:
    field, message = clean(finding.field), clean(finding.message)
    return Row(finding.field, finding.code, field, message, address=finding.at, leads_to=finding.at)


def selected(screen: Screen) -> Noted | None:
    index = screen.here.cursor
    return screen.noted[index] if index < len(screen.noted) else None


def heading(screen: Screen) -> str:
    """Say how many findings hold at the stop that is shown, and how many were made before it."""
    noted, capture = screen.noted, screen.looked_at
    here, new = sum(entry.here for entry in noted), sum(entry.new for entry in noted)
    if not noted or not capture:
        return ""
    stage = "the death" if capture.stage == stages.DIED else capture.stage
    parts = [f"{here} at {stage}{f' ({new} new *)' if new else ''}"]
    if here < len(noted):
        parts.append(f"{len(noted) - here} before it")
    return f"{text.counted(len(noted), 'finding')} at this boot so far: {', '.join(parts)}"


def empty(_screen: Screen) -> str:
    return "no rule found anything"


def draw(screen: Screen, rows: Rows, shown: range, width: int) -> list[Line]:
    """Draw each finding with the last stage that had it. Those that the shown stop does not have are dim."""
    look = row_lines.look(screen, rows, width)
    stage_width = max((len(entry.stages[-1]) for entry in screen.noted), default=0)
    drawn = []
    for index in shown:
        entry, field = screen.noted[index], rows[index].value if width >= FIELDS_FROM else None
        line: Line = [
            *row_lines.signed(look._replace(findings=(entry.finding,))),
            (classes.OFFSET, entry.stages[-1].ljust(stage_width) + "  "),
            (classes.NAME, "" if field is None else row_lines.cell(field, look.columns.value, look)),
            (classes.MEANING, rows[index].meaning),
        ]
        drawn.append(row_lines.starred(screen, line if entry.here else styled(line, classes.OLD), is_new=entry.new))
    return drawn


def detail(screen: Screen, _rows: Rows, index: int) -> Detail:
    entry = screen.noted[index]
    note = f"Found at {', '.join(entry.stages)}{'' if entry.here else '; not at the stage that is shown'}."
    return Detail((entry.finding,), note=note, finding_first=True)
