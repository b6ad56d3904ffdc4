"""The detail pane: what the selected row is, its old value, the findings about it, and its explanation."""

from __future__ import annotations

from functools import lru_cache
from textwrap import wrap
from typing import TYPE_CHECKING

from pvhdbg.tui.lines import classes
from pvhdbg.tui.lines.line import clean, fit, length
from pvhdbg.tui.lines.signs import signs
from pvhdbg.tui.screen import memory_at, state
from pvhdbg.tui.screen.by_id import ById
from pvhdbg.tui.views import row_lines, table
from pvhdbg.tui.views.row_lines import sign_of
from pvhdbg.tui.views.shown import cursor, rows, selected
from pvhdbg.views.explain import lookup
from pvhdbg.views.rows import pointer_chain, text

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pvhdbg.boot.stop.capture import Capture
    from pvhdbg.checks.finding import Finding
    from pvhdbg.tui.lines.line import Fragment, Line
    from pvhdbg.tui.screen.state import Screen
    from pvhdbg.tui.views.view import Detail
    from pvhdbg.views.explain.topic import Explanation
    from pvhdbg.views.rows.row import Row

BYTES_SHOWN = 16
GAP = "   "
NO_BREAK = "\xa0"


def detail(screen: Screen, width: int, lines: int) -> list[Line]:
    """Draw the pane: exactly `lines` lines about the selected row."""
    row, more = _subject(screen), signs(screen.ascii).more
    drawn = _all_lines(screen, row, width)[_top(screen, width, lines) :]
    if row and lines == 1:
        drawn = [_one_line(row, _detail(screen, row), ascii=screen.ascii)]
    elif len(drawn) > lines and screen.focus != state.DETAIL:
        drawn = [*drawn[: lines - 1], [*drawn[lines - 1], (classes.DETAIL, f" {more}")]]
    return [fit([("", " "), *(drawn[at] if at < len(drawn) else [])], width, more) for at in range(lines)]


def title(screen: Screen, width: int, lines: int) -> str:
    """Return the pane's title, which shows how much of the text is hidden and which key shows it."""
    as_of = table.shown(screen).as_of(screen)
    name = f"detail, as of {as_of}" if as_of else "detail"
    count, top = len(_all_lines(screen, _subject(screen), width)), _top(screen, width, lines)
    hidden = count - lines
    if screen.focus == state.DETAIL:
        position = f"lines {top + 1}-{min(top + lines, count)} of {count}   Up/Down: scroll   "
        return f"{name}   {position if hidden > 0 else ''}F2: with links"
    if hidden <= 0:
        return name
    if lines == 1:
        return f"{name}   F2: show all {text.counted(count, 'line')}"
    return f"{name}   F2: {hidden} more {'line' if hidden == 1 else 'lines'}"


def whole(screen: Screen, width: int) -> list[Line]:
    """Return all lines about the selected row, and the names of the terms that they use."""
    row = _subject(screen)
    if row is None:
        return [[(classes.DETAIL, "no row is selected")]]
    from pvhdbg.views.explain.term_topics import mentioned

    topic = _topic(row, _detail(screen, row))
    terms = [term.replace(" ", NO_BREAK) for term in mentioned(topic)] if topic else []
    listed = wrap(", ".join(terms), width, initial_indent="  see also    ", subsequent_indent=" " * 14) if terms else []
    also: list[Line] = [[(classes.DETAIL, line.replace(NO_BREAK, " "))] for line in listed]
    return [*_all_lines(screen, row, width), *([[]] if also else []), *also]


def last_top(screen: Screen, width: int, lines: int) -> int:
    """Return the largest index that the first visible line can have."""
    return max(len(_all_lines(screen, _subject(screen), width)) - lines, 0)


def _top(screen: Screen, width: int, lines: int) -> int:
    return min(screen.detail_top, last_top(screen, width, lines)) if screen.focus == state.DETAIL else 0


def _all_lines(screen: Screen, row: Row | None, width: int) -> list[Line]:
    return _lines(ById(row), _detail(screen, row), width - 1, ascii=screen.ascii) if row else []


