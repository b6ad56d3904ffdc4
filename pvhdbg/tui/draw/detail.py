"""The detail lines: what the selected row is, what was there before, what is wrong with it, and what it is for."""

from __future__ import annotations

from functools import lru_cache
from textwrap import wrap
from typing import TYPE_CHECKING, NamedTuple

from pvhdbg.boot.stop import stages
from pvhdbg.tui.draw import fields_at
from pvhdbg.tui.lines import classes
from pvhdbg.tui.lines.line import clean, fit, length
from pvhdbg.tui.lines.signs import signs
from pvhdbg.tui.screen import changes, code_at, finding_rows, memory_at, state
from pvhdbg.tui.screen.by_id import ById
from pvhdbg.tui.views import shown as view_rows
from pvhdbg.tui.views.row_lines import sign_of
from pvhdbg.views.explain import lookup
from pvhdbg.views.rows import text
from pvhdbg.views.rows.row import Row

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pvhdbg.checks.finding import Finding
    from pvhdbg.tui.lines.line import Fragment, Line
    from pvhdbg.tui.screen.state import Noted, Screen
    from pvhdbg.views.explain.topics import Explanation

BYTES_SHOWN = 16
GAP = "   "
LONG = 30
"""Characters of a value or meaning that its row may have no room for."""


class Told(NamedTuple):
    """What there is to tell beside the row itself. `holds`: what a row of bytes is, or where a finding was made;
    `stage`: at which the machine stands in a line of code.
    """

    findings: tuple[Finding, ...] = ()
    was: str = ""
    holds: str = ""
    stage: str = ""
    is_finding: bool = False
    ascii: bool = False


def detail(screen: Screen, width: int, lines: int) -> list[Line]:
    """Exactly so many lines on the selected row."""
    row, more = _subject(screen), signs(screen.ascii).more
    found = _all(screen, row, width)[_top(screen, width, lines) :]
    if row and lines == 1:
        found = [_line(row, _told(screen, row))]
    elif len(found) > lines and screen.focus != state.DETAIL:
        found = [*found[: lines - 1], [*found[lines - 1], (classes.DETAIL, f" {more}")]]
    return [fit([("", " "), *(found[at] if at < len(found) else [])], width, more) for at in range(lines)]


def title(screen: Screen, width: int, lines: int) -> str:
    """What the pane is, what of its text is not to be seen, and how to get there."""
    all_of_it, top = len(_all(screen, _subject(screen), width)), _top(screen, width, lines)
    more = all_of_it - lines
    if screen.focus == state.DETAIL:
        shown = f"lines {top + 1}-{min(top + lines, all_of_it)} of {all_of_it}, Up and Down: the others   "
        return f"detail   {shown if more > 0 else ''}F2: back"
    if lines == 1:
        return f"detail   F2: all {text.counted(all_of_it, 'line')}" if more > 0 else "detail"
    return f"detail   F2: {more} more {'line' if more == 1 else 'lines'}" if more > 0 else "detail"


def last_top(screen: Screen, width: int, lines: int) -> int:
    """The last line that can be the pane's first."""
    return max(len(_all(screen, _subject(screen), width)) - lines, 0)


def _top(screen: Screen, width: int, lines: int) -> int:
    return min(screen.detail_top, last_top(screen, width, lines)) if screen.focus == state.DETAIL else 0


def _all(screen: Screen, row: Row | None, width: int) -> list[Line]:
    return _lines(ById(row), _told(screen, row), width - 1) if row else []


def selected(screen: Screen) -> Row | None:
    listed, at = view_rows.rows(screen), view_rows.cursor(screen)
    return listed[at] if at < len(listed) else None


def _subject(screen: Screen) -> Row | None:
    """The selected row; where there are no modules, what modules would be."""
    if screen.view == state.MODULES and screen.looked_at and not view_rows.rows(screen):
        return Row("modules", "modules", "")
    return selected(screen)


def _told(screen: Screen, row: Row) -> Told:
    if screen.view == state.FINDINGS:
        noted = screen.noted[screen.here.cursor]
        return Told((noted.finding,), holds=_found(noted), is_finding=True, ascii=screen.ascii)
    if screen.view == state.BYTES:
        return Told(holds=_held(screen, row.address or 0, len(row.raw)), ascii=screen.ascii)
    if screen.view == state.CODE:
        return _told_of_code(screen)
    findings = finding_rows.by_row(screen, view_rows.rows(screen)).get(screen.here.cursor, ())
    return Told(findings, changes.was(row, screen.before), ascii=screen.ascii)


def _told_of_code(screen: Screen) -> Told:
    """Where RIP is, which stage that is."""
    lines, at = code_at.code(screen).lines, view_rows.cursor(screen)
    if at >= len(lines) or not lines[at].current:
        return Told(ascii=screen.ascii)
    stands = screen.run.kind == state.STOPPED and screen.past is None
    seen = screen.run.where if stands else screen.looked_at.stage if screen.looked_at else ""
    return Told(holds="RIP is here.", stage=seen if seen in stages.NAMES else "", ascii=screen.ascii)


def _line(row: Row, told: Told) -> Line:
    """All in one line, which is cut where it ends."""
    return _joined([*_news(row, told), *_brief(row), *_cut(row), *_words(row, told)])


def _held(screen: Screen, paddr: int, size: int) -> str:
    """What a row of bytes is a part of."""
    there = memory_at.words(screen, paddr)
    return " ".join(filter(None, (there and f"Memory {there}.", fields_at.names(screen, paddr, size))))


def _found(noted: Noted) -> str:
    return f"Found at {', '.join(noted.stages)}{'' if noted.here else '; not at the stage that is shown'}."


