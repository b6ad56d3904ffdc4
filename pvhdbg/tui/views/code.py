"""code: the instructions at RIP with their source; in a recording, the captured bytes.

A narrow pane has the source lines above their instructions, a wide one has both side by side. If the file of a line is
not here, the number of the line stands beside its first instruction.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING

from pvhdbg.boot.stop import stages
from pvhdbg.lazy_pattern import pattern
from pvhdbg.live.debuggee.code import TAB
from pvhdbg.named_tuple import NamedTuple
from pvhdbg.tui.lines import classes, highlight
from pvhdbg.tui.lines.line import clean, fit, length
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
    from pvhdbg.views.explain.instructions import Known

SIDE_BY_SIDE = 110
"""The least width of a pane at which source and instructions stand side by side."""
_TEXT, _NUMBER = 34, 5
"""The widths of an instruction's text, if something follows it, and of a line number."""
_LEAST_SOURCE, _MOST_SOURCE = 24, 0.4
"""The least width of the source beside the instructions, and the largest share of the pane."""
_MARGIN, _BETWEEN, _PLACE = 2, 3, 8
"""Columns of the signs, of the bar between source and instructions, and digits of a shortened address."""
_NAMED_ADDRESS = pattern(r"\b0x[0-9a-f]+ (?=<)", re.ASCII)


class Pair(NamedTuple):
    """What one row shows: a line of source, an instruction, or both. `file` names a file other than that at RIP."""

    source: CodeLine | None
    instruction: CodeLine | None
    file: str = ""

    @property
    def main(self) -> CodeLine:
        line = self.instruction or self.source
        assert line is not None  # noqa: S101  a pair has at least one
        return line

    @property
    def is_current(self) -> bool:
        return self.main.current


def rows(screen: Screen) -> Rows:
    return _rows(ById(code_at.code(screen)), is_wide=_is_wide(screen))


def _is_wide(screen: Screen) -> bool:
    return screen.columns >= SIDE_BY_SIDE


@lru_cache(8)
def _rows(code: ById[Code], *, is_wide: bool) -> Rows:
    return tuple(_row_of(pair) for pair in _pairs(code, is_wide=is_wide))


def _row_of(pair: Pair) -> Row:
    """Return the row of the instruction. A search also finds the source line beside it."""
    row = _row(pair.main)
    if pair.source is None or pair.instruction is None:
        return row
    return row._replace(columns=(clean(pair.source.text or pair.source.source),))


def _row(line: CodeLine) -> Row:
    known = _explained(line.text) if line.address is not None else None
    shown = line.text or (line.source if line.number is not None else "")
    return Row("", _place(line), clean(shown), known.brief if known else "", address=line.address, raw=line.raw)


def _explained(instruction: str) -> Known | None:
    from pvhdbg.views.explain import instructions  # imported late: the first picture has no code

    return instructions.of_text(instruction)


def _place(line: CodeLine) -> str:
    if line.number is not None:
        return str(line.number)
    return "" if line.address is None else text.address(line.address)


@lru_cache(8)
def _pairs(code: ById[Code], *, is_wide: bool) -> tuple[Pair, ...]:
    """Return the rows. A narrow pane leaves out empty lines of source."""
    pairs: list[Pair] = []
    current = next((line.source for line in code.value.lines if line.number is not None and line.current), "")
    here = _file(current) if current and code.value.title.startswith(current) else ""
    for line in code.value.lines:
        before = pairs[-1] if pairs else Pair(None, None)
        source = before.source if before.instruction is None else None
        if line.number is not None:
            pairs += [Pair(line, None)] if is_wide or line.text.strip() or line.source else []
        elif source is not None and (is_wide or not source.text) and line.address is not None:
            file = "" if source.text else _file(source.source)
            pairs[-1] = Pair(source, line, "" if file == here else file.rpartition("/")[2])
        else:
            pairs.append(Pair(None, line))
    return tuple(pairs)


def _file(source: str) -> str:
    return source.rpartition(":")[0]


@lru_cache(8)
def _source_width(code: ById[Code], width: int) -> int:
    """Return the width of the source beside the instructions. Longer lines have no instruction beside them."""
    beside = [pair.source for pair in _pairs(code, is_wide=True) if pair.source and pair.instruction]
    longest = max((len(line.text.expandtabs(TAB)) for line in beside), default=0)
    return min(max(longest + _NUMBER + 2, _LEAST_SOURCE), int(width * _MOST_SOURCE))


