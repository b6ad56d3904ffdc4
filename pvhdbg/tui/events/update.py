"""Events to screens: pure."""

from __future__ import annotations

from functools import lru_cache
from itertools import groupby
from typing import TYPE_CHECKING

from pvhdbg.boot.record import compare
from pvhdbg.tui.events import events
from pvhdbg.tui.events.news import news
from pvhdbg.tui.screen import changes, findings, scrollback, state
from pvhdbg.tui.screen.by_id import ById
from pvhdbg.tui.screen.state import Run, Screen, Wanted
from pvhdbg.tui.views import table

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from typing import Any

    from pvhdbg.boot.stop.capture import Capture


def update(screen: Screen, event: events.Event) -> Screen:
    """The screen after an event."""
    return _UPDATES[type(event)](screen, event)


def merged(waiting: Iterable[events.Event]) -> Iterator[events.Event]:
    """The same events, but text that was printed piece by piece as one: each change of a long pane copies it."""
    for kind, run in groupby(waiting, type):
        if kind is events.Printed:
            yield events.Printed("".join(each.text for each in run if isinstance(each, events.Printed)))
        elif kind is events.Wrote:
            yield events.Wrote(b"".join(each.data for each in run if isinstance(each, events.Wrote)))
        else:
            yield from run


def _began(screen: Screen, event: events.Began) -> Screen:
    """A machine at its reset vector: what there was of another one is gone."""
    return screen._replace(
        title=event.title,
        run=Run(),
        image=event.image,
        stages=event.stages,
        ours=event.ours,
        machine=event.machine,
        history=(),
        now=None,
        past=None,
        before={},
        findings=(),
        noted=(),
        codes={},
        serial=(),
        text_tops={},
        arrived=None,
        view=table.FIRST.name
        if screen.run.kind == state.DEAD and table.shown(screen) is table.FINDINGS
        else screen.view,
    )


def _view_after_death(screen: Screen) -> str:
    """Leave the findings, if the death of the guest brought them up."""
    explains_death = screen.run.kind == state.DEAD and table.shown(screen) is table.FINDINGS
    return table.FIRST.name if explains_death else screen.view


def _ran(screen: Screen, event: events.Ran) -> Screen:
    if screen.run.kind == state.DEAD:
        return screen
    marks = tuple(each._replace(status=state.PASSED) if each.status == state.HERE else each for each in screen.stages)
    return screen._replace(run=Run(state.RUNNING, screen.run.where, event.since), stages=marks)


def _known(screen: Screen, event: events.Known) -> Screen:
    return screen._replace(image=event.image)


def _stopped(screen: Screen, event: events.Stopped) -> Screen:
    """A new stop is what people want to see: the past is left, and a death brings its findings."""
    seen = screen._replace(run=event.run, now=event.now, history=event.history, stages=event.stages)
    if event.run == screen.run:
        return _again(compared(seen))
    known = len(screen.history)
    seen = compared(_moved(screen, seen._replace(past=None, arrived=event.now, detail_top=0)))
    if len(event.history) > known and not seen.message:
        seen = seen._replace(message=news(seen))
    return _again(seen)


def _moved(before: Screen, screen: Screen) -> Screen:
    screen = _at_start_rows(screen)
    if screen.run.kind != state.DEAD or before.run.kind == state.DEAD:
        return screen
    words = "; ".join(filter(None, (f"the guest died: {screen.run.how}", _place(screen.run))))
    output = scrollback.printed(screen.output, f"pvhdbg: {words}\n")
    return screen._replace(view=table.FINDINGS.name, message=words, output=output)


def _at_start_rows(screen: Screen) -> Screen:
    """Move the cursors of views that have a start row back to it: the code is shown at RIP again."""
    kept = {name: place for name, place in screen.shown.items() if table.BY_NAME[name].start_row is None}
    return screen._replace(shown=kept)


def _place(run: Run) -> str:
    return "" if run.rip is None else f"rip {run.rip:#x} {run.symbol or ''}".rstrip()


def _again(screen: Screen) -> Screen:
    """What the bytes view shows is read again from what is looked at now."""
    if screen.bytes.data == b"" or screen.wanted is not None:
        return screen
    return screen._replace(wanted=Wanted("", 0, screen.bytes.paddr))


def _lost(screen: Screen, event: events.Lost) -> Screen:
    return screen._replace(run=Run(state.ENDED, event.why), message=event.why)


def looking(screen: Screen, past: int | None) -> Screen:
    """At a stage of the past, or at now."""
    return _again(compared(_at_start_rows(screen._replace(past=past))))


def compared(screen: Screen) -> Screen:
    """With what changed since the stage before the capture that is looked at, or since the machine came there; and with
    what the rules find in it.
    """
    seen = screen.looked_at
    arrived = screen.arrived if screen.past is None else None
    earlier = [each for each in (changes.stage_before(screen), arrived) if each is not None and each is not seen]
    before: dict[str, object] = {}
    for each in earlier if seen else ():
        before |= _marks(ById(each), ById(seen))
    return screen._replace(before=before, findings=findings.findings(screen), noted=findings.noted(screen))


@lru_cache(8)
def _marks(before: ById[Capture], after: ById[Capture]) -> Mapping[str, object]:
    return compare.values_before(before.it, after.it)


def _coded(screen: Screen, event: events.Coded) -> Screen:
    return screen._replace(code=event.code, codes={**screen.codes, **event.codes})


def _peeked(screen: Screen, event: events.Peeked) -> Screen:
    """Who has gone on to another stage meanwhile is not shown what that one had."""
    looked_at = screen.looked_at if screen.past is not None or event.past is screen.looked_at else None
    return screen._replace(bytes=event.bytes) if event.past is looked_at else screen


def _busy(screen: Screen, event: events.Busy) -> Screen:
    return screen._replace(busy=event.busy)


def _printed(screen: Screen, event: events.Printed) -> Screen:
    return screen._replace(output=scrollback.printed(screen.output, event.text))


def _wrote(screen: Screen, event: events.Wrote) -> Screen:
    return screen._replace(serial=scrollback.written(screen.serial, event.data))


def _symbols(screen: Screen, event: events.SymbolsAre) -> Screen:
    return screen._replace(symbols=event.state)


def _queued(screen: Screen, event: events.Queued) -> Screen:
    return screen._replace(queued=event.waiting)


def _prompted(screen: Screen, event: events.Prompted) -> Screen:
    return screen._replace(continued=event.more)


def _said(screen: Screen, event: events.Said) -> Screen:
    words = event.message + (f" (hint: {event.hint})" if event.hint else "")
    return screen._replace(message=words, output=scrollback.printed(screen.output, f"pvhdbg: {words}\n"))


def _left(screen: Screen, _event: events.Left) -> Screen:
    return screen._replace(run=Run(state.ENDED))


_UPDATES: dict[type, Callable[[Screen, Any], Screen]] = {
    events.Began: _began,
    events.Ran: _ran,
    events.Known: _known,
    events.Stopped: _stopped,
    events.Lost: _lost,
    events.Coded: _coded,
    events.Peeked: _peeked,
    events.Printed: _printed,
    events.Wrote: _wrote,
    events.SymbolsAre: _symbols,
    events.Queued: _queued,
    events.Busy: _busy,
    events.Prompted: _prompted,
    events.Said: _said,
    events.Left: _left,
}