@lru_cache(64)
def _lines(row: ById[Row], told: Told, width: int) -> list[Line]:
    """The head on a line of its own, then all else as paragraphs."""
    head, said = _broken([*_head(row.it), *_was(told)], width), _paragraphs(_said(told), width, ascii=told.ascii)
    rest = [
        *([] if told.is_finding else _cut(row.it)),
        (classes.DETAIL, " ".join(each for _, each in _words(row.it, told))),
    ]
    shown = [*said, *head] if told.is_finding else [*head, *said]
    return shown + _paragraphs(rest, width, ascii=told.ascii)


def _paragraphs(found: Line, width: int, *, ascii: bool) -> list[Line]:  # noqa: A002
    wrapped = ((style, wrap(clean(words, ascii=ascii), width, break_on_hyphens=False)) for style, words in found)
    return [[(style, each)] for style, lines in wrapped for each in lines]


def _joined(parts: list[Fragment]) -> Line:
    found: Line = []
    for style, words in parts:
        found += [("", GAP if found else ""), (style, words)]
    return found


def _broken(parts: list[Fragment], width: int) -> list[Line]:
    """As many parts on a line as it has room for."""
    lines: list[list[Fragment]] = [[]]
    for part in parts:
        if lines[-1] and length(_joined([*lines[-1], part])) > width:
            lines.append([])
        lines[-1].append(part)
    return [_joined(each) for each in lines]


def _news(row: Row, told: Told) -> Line:
    """On a single line what is wrong and what was there come first: the rest can be looked up."""
    name = row.path if row.name.startswith("[") else row.name
    return [(classes.DETAIL_NAME, name), *_was(told), *_said(told)]


def _brief(row: Row) -> Line:
    """The head without what its row in the view tells."""
    if not row.path:
        return []
    field = row.field()
    place = " at ".join(filter(None, (field.ctype if field else "", _address(row))))
    raw = row.raw.hex(" ") if len(row.raw) <= 8 else ""
    return [(style, words) for style, words in ((classes.DETAIL, place), (classes.BYTES, raw)) if words]


def _address(row: Row) -> str:
    return "" if row.address is None else text.address(row.address)


def _was(told: Told) -> Line:
    return [(classes.CHANGED, f"{signs(told.ascii).changed} {told.was}")] if told.was else []


def _said(told: Told) -> Line:
    return [
        (classes.FINDINGS.get(each.severity, classes.INFO), f"{sign_of(each, ascii=told.ascii)} {_finding(each)}")
        for each in told.findings
    ]


def _finding(each: Finding) -> str:
    return f"{each.code} {each.severity}: {clean(each.message)}"


def _head(row: Row) -> Line:
    """What it is called, its C type, offset and address, and its bytes."""
    if not row.path:
        return [(classes.DETAIL_NAME, f"line {row.name}" if row.name.isdecimal() else row.name)]
    field = row.field()
    where = " = ".join(filter(None, (row.label, _address(row))))
    place = " at ".join(filter(None, (field.ctype if field else "", where)))
    raw = row.raw[:BYTES_SHOWN].hex(" ") + (" …" if len(row.raw) > BYTES_SHOWN else "")
    shows_bytes = row.raw and not row.folded
    return [
        (style, words)
        for style, words in (
            (classes.DETAIL_NAME, row.path or row.name),
            (classes.DETAIL, place),
            (classes.BYTES, f"bytes {raw}" if shows_bytes else ""),
        )
        if words
    ]


def _cut(row: Row) -> Line:
    """What the row may have no room for."""
    found = () if row.folded or not row.path else (row.value, row.meaning)
    return [(classes.DETAIL, each) for each in found if len(each) > LONG]


def _words(row: Row, told: Told) -> Line:
    """Everything to read, the most useful first."""
    about = _about(row, told)
    told_of = list(_explained(about)) if about else []
    values = list(_bits(row, about)) if about else []
    leads = "Enter: go to its row." if told.is_finding else ""
    if row.leads_to is not None and not told.is_finding:
        leads = f"Enter: go to {text.address(row.leads_to)}."
    back = "Left: back to what was captured before." if row.meaning.startswith(stages.NO_LONGER_VALID) else ""
    words = [_folded(row), back, told.holds, *values, *told_of[:1], leads, *told_of[1:]]
    return [(classes.DETAIL, each) for each in words if each]


def _about(row: Row, told: Told) -> Explanation | None:
    """Of a finding its rule, if that is explained anywhere, else the field that it is about; of RIP the stage."""
    if told.stage:
        return lookup.of_row(row._replace(path=told.stage))
    rule = lookup.of_row(row._replace(path=row.name)) if told.is_finding else None
    return rule or lookup.of_row(row)


def _folded(row: Row) -> str:
    return f"All 0 (z: one by one): {', '.join(each.name for each in row.fields)}." if row.folded else ""


def _explained(about: Explanation) -> Iterator[str]:
    meaning = about.meaning
    yield f"{meaning[:1].upper()}{meaning[1:]}." if meaning else ""
    yield " ".join(about.more)
    if about.written_by:
        yield f"Written by {about.written_by}; read by {about.read_by}."
    yield f"Source: {about.source}." if about.source else ""


def _bits(row: Row, about: Explanation) -> Iterator[str]:
    """The bits of a register that are set, spelled out."""
    try:
        value = int(row.value, 16)
    except ValueError:
        return
    for bit, name, meaning in about.values:
        number = bit.removeprefix("bit ")
        if number != bit and value >> int(number) & 1:
            yield f"{name}: {meaning}."