def _subject(screen: Screen) -> Row | None:
    """Return the row to explain: the selected row or, if the view is empty, its stand-in row."""
    row = selected(screen)
    if row is None and screen.capture and not rows(screen):
        return table.shown(screen).stand_in
    return row


def _detail(screen: Screen, row: Row) -> Detail:
    screen = table.shown(screen).at_source(screen)
    about = table.shown(screen).detail(screen, rows(screen), cursor(screen))
    if row.path and not row.folded:
        about = about._replace(cut=row_lines.cut_texts(row, rows(screen), screen.columns, about.findings))
    if screen.capture and row.leads_to is not None and not about.finding_first:
        about = about._replace(chains=_chains(ById(screen.capture), row, signs(screen.ascii).to))
    if row.raw and not row.path and not table.shown(screen).has_virtual_addresses:
        return about._replace(note=_contents(screen, row.address or 0, len(row.raw)))
    return about


@lru_cache(64)
def _all_chains(capture: ById[Capture], address: int, to: str) -> tuple[str, ...]:
    return tuple(pointer_chain.chains_from(_places(capture), address, to))


@lru_cache(8)
def _places(capture: ById[Capture]) -> Mapping[int, pointer_chain.Place]:
    return pointer_chain.places(capture.value)


def _chains(capture: ById[Capture], row: Row, to: str) -> tuple[str, ...]:
    """Return where the row's pointer leads, unless the row itself says that."""
    found = _all_chains(capture, row.leads_to or 0, to)
    return () if len(found) == 1 and found[0] in row.meaning else tuple(f"{to} {chain}" for chain in found)


def _contents(screen: Screen, paddr: int, size: int) -> str:
    """Describe what kind of memory raw bytes are in, and name the symbol and the fields there."""
    from pvhdbg.tui.draw import fields_at

    memory, kernel = memory_at.describe(screen, paddr), memory_at.in_kernel(screen, paddr, size)
    return " ".join(filter(None, (memory and f"Memory {memory}.", kernel, fields_at.names(screen, paddr, size))))


def _one_line(row: Row, about: Detail, *, ascii: bool) -> Line:  # noqa: A002
    """Draw everything on one line, with the old value and the findings first, since the rest may be cut."""
    name = row.path if row.name.startswith("[") else row.name
    news = [(classes.DETAIL_NAME, name), *_was(about, ascii=ascii), *_findings(about, ascii=ascii)]
    return _joined([*news, *_leading(about), *_place_and_bytes(row), *_cut_texts(about), *_sentences(row, about)])


@lru_cache(64)
def _lines(row: ById[Row], about: Detail, width: int, *, ascii: bool) -> list[Line]:  # noqa: A002
    """Draw the head on its own line, then everything else as paragraphs. A finding comes before the head's next lines.

    On a small terminal, the pane has three lines.
    """
    head = _broken([*_head(row.value), *_was(about, ascii=ascii)], width)
    findings = _paragraphs(_findings(about, ascii=ascii), width, ascii=ascii)
    sentences = (classes.DETAIL, " ".join(words for _, words in _sentences(row.value, about)))
    rest = [sentences] if about.finding_first else [*_cut_texts(about), *_leading(about), sentences]
    first = [*findings, *head] if about.finding_first else [*head[:1], *findings, *head[1:]]
    return first + _paragraphs(rest, width, ascii=ascii)


def _paragraphs(texts: Line, width: int, *, ascii: bool) -> list[Line]:  # noqa: A002
    wrapped = ((style, wrap(clean(words, ascii=ascii), width, break_on_hyphens=False)) for style, words in texts)
    return [[(style, line)] for style, lines in wrapped for line in lines]


def _joined(parts: list[Fragment]) -> Line:
    line: Line = []
    for style, words in parts:
        line += [("", GAP if line else ""), (style, words)]
    return line


def _broken(parts: list[Fragment], width: int) -> list[Line]:
    """Put as many parts on each line as fit."""
    lines: list[list[Fragment]] = [[]]
    for part in parts:
        if lines[-1] and length(_joined([*lines[-1], part])) > width:
            lines.append([])
        lines[-1].append(part)
    return [_joined(parts) for parts in lines]


