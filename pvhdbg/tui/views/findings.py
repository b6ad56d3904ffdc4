"""findings: what the rules found during this boot, up to the displayed stop."""

from __future__ import annotations

from functools import lru_cache
from itertools import groupby
from typing import TYPE_CHECKING

from pvhdbg.boot.stop import stages
from pvhdbg.boot.stop.capture import MISSING_STAGE
from pvhdbg.tui.lines import classes
from pvhdbg.tui.lines.line import clean, styled
from pvhdbg.tui.screen.by_id import ById
from pvhdbg.tui.views import log, row_lines, serial
from pvhdbg.tui.views.view import Detail
from pvhdbg.views.report import findings_text
from pvhdbg.views.rows import text
from pvhdbg.views.rows.row import Row

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pvhdbg.boot.record.document import MachineFacts
    from pvhdbg.boot.stop.capture import Capture
    from pvhdbg.checks.finding import Finding
    from pvhdbg.tui.lines.line import Line
    from pvhdbg.tui.screen.state import BootFinding, Screen
    from pvhdbg.tui.views.view import Rows

    Groups = tuple[tuple[BootFinding, ...], ...]

FIELDS_FROM = 110
"""The least width at which the findings' fields get a column. Their messages name the fields too."""

END = "outcome."
"""The beginning of the field of a finding about the end of the guest."""


def rows(screen: Screen) -> Rows:
    return _rows(ById(_groups(screen)), ById(screen.machine))


def _groups(screen: Screen) -> Groups:
    return _grouped(ById(screen.boot_findings))


@lru_cache(8)
def _grouped(entries: ById[Sequence[BootFinding]]) -> Groups:
    """Return the findings of each row: one, the other findings of a rule with many, or all habits of the VMM."""
    habits = tuple(entry for entry in entries.value if entry.finding.is_habit)
    if len(habits) < 2:
        return tuple(_folded(entries.value))
    return (*_folded([entry for entry in entries.value if not entry.finding.is_habit]), habits)


def _folded(entries: Sequence[BootFinding]) -> Iterator[tuple[BootFinding, ...]]:
    """Yield the first findings of each rule one by one, and then all its other findings together."""
    for _, group in groupby(entries, key=lambda entry: (entry.finding.code, entry.finding.severity, entry.is_current)):
        of_rule = tuple(group)
        yield from ((entry,) for entry in of_rule[: findings_text.MOST])
        if len(of_rule) > findings_text.MOST:
            yield of_rule[findings_text.MOST :]


@lru_cache(8)
def _rows(groups: ById[Groups], machine: ById[MachineFacts | None]) -> Rows:
    return tuple(_row([entry.finding for entry in group], machine.value) for group in groups.value)


def _row(findings: Sequence[Finding], machine: MachineFacts | None) -> Row:
    finding, code = findings[0], findings[0].code
    field, message = clean(finding.field), clean(finding.message)
    if len(findings) > 1:
        is_habit = finding.is_habit
        words = findings_text.habits_line(findings, machine) if is_habit else findings_text.others_line(findings)
        field, message = "" if is_habit else field, clean(words)
    return Row(finding.field, code, field, message, address=finding.at, leads_to=finding.at)


def selected(screen: Screen) -> BootFinding | None:
    groups, index = _groups(screen), screen.position.cursor
    return groups[index][0] if index < len(groups) else None


def heading(screen: Screen) -> str:
    """Count the findings of the displayed capture, and those that only earlier captures have."""
    entries, capture = screen.boot_findings, screen.capture
    current, new = sum(entry.is_current for entry in entries), sum(entry.is_new for entry in entries)
    if not entries or not capture:
        return ""
    stage = "the death" if capture.stage == stages.DIED else capture.stage
    at = "after" if _is_between(capture) else "at"
    ending = sum(entry.is_current and entry.finding.field.startswith(END) for entry in entries)
    counts = ((current - ending, f"{at} {stage}"), (ending, "at the end"))
    places = " and ".join(f"{count} {place}" for count, place in counts if count) or f"0 {at} {stage}"
    parts = [f"{places}{f' ({new} new *)' if new else ''}"]
    if current < len(entries):
        parts.append(f"{len(entries) - current} only at earlier stops")
    return f"{text.counted(len(entries), 'finding')} so far: {', '.join(parts)}"


def _is_between(capture: Capture | None) -> bool:
    """Return whether a capture was taken after its stage, at no stage."""
    return capture is not None and MISSING_STAGE in capture.missing


def empty(_screen: Screen) -> str:
    return "no findings"


def draw(screen: Screen, rows: Rows, shown: range, width: int) -> list[Line]:
    """Draw each finding with the last stage that has it. Findings that the displayed capture lacks are dim."""
    look = row_lines.look(screen, rows, width)
    is_between = _is_between(screen.capture)
    names = [_stage(entry, is_between=is_between) for entry in screen.boot_findings]
    stage_width = max(map(len, names), default=0)
    drawn, groups = [], _groups(screen)
    for index in shown:
        group, field = groups[index], rows[index].value if width >= FIELDS_FROM else None
        entry = group[0]
        line: Line = [
            *row_lines.signed(look._replace(findings=(entry.finding,))),
            (classes.OFFSET, _stage(entry, is_between=is_between).ljust(stage_width) + "  "),
            (classes.NAME, "" if field is None else row_lines.cell(field, look.columns.value, look)),
            (classes.MEANING, rows[index].meaning),
        ]
        drawn.append(
            row_lines.starred(screen, line if entry.is_current else styled(line, classes.OLD), is_new=entry.is_new)
        )
    return drawn


def _stage(entry: BootFinding, *, is_between: bool) -> str:
    """Return the last stage that has the finding. A finding about the end of the guest has none.

    `is_between`: the displayed stop is after its stage, so what is found there is found "here".
    """
    if entry.finding.field.startswith(END):
        return "end"
    return "here" if is_between and entry.is_current else entry.stages[-1]


def _last_output(screen: Screen) -> str:
    """Return the guest's last line before its death, which may say the reason; empty if it wrote nothing."""
    written, logged = serial.last_line(serial.lines(screen)), serial.last_line(log.lines(screen))
    where = "on its serial console (view serial)" if written else "in its log (view log)"
    return f'The last line {where}: "{clean(written or logged)}". ' if written or logged else ""


def detail(screen: Screen, _rows: Rows, index: int) -> Detail:
    group = _groups(screen)[index]
    at_stages = dict.fromkeys(stage for entry in group for stage in entry.stages)
    is_current = any(entry.is_current for entry in group)
    names = {stages.DIED: "the death"}
    if any(entry.finding.field.startswith(END) for entry in group):
        names |= dict.fromkeys(at_stages, "the end of the guest")
    places = ", ".join(dict.fromkeys(names.get(stage, stage) for stage in at_stages))
    found = f"here, after {places}" if group[0].is_new and _is_between(screen.capture) else f"at {places}"
    note = f"Found {found}{'' if is_current else '; not at the displayed stop'}."
    if stages.DIED in at_stages:
        note = f"{_last_output(screen)}{note}"
    return Detail(tuple(entry.finding for entry in group), note=note, finding_first=True)
