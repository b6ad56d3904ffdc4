"""The context strip: the next instruction with what it reads and writes, and the registers that changed."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from pvhdbg.abi.cpu import NAMED_BITS
from pvhdbg.tui.lines import classes
from pvhdbg.tui.lines.line import clean, fit, length, styled
from pvhdbg.tui.lines.signs import signs
from pvhdbg.tui.screen import changes, code_at, state
from pvhdbg.tui.screen.by_id import ById
from pvhdbg.tui.screen.kept import OF_VIEW, SELECTION, TYPED, kept
from pvhdbg.views.rows import cpu_rows, text

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from pvhdbg.boot.stop.capture import Capture
    from pvhdbg.live.instructions.next_instruction import Access, NextInstruction
    from pvhdbg.tui.lines.line import Line
    from pvhdbg.tui.screen.state import Screen

    Registers = Mapping[str, int | None]

_LABEL_WIDTH, _GAP = 9, "   "
_NUMBER = 8
"""An operand of at most this size is shown as a number."""
_FIRST = ("cr0", "cr4", "efer", "cr3", "cs", "ss", "ds", "es", "fs", "gs", "gdtr.base", "idtr.base", "tr", "ldt")
_LAST = ("eflags",)
_LEFT_OUT = ("rip", "a20")
"""The header has RIP, which always changes."""


@kept(*SELECTION, *TYPED, *OF_VIEW, "output_top")
def lines(screen: Screen, width: int, count: int) -> list[Line]:
    """Draw the first `count` of the two lines."""
    more = signs(screen.ascii).more
    drawn = [fit(line, width, more) for line in (_next(screen), _changed(screen, width))[:count]]
    is_old = screen.run.kind == state.RUNNING and screen.past is None
    return [styled(line, classes.OLD) for line in drawn] if is_old else drawn


def _next(screen: Screen) -> Line:
    capture, here = screen.capture, code_at.next_instruction(screen)
    if capture is None:
        return []
    label = (classes.PANE_TITLE, f" {'died at' if _is_death(screen) else 'next'}".ljust(_LABEL_WIDTH))
    if here is None or here.rip != capture.rip:
        return [label, (classes.CODE_NOTE, _where(screen, capture))]
    from pvhdbg.views.explain import instructions  # not before the first picture, which has no instruction

    known = instructions.of_text(here.text)
    line: Line = [label, (classes.CODE_KEYWORD, _text(screen, here))]
    words = [*([known.brief] if known else []), *([_JUMPS[here.jumps]] if here.jumps is not None else [])]
    line += [(classes.CODE_NOTE, f"   {', '.join(words)}")] if words else []
    for access in here.accesses:
        line += [("", "   "), *_access(access)]
    return line


def _where(screen: Screen, capture: Capture) -> str:
    """Return where an instruction is that is not known, or has not been read yet."""
    symbol = screen.run.symbol if screen.past is None and screen.run.rip == capture.rip else None
    return "" if capture.rip is None else " ".join(filter(None, (text.address(capture.rip), clean(symbol or ""))))


_JUMPS = {True: "and here it jumps", False: "and here it does not jump"}


def _is_death(screen: Screen) -> bool:
    is_dead = screen.run.kind == state.DEAD and screen.past is None
    return is_dead or bool(screen.capture and screen.capture.stage == "died")


def _text(screen: Screen, here: NextInstruction) -> str:
    """Return the instruction, with the names of addresses if the code view has them."""
    shown = next((line for line in code_at.code(screen).lines if line.current and line.raw), None)
    named = shown.text if shown and shown.address is not None and shown.address == here.rip else here.text
    return " ".join(named.split())


def _access(access: Access) -> Line:
    place = f"{access.verb} {text.size(access.size)} at {access.address:#x}"
    if access.why:
        return [(classes.MEANING, f"{place}: "), (classes.ERROR, access.why)]
    if access.data is None:
        return [(classes.MEANING, place)]
    value = (classes.VALUE, _value(access.data, access.size))
    if access.is_written:  # the bytes before the instruction
        return [(classes.MEANING, f"{place} (now "), value, (classes.MEANING, ")")]
    return [(classes.MEANING, f"{place}: "), value]


def _value(data: bytes, size: int) -> str:
    if size <= _NUMBER:
        return f"{int.from_bytes(data, 'little'):#x}"
    return data.hex(" ") + (" …" if size > len(data) else "")


def _changed(screen: Screen, width: int) -> Line:
    """Draw the registers that changed since the stop before: the control registers first, the flags last.

    The last stop of a recording has no `before`, and neither does a stop to which the machine went back.
    """
    capture = screen.capture
    if capture is None:
        return []
    is_now = screen.past is None and screen.before is not None
    before = screen.before if is_now else changes.stage_before(screen)
    label = (classes.PANE_TITLE, " changed".ljust(_LABEL_WIDTH))
    if before is None or before is capture:
        return [label, (classes.EMPTY, "the first stop")]
    parts = _parts(ById(before), ById(capture), signs(screen.ascii).to)
    if not parts:
        what = "no register except RIP" if before.rip != capture.rip else "no register"
        return [label, (classes.EMPTY, f"{what} since {_place(screen, before)}")]
    is_between = screen.past is None and capture not in screen.history
    since: Line = [(classes.MEANING, f"since {_place(screen, before)}: ")] if is_between and not is_now else []
    return [label, *since, *_as_fit(parts, width - _LABEL_WIDTH - length(since))]


def _as_fit(parts: Sequence[tuple[str, str]], width: int) -> Line:
    """Draw as many registers as fit, and the number of the others."""
    line: Line = []
    for count, (name, words) in enumerate(parts):
        others = f"and {len(parts) - count} more"
        rest = 0 if count + 1 == len(parts) else len(f"and {len(parts) - count - 1} more")
        if length(line) + len(f"{name} {words}{_GAP}") + rest > width:
            return [*line, (classes.MEANING, others)]
        line += [(classes.NAME, name), ("", " "), (classes.CHANGED, words), ("", _GAP)]
    return line


def _place(screen: Screen, before: Capture) -> str:
    if screen.moment is not None:
        return "the instruction before"
    return f"stage {clean(before.stage)}" if before in screen.history else "the last stop"


@lru_cache(16)
def _parts(before: ById[Capture], after: ById[Capture], to: str) -> tuple[tuple[str, str], ...]:
    return tuple(_compared(before.value.registers, after.value.registers, to))


def _compared(old: Registers, new: Registers, to: str) -> Iterator[tuple[str, str]]:
    for name in sorted(new, key=_order):
        left, right = old.get(name), new[name]
        if left is None or right is None or left == right or name in _LEFT_OUT or _is_hidden(name):
            continue
        bits = cpu_rows.changed_bits(name, left, right) if name in NAMED_BITS else ""
        yield name.removesuffix(".base"), bits or f"{left:#x} {to} {right:#x}"


def _order(name: str) -> int:
    return len(_FIRST) + 1 if name in _LAST else _FIRST.index(name) if name in _FIRST else len(_FIRST)


def _is_hidden(name: str) -> bool:
    return "." in name and name not in _FIRST