def _shown(screen: Screen) -> tuple[Pair, ...]:
    return _pairs(ById(code_at.code(screen)), is_wide=_is_wide(screen))


def start_row(screen: Screen, _rows: Rows) -> int:
    """Return the index of the row with the instruction at RIP, or with its source line."""
    at_rip = [(pair.instruction is None, index) for index, pair in enumerate(_shown(screen)) if pair.is_current]
    return min(at_rip, default=(True, 0))[1]


def has_data(screen: Screen) -> bool:
    """Return whether there is code, or will be: it is read after the stop is shown, unless the machine is gone."""
    return bool(code_at.code(screen).lines) or screen.run.kind not in (state.DEAD, state.ENDED)


def heading(screen: Screen) -> str:
    return code_at.code(screen).title


def empty(screen: Screen) -> str:
    return code_at.code(screen).why or "no code yet"


def draw(screen: Screen, _rows: Rows, shown: range, width: int) -> list[Line]:
    """Draw source and instructions, with signs for RIP and for breakpoints."""
    pairs = _shown(screen)
    has_source = any(pair.source and pair.source.text for pair in pairs)
    left = _source_width(ById(code_at.code(screen)), width) if has_source and _is_wide(screen) else 0
    columns = _Columns(width - 1, left, any(pair.source for pair in pairs))
    has_short = _has_too_little_room(ById(code_at.code(screen)), columns.room, is_wide=_is_wide(screen))
    columns = columns._replace(has_short_places=has_short)
    return [_line(screen, pairs[index], columns) for index in shown]


class _Columns(NamedTuple):
    """The columns of a row. `left` is the width of the source beside the instructions; 0 if it is above them."""

    width: int
    left: int
    has_numbers: bool
    has_short_places: bool = False

    @property
    def room(self) -> int:
        """The room for an instruction with its address."""
        beside = self.left + _BETWEEN if self.left else _NUMBER if self.has_numbers else 0
        return self.width - _MARGIN - beside


@lru_cache(8)
def _has_too_little_room(code: ById[Code], room: int, *, is_wide: bool) -> bool:
    """Return whether an instruction would be cut beside its whole address."""
    return any(
        len(f"{_place(pair.main)}  ") + len(_NAMED_ADDRESS.sub("", clean(pair.main.text))) > room
        for pair in _pairs(code, is_wide=is_wide)
        if pair.instruction
    )


def _short_place(line: CodeLine, *, ascii: bool) -> str:  # noqa: A002
    """Return the last digits of an address: those before are the same in all rows, or nearly so."""
    place = _place(line)
    return place if len(place) <= _PLACE + 1 else f"{signs(ascii).more}{place[-_PLACE:]}"


def _line(screen: Screen, pair: Pair, columns: _Columns) -> Line:
    """Draw a row."""
    if pair.main.address is None and pair.main.number is None:
        return [(classes.EMPTY, f"  {pair.main.text}")]
    lines, sign = (pair.source, pair.instruction), signs(screen.ascii)
    margin: Line = [
        (classes.BREAKPOINT, sign.breakpoint if any(line and line.breakpoint for line in lines) else " "),
        (classes.CURRENT, sign.current if pair.is_current else " "),
    ]
    source = _source(pair.source, ascii=screen.ascii) if pair.source else []
    if left := columns.left:
        if pair.instruction is None and length(source) > left:
            return [*margin, *source]
        right = _instruction(pair, columns, ascii=screen.ascii) if pair.instruction else []
        return [*margin, *fit(source, left, sign.more), (classes.BORDER, f" {sign.separator} "), *right]
    if pair.instruction is None:
        return [*margin, *source]
    number = f"{pair.source.number:>{_NUMBER - 1}} " if pair.source else " " * _NUMBER
    indent = number if columns.has_numbers else ""
    return [*margin, (classes.ADDRESS, indent), *_instruction(pair, columns, ascii=screen.ascii)]


def _source(line: CodeLine, *, ascii: bool) -> Line:  # noqa: A002
    number = (classes.ADDRESS, f"{line.number:>{_NUMBER}}  ")
    words = clean(line.text.expandtabs(TAB), ascii=ascii)
    place = clean(line.source.rpartition(":")[0])
    if line.current:
        return [number, (classes.CURRENT, words or place)]
    return [number, *(highlight.source(words, line.path) if words else [(classes.EMPTY, place)])]


