"""What keys do to the screen: pure. What they do to the machine is in app.py."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from pvhdbg.tui import attached, frame, state
from pvhdbg.tui.state import Entry, Popup, Screen, Wanted
from pvhdbg.tui.update import compared

if TYPE_CHECKING:
    from collections.abc import Callable

    from pvhdbg.views.rows import Row

    Action = Callable[[Screen, "Size"], Screen]

FOCUSES = (state.PROMPT, state.VIEW, state.OUTPUT)
_LEADS_TO_VIEW = {"hvm_modlist_entry": state.MODULES, "hvm_memmap_table_entry": state.MEMORY}
ONE_MACHINE_WORD = 8


class Size(NamedTuple):
    """What there is to draw on, in cells; the prompt and the legend not counted."""

    width: int
    height: int


def act(name: str, screen: Screen, size: Size) -> Screen:
    """The screen after the action of that name; the same one if it is none of ours."""
    if name.startswith("view "):
        return choose(screen, int(name.removeprefix("view ")))
    action = ACTIONS.get(name)
    return frame.clamp(action(screen, size), *size) if action else screen


def choose(screen: Screen, view: int) -> Screen:
    """Show a view; the bytes of what was selected, where that has an address."""
    row = selected(screen)
    if view == state.BYTES and screen.view != state.BYTES and row is not None and row.address is not None:
        return _look(screen, row.address, len(row.raw) or ONE_MACHINE_WORD)
    return screen._replace(view=view)


def _move(rows: int) -> Action:
    def move(screen: Screen, _size: Size) -> Screen:
        return scroll(screen, rows)

    return move


def _page(pages: int) -> Action:
    def move(screen: Screen, size: Size) -> Screen:
        return scroll(screen, pages * max(frame.visible(screen, *size) - 1, 1))

    return move


def scroll(screen: Screen, rows: int) -> Screen:
    """The cursor of the view by rows; gdb's output and the serial console, which have none, by lines."""
    if screen.focus == state.OUTPUT:
        return screen._replace(output_top=_top(screen.output_top, len(screen.output), rows))
    if screen.view == state.SERIAL:
        return screen._replace(serial_top=_top(screen.serial_top, len(screen.serial), rows))
    return screen.at(max(screen.here.cursor + rows, 0))


def _top(top: int | None, count: int, rows: int) -> int | None:
    """Null, the end, again once it has been scrolled back there."""
    start = count if top is None else top
    moved = max(start + rows, 0)
    return None if moved >= count else moved


def _output(pages: int) -> Action:
    def move(screen: Screen, size: Size) -> Screen:
        return _page(pages)(screen._replace(focus=state.OUTPUT), size)._replace(focus=screen.focus)

    return move


def _first(screen: Screen, _size: Size) -> Screen:
    return scroll(screen, -(1 << 30))


def _last(screen: Screen, _size: Size) -> Screen:
    return scroll(screen, 1 << 30)


def _focus(step: int) -> Action:
    def move(screen: Screen, _size: Size) -> Screen:
        return screen._replace(focus=FOCUSES[(FOCUSES.index(screen.focus) + step) % len(FOCUSES)])

    return move


def _to_prompt(screen: Screen, _size: Size) -> Screen:
    return screen._replace(focus=state.PROMPT, entry=None, popup=None)


def _earlier(screen: Screen, _size: Size) -> Screen:
    """The capture before the one that is looked at."""
    if screen.past is not None:
        return compared(screen._replace(past=max(screen.past - 1, 0)))
    last = len(screen.history) - 1
    before = last - 1 if screen.history and screen.now is screen.history[-1] else last
    return screen if before < 0 else compared(screen._replace(past=before))


def _later(screen: Screen, _size: Size) -> Screen:
    if screen.past is None:
        return screen
    later = screen.past + 1
    is_now = later >= len(screen.history) or screen.history[later] is screen.now
    return compared(screen._replace(past=None if is_now else later))


def _changes(screen: Screen, _size: Size) -> Screen:
    return screen._replace(only_changes=not screen.only_changes)


def _fold(screen: Screen, _size: Size) -> Screen:
    return screen._replace(unfolded=not screen.unfolded)