def _head(row: Row) -> Line:
    """Return the row's path, C type, offset, address and bytes."""
    if not row.path:
        return [(classes.DETAIL_NAME, f"line {row.name}" if row.name.isdecimal() else row.name)]
    where = " = ".join(filter(None, (row.label, _address(row))))
    raw = row.raw[:BYTES_SHOWN].hex(" ") + (" …" if len(row.raw) > BYTES_SHOWN else "")
    raw = f"bytes {raw}" if row.raw and not row.folded else ""
    parts = ((classes.DETAIL_NAME, row.path), (classes.DETAIL, _typed(row, where)), (classes.BYTES, raw))
    return [(style, words) for style, words in parts if words]


def _place_and_bytes(row: Row) -> Line:
    """Return C type, address and bytes, which the row in the view does not show."""
    if not row.path:
        return []
    raw = row.raw.hex(" ") if len(row.raw) <= 8 else ""
    parts = ((classes.DETAIL, _typed(row, _address(row))), (classes.BYTES, raw))
    return [(style, words) for style, words in parts if words]


def _typed(row: Row, place: str) -> str:
    field = row.field()
    return " at ".join(filter(None, (field.ctype if field else "", place)))


def _address(row: Row) -> str:
    return "" if row.address is None else text.address(row.address)


def _was(about: Detail, *, ascii: bool) -> Line:  # noqa: A002
    return [(classes.CHANGED, f"{signs(ascii).changed} {about.old_value}")] if about.old_value else []


def _leading(about: Detail) -> Line:
    return [(classes.VALUE, chain) for chain in about.chains]


def _findings(about: Detail, *, ascii: bool) -> Line:  # noqa: A002
    return [
        (classes.FINDINGS.get(finding.severity, classes.INFO), f"{sign_of(finding, ascii=ascii)} {_words(finding)}")
        for finding in about.findings
    ]


def _words(finding: Finding) -> str:
    return f"{finding.code} {finding.severity}: {clean(finding.message)}"


def _cut_texts(about: Detail) -> Line:
    return [(classes.DETAIL, words) for words in about.cut]


def _sentences(row: Row, about: Detail) -> Line:
    """Return the explanation, the most useful sentences first."""
    topic = _topic(row, about)
    explained = list(_explained(topic)) if topic else []
    bits = list(_bits(row, topic)) if topic else []
    enter = "Enter: go to the field." if about.finding_first else ""
    if row.leads_to is not None and not about.finding_first:
        enter = f"Enter: go to {text.address(row.leads_to)}."
    sentences = [_zero_fields(row), about.note, *bits, *explained[:1], enter, *explained[1:]]
    return [(classes.DETAIL, words) for words in sentences if words]


def _topic(row: Row, about: Detail) -> Explanation | None:
    """Return the explanation to show: of a finding's rule, of the stage for the line at RIP, or of the row's field."""
    if about.topic:
        return lookup.of_row(row._replace(path=about.topic))
    rule = lookup.of_row(row._replace(path=row.name)) if about.finding_first else None
    return rule or lookup.of_row(row)


def _zero_fields(row: Row) -> str:
    return f"All 0 (z: unfold): {', '.join(field.name for field in row.fields)}." if row.folded else ""


def _explained(topic: Explanation) -> Iterator[str]:
    meaning = topic.meaning
    yield f"{meaning[:1].upper()}{meaning[1:]}." if meaning else ""
    yield " ".join(topic.details)
    if topic.written_by:
        yield f"Written by {topic.written_by}; read by {topic.read_by}."
    yield f"Source: {topic.source}." if topic.source else ""


def _bits(row: Row, topic: Explanation) -> Iterator[str]:
    """Explain the bits that are set in a register."""
    try:
        value = int(row.value, 16)
    except ValueError:
        return
    for bit, name, meaning in topic.values:
        number = bit.removeprefix("bit ")
        if number != bit and value >> int(number) & 1:
            yield f"{name}: {meaning}."