def _instruction(pair: Pair, columns: _Columns, *, ascii: bool) -> Line:  # noqa: A002
    """Draw the instruction and, if there is room, the note to its right.

    An address with a name is left out if it does not fit. A note moves to the left as far as needed.
    """
    line = pair.main
    short = _short_place(line, ascii=ascii) if columns.has_short_places else _place(line)
    place, known = f"{short}  ", _explained(line.text)
    note = f"{pair.file}:{pair.source.number}" if pair.file and pair.source else ""
    if known and not known.is_usual:
        note = known.brief
    words, room = clean(line.text, ascii=ascii), columns.room - len(place)
    if len(words) > room:
        words = _NAMED_ADDRESS.sub("", words)
    shown: Line = [(classes.CURRENT, words)] if line.current else highlight.instruction(words)
    gap = min(max(room - len(words) - len(note), 2), max(_TEXT - len(words), 0) + 2)
    return [(classes.ADDRESS, place), *shown, ("", " " * gap if note else ""), (classes.CODE_NOTE, note)]


def detail(screen: Screen, _rows: Rows, index: int) -> Detail:
    """Explain the selected instruction, and the stage if the instruction is at RIP."""
    pairs = _shown(screen)
    if index >= len(pairs):
        return Detail()
    pair = pairs[index]
    here = f"RIP is here. {_failing_accesses(screen)}".rstrip() if pair.is_current else ""
    words = " ".join(filter(None, (_long_source(screen, pair), here, _words(_instruction_of(pairs, index)))))
    is_now = screen.run.kind == state.STOPPED and screen.past is None
    stage = screen.run.where if is_now else screen.capture.stage if screen.capture and not screen.moment else ""
    return Detail(note=words, topic=stage if pair.is_current and stage in stages.NAMES else "")


def _long_source(screen: Screen, pair: Pair) -> str:
    """Return a line of source that may not fit on its row."""
    words = pair.source.text.strip() if pair.source and pair.instruction is None else ""
    return words if len(words) + _NUMBER * 3 > screen.columns else ""


def _failing_accesses(screen: Screen) -> str:
    """Describe what the instruction at RIP can't access: that is why the guest died, or will fault."""
    here, capture = code_at.next_instruction(screen), screen.capture
    if here is None or capture is None or here.rip != capture.rip:
        return ""
    failing = (access for access in here.accesses if access.why)
    return " ".join(
        f"It {access.verb} {text.size(access.size)} at {access.address:#x}: {access.why}." for access in failing
    )


def _words(line: CodeLine | None) -> str:
    """Describe an instruction: what it does, its source line and its bytes."""
    known = _explained(line.text) if line else None
    about = f"{line.text.split()[0]}: {known.brief}. {known.details}".strip() if line and known else ""
    place = f"From {line.source}." if line and line.source else ""
    raw = f"Bytes {line.raw.hex(' ')}." if line and line.raw else ""
    return " ".join(filter(None, (about, place, raw)))


def breakpoint_place(screen: Screen, index: int) -> BreakpointPlace:
    """Return the selected instruction or source line, or RIP if there is no code."""
    if screen.past is not None:
        return BreakpointPlace(refusal="no breakpoints in a past stage: press Right to return to the current stop")
    pairs = _shown(screen)
    if index >= len(pairs):
        return BreakpointPlace()
    line = pairs[index].main
    if line.number is None or _instruction_of(pairs, index) or not any(pair.instruction for pair in pairs):
        return BreakpointPlace(line.place)
    found = (_instruction_of(pairs, at) for at, other in enumerate(pairs) if other.main.place == line.place)
    instruction = next(filter(None, found), None)
    if instruction is None:
        return BreakpointPlace(refusal=f"line {line.number} has no instruction here: select an instruction")
    return BreakpointPlace(instruction.place)


def _instruction_of(pairs: tuple[Pair, ...], index: int) -> CodeLine | None:
    """Return the instruction in a row or, for a line of source, the first one of its code, which follows it."""
    pair = pairs[index]
    following = pairs[index + 1] if index + 1 < len(pairs) else pair
    return pair.instruction or (following.instruction if following.source is None else None)
