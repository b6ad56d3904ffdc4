"""Events to screens: pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pvhdbg.abi.text import printable
from pvhdbg.boot import compare
from pvhdbg.tui import events, state
from pvhdbg.tui.state import Run, Screen, Shown

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

    from pvhdbg.boot.capture import Capture
    from pvhdbg.live.code import Code

LINES_KEPT = 5000
LONGEST_LINE = 4096


def update(screen: Screen, event: events.Event) -> Screen:
    """The screen after an event."""
    return _UPDATES[type(event)](screen, event)


def _began(screen: Screen, event: events.Began) -> Screen:
    return screen._replace(title=event.title, image=event.image, stages=event.stages)


def _ran(screen: Screen, event: events.Ran) -> Screen:
    if screen.run.kind == state.DEAD:
        return screen
    return screen._replace(run=Run(state.RUNNING, screen.run.where, event.since))


def _stopped(screen: Screen, event: events.Stopped) -> Screen:
    """A new stop is what people want to see: the past is left, and a death brings its findings."""
    died = event.run.kind == state.DEAD and screen.run.kind != state.DEAD
    seen = screen._replace(
        run=event.run,
        now=event.now,
        history=event.history,
        stages=event.stages,
        code=event.code,
        past=None,
        message="",
        view=state.FINDINGS if died else screen.view,
        shown={**screen.shown, state.CODE: Shown(_current(event.code))},
    )
    return compared(seen)


def _current(code: Code) -> int:
    """The line that RIP is at; the pane scrolls to the cursor."""
    return next((index for index, each in enumerate(code.lines) if each.current), 0)


def compared(screen: Screen) -> Screen:
    """With what changed since the stage before the capture that is looked at."""
    return screen._replace(before=changes(screen))


def changes(screen: Screen) -> Mapping[str, object]:
    seen = screen.looked_at
    before = _stage_before(screen, seen)
    return {} if seen is None or before is None else compare.marks(before, seen)


def _stage_before(screen: Screen, seen: Capture | None) -> Capture | None:
    if screen.past is not None:
        return screen.history[screen.past - 1] if screen.past else None
    earlier = [each for each in screen.history if each is not seen]
    return earlier[-1] if earlier else None


def _coded(screen: Screen, event: events.Coded) -> Screen:
    return screen._replace(code=event.code)


def _peeked(screen: Screen, event: events.Peeked) -> Screen:
    return screen._replace(bytes=event.bytes)


def _printed(screen: Screen, event: events.Printed) -> Screen:
    return screen._replace(output=appended(screen.output, event.text))


def _wrote(screen: Screen, event: events.Wrote) -> Screen:
    lines = event.data.expandtabs().replace(b"\r", b"").split(b"\n")
    return screen._replace(serial=appended(screen.serial, "\n".join(printable(each) for each in lines)))


def appended(lines: tuple[str, ...], text: str) -> tuple[str, ...]:
    """Lines with more text after them, fit for a terminal; the last one is the one that is still being written."""
    first, *rest = text.expandtabs().split("\n")
    last = lines[-1] if lines else ""
    new = ((last + printable_line(first))[:LONGEST_LINE], *(printable_line(each) for each in rest))
    return (*lines[:-1], *new)[-LINES_KEPT:]


def printable_line(text: str) -> str:
    """What gdb says may be UTF-8, but a control character must not reach the terminal."""
    if text.isprintable():
        return text[:LONGEST_LINE]
    return "".join(each if each.isprintable() else printable(each) for each in text[:LONGEST_LINE])


def _symbols(screen: Screen, event: events.SymbolsAre) -> Screen:
    return screen._replace(symbols=event.state)


def _queued(screen: Screen, event: events.Queued) -> Screen:
    return screen._replace(queued=event.waiting)


def _prompted(screen: Screen, event: events.Prompted) -> Screen:
    return screen._replace(continued=event.more)


def _said(screen: Screen, event: events.Said) -> Screen:
    words = event.message + (f" (hint: {event.hint})" if event.hint else "")
    return screen._replace(message=words, output=appended(screen.output, f"pvhdbg: {words}\n"))


def _left(screen: Screen, _event: events.Left) -> Screen:
    return screen if screen.run.kind == state.DEAD else screen._replace(run=Run(state.ENDED))


_UPDATES: dict[type, Callable[[Screen, Any], Screen]] = {
    events.Began: _began,
    events.Ran: _ran,
    events.Stopped: _stopped,
    events.Coded: _coded,
    events.Peeked: _peeked,
    events.Printed: _printed,
    events.Wrote: _wrote,
    events.SymbolsAre: _symbols,
    events.Queued: _queued,
    events.Prompted: _prompted,
    events.Said: _said,
    events.Left: _left,
}