def _help(screen: Screen, _size: Size) -> Screen:
    return screen._replace(popup=None if screen.popup else Popup("help"))


def _goto(screen: Screen, _size: Size) -> Screen:
    return screen._replace(entry=Entry(":"))


def _search(screen: Screen, _size: Size) -> Screen:
    return screen._replace(entry=Entry("/"))


def _search_next(screen: Screen, _size: Size) -> Screen:
    return search(screen, screen.found) if screen.found else screen


def search(screen: Screen, words: str) -> Screen:
    """The next row that holds the words, whatever their case; from the start again after the end."""
    seen = screen._replace(found=words)
    rows = frame.rows(screen)
    at = screen.here.cursor
    wanted = words.casefold()
    for index in (*range(at + 1, len(rows)), *range(at + 1)):
        if index < len(rows) and wanted in _words(rows[index]).casefold():
            return seen.at(index)
    return seen._replace(message=f"not found in this view: {words}")


def _words(row: Row) -> str:
    return " ".join((row.name, row.value, row.meaning, *row.columns))


def _follow(screen: Screen, _size: Size) -> Screen:
    """Where a pointer leads: to a view of its own where there is one, else to its bytes."""
    row = selected(screen)
    if screen.view == state.FINDINGS:
        return _to_finding(screen)
    if row is None or row.leads_to is None:
        return screen._replace(message="this leads nowhere")
    field = row.field()
    view = _LEADS_TO_VIEW.get(field.points_to or "") if field else None
    return _leave(screen)._replace(view=view) if view else _look(screen, row.leads_to, ONE_MACHINE_WORD)


def _to_finding(screen: Screen) -> Screen:
    chosen = screen.here.cursor
    if chosen >= len(screen.findings):
        return screen
    place = attached.place(screen, screen.findings[chosen].field)
    if place is None:
        return screen._replace(message="this finding is about no row")
    view, index = place
    return _leave(screen)._replace(view=view).at(index)


def _look(screen: Screen, paddr: int, size: int) -> Screen:
    return look(screen, f"p {paddr:#x}", size)


def look(screen: Screen, wanted: str, size: int = ONE_MACHINE_WORD) -> Screen:
    """The bytes view, at an address or symbol that is still to be read."""
    return _leave(screen)._replace(view=state.BYTES, wanted=Wanted(wanted, size)).at(0, 0)


def _leave(screen: Screen) -> Screen:
    """With the way back."""
    return screen._replace(trail=(*screen.trail, (screen.view, screen.here, screen.bytes)))


def _back(screen: Screen, _size: Size) -> Screen:
    if not screen.trail:
        return screen
    *rest, (view, here, seen) = screen.trail
    shown = {**screen.shown, view: here}
    return screen._replace(trail=tuple(rest), view=view, shown=shown, bytes=seen)


def selected(screen: Screen) -> Row | None:
    rows, at = frame.rows(screen), screen.here.cursor
    return rows[at] if at < len(rows) else None


def copied(screen: Screen) -> str:
    """The selected row as text."""
    row = selected(screen)
    return "" if row is None else " ".join(filter(None, row.columns or (row.name, row.value, row.meaning)))


def typed(screen: Screen, text: str) -> Screen:
    """A line typed after `:` or `/`."""
    kind = screen.entry.kind if screen.entry else ""
    done = screen._replace(entry=None)
    if not text.strip():
        return done
    return look(done, text.strip()) if kind == ":" else search(done, text)


ACTIONS: dict[str, Action] = {
    "up": _move(-1),
    "down": _move(1),
    "page-up": _page(-1),
    "page-down": _page(1),
    "output-up": _output(-1),
    "output-down": _output(1),
    "first": _first,
    "last": _last,
    "focus-next": _focus(1),
    "focus-back": _focus(-1),
    "focus-prompt": _to_prompt,
    "earlier": _earlier,
    "later": _later,
    "changes": _changes,
    "fold": _fold,
    "help": _help,
    "goto": _goto,
    "search": _search,
    "search-next": _search_next,
    "follow": _follow,
    "back": _back,
}
