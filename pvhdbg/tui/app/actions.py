"""What keys do to the screen: pure. What they do to the machine is in doing.py."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from pvhdbg.tui.draw import frame
from pvhdbg.tui.events.update import looking
from pvhdbg.tui.screen import state
from pvhdbg.tui.screen.state import Entry, Popup, Screen, Wanted
from pvhdbg.tui.views import table
from pvhdbg.tui.views.shown import row_of, selected

if TYPE_CHECKING:
    from collections.abc import Callable

    from pvhdbg.tui.screen.state import Noted
    from pvhdbg.tui.views.view import BreakpointPlace, View
    from pvhdbg.views.rows.row import Row

    Action = Callable[[Screen, "Size"], Screen]

FOCUSES = (state.PROMPT, state.VIEW, state.DETAIL, state.OUTPUT)
_VIEWS_OF_STRUCTS = {struct: view for view in table.VIEWS for struct in view.structs}
ONE_MACHINE_WORD = 8
FARTHEST = 1 << 30
"""Rows to an end, however far that is."""


class Size(NamedTuple):
    """What there is to draw on, in cells; the prompt and the legend not counted."""

    width: int
    height: int


def act(name: str, screen: Screen, size: Size) -> Screen:
    """The screen after the action of that name; the same one if it is none of ours."""
    if name.startswith("view "):
        return _from_top(screen, choose(screen, table.BY_NAME[name.removeprefix("view ")]))
    action = ACTIONS.get(name)
    return frame.clamp(_from_top(screen, action(screen, size)), *size) if action else screen


def _from_top(before: Screen, screen: Screen) -> Screen:
    """What there is to read on another row is read from its beginning."""
    return screen if selected(screen) is selected(before) else screen._replace(detail_top=0)


def choose(screen: Screen, view: View) -> Screen:
    """Show a view. The bytes are those of the row that was selected, if it has an address."""
    row, before = selected(screen), table.shown(screen)
    if view is table.BYTES and before is not view and row is not None and row.address is not None:
        kind = "v" if before.has_virtual_addresses else "p"
        return look(screen, f"{kind} {row.address:#x}", len(row.raw) or ONE_MACHINE_WORD)
    return screen._replace(view=view.name)


def _move(rows: int) -> Action:
    def move(screen: Screen, size: Size) -> Screen:
        if screen.focus == state.DETAIL:
            return _read_on(screen, rows, size)
        return scroll(screen, rows, _page_size(screen, size))

    return move


def _page(pages: int) -> Action:
    def move(screen: Screen, size: Size) -> Screen:
        page = _page_size(screen, size)
        if screen.focus == state.DETAIL:
            return _read_on(screen, pages * max(page - 1, 1), size)
        return scroll(screen, pages * max(page - 1, 1), page)

    return move


def _read_on(screen: Screen, lines: int, size: Size) -> Screen:
    """The detail further up or down; beyond its end the next row's."""
    end = frame.detail_last(screen, *size) if lines > 0 else 0
    if screen.detail_top != end:
        return screen._replace(detail_top=screen.detail_top + lines)
    return scroll(screen._replace(focus=state.VIEW), 1 if lines > 0 else -1, 1)._replace(focus=state.DETAIL)


def _page_size(screen: Screen, size: Size) -> int:
    return _PAGES.get(screen.focus, frame.visible)(screen, *size)


_PAGES = {state.OUTPUT: frame.output_visible, state.DETAIL: frame.detail_visible}


def scroll(screen: Screen, rows: int, page: int) -> Screen:
    """The cursor of the view by rows; the detail, gdb's output and the serial console, which have none, by lines.
    `page` is how many of them are to be seen.
    """
    if screen.focus == state.DETAIL:
        return screen._replace(detail_top=screen.detail_top + rows)
    if screen.focus == state.OUTPUT:
        return screen._replace(output_top=_top(screen.output_top, len(screen.output) - page, rows))
    view = table.shown(screen)
    if view.text:
        return screen.text_at(_top(screen.text_top, len(view.text(screen)) - page, rows))
    wanted = frame.cursor(screen) + rows
    last = max(len(frame.rows(screen)) - 1, 0)
    beyond = wanted - min(max(wanted, 0), last)
    if beyond and view.past_end and abs(beyond) < FARTHEST // 2:
        return view.past_end(screen, beyond)
    return screen.at(wanted - beyond)


def _top(top: int | None, last: int, rows: int) -> int | None:
    """`last` is the first line to be seen at the end; null, the end, again once it has been scrolled back there."""
    moved = max((last if top is None else top) + rows, 0)
    return None if moved >= last else moved


def _output(pages: int) -> Action:
    def move(screen: Screen, size: Size) -> Screen:
        page = frame.output_visible(screen, *size)
        scrolled = scroll(screen._replace(focus=state.OUTPUT), pages * max(page - 1, 1), page)
        return scrolled._replace(focus=screen.focus)

    return move


def _first(screen: Screen, _size: Size) -> Screen:
    return scroll(screen, -FARTHEST, 0)


def _last(screen: Screen, _size: Size) -> Screen:
    return scroll(screen, FARTHEST, 0)


def _focus(step: int) -> Action:
    def move(screen: Screen, _size: Size) -> Screen:
        return _focused(screen, FOCUSES[(FOCUSES.index(screen.focus) + step) % len(FOCUSES)])

    return move


def _focused(screen: Screen, pane: str) -> Screen:
    """The detail gives the focus back to what had it."""
    return screen._replace(focus=pane, read_from=state.VIEW if screen.focus == state.DETAIL else screen.focus)


def _read(screen: Screen, _size: Size) -> Screen:
    """All of the detail, over most of the view; and back."""
    if screen.focus == state.DETAIL:
        return screen._replace(focus=screen.read_from)
    return _focused(screen, state.DETAIL)._replace(detail_top=0)


def _to_prompt(screen: Screen, _size: Size) -> Screen:
    return screen._replace(focus=state.PROMPT)


def _earlier(screen: Screen, _size: Size) -> Screen:
    """The capture before the one that is looked at."""
    if screen.past is not None:
        return looking(screen, max(screen.past - 1, 0))
    last = len(screen.history) - 1
    before = last - 1 if screen.history and screen.now is screen.history[-1] else last
    return screen._replace(message="nothing was captured before") if before < 0 else looking(screen, before)


def _later(screen: Screen, _size: Size) -> Screen:
    if screen.past is None:
        return screen._replace(message="this is now")
    later = screen.past + 1
    is_now = later >= len(screen.history) or screen.history[later] is screen.now
    return looking(screen, None if is_now else later)


def _changes(screen: Screen, _size: Size) -> Screen:
    return screen._replace(only_changes=not screen.only_changes)


def _fold(screen: Screen, _size: Size) -> Screen:
    return screen._replace(unfolded=not screen.unfolded)


def _help(screen: Screen, _size: Size) -> Screen:
    return screen._replace(popup=Popup("help"))


def _goto(screen: Screen, _size: Size) -> Screen:
    return screen._replace(entry=Entry(":"))


def _search(screen: Screen, _size: Size) -> Screen:
    return screen._replace(entry=Entry("/"))


def _search_next(screen: Screen, _size: Size) -> Screen:
    return search(screen, screen.found) if screen.found else screen


def search(screen: Screen, words: str) -> Screen:
    """The next row that holds the words, whatever their case; from the start again after the end."""
    seen = screen._replace(found=words)
    rows, at = frame.rows(screen), frame.cursor(screen)
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
    listed = table.shown(screen).finding
    if listed:
        noted = listed(screen)
        return _to_finding(screen, noted) if noted else screen
    if row is None or row.leads_to is None:
        return screen._replace(message="this leads nowhere")
    field = row.field()
    view = _VIEWS_OF_STRUCTS.get(field.points_to or "") if field else None
    return _leave(screen)._replace(view=view.name) if view else _look(screen, row.leads_to, ONE_MACHINE_WORD)


def _to_finding(screen: Screen, noted: Noted) -> Screen:
    """Its row in what is looked at or, if it does not hold there any more, in the past that it was found in."""
    seen = _leave(screen)
    if not noted.here:
        stages = [each.stage for each in screen.history]
        seen = looking(seen, stages.index(noted.stages[-1]))
    place = row_of(seen, noted.finding.field)
    if place is None:
        return screen._replace(message="this finding is about no row")
    view, index = place
    return seen._replace(view=view.name).at(index)


def _look(screen: Screen, paddr: int, size: int) -> Screen:
    return look(screen, f"p {paddr:#x}", size)


def look(screen: Screen, wanted: str, size: int = ONE_MACHINE_WORD) -> Screen:
    """The bytes view, at an address or symbol that is still to be read."""
    return _leave(screen)._replace(view=table.BYTES.name, wanted=Wanted(wanted, size)).at(0, 0)


def _leave(screen: Screen) -> Screen:
    """With the way back."""
    return screen._replace(trail=(*screen.trail, (screen.view, screen.here, screen.bytes, screen.past)))


def _back(screen: Screen, _size: Size) -> Screen:
    if not screen.trail:
        return screen
    *rest, (view, here, seen, past) = screen.trail
    if past != screen.past and (past is None or past < len(screen.history)):
        screen = looking(screen, past)
    shown = {**screen.shown, view: here}
    return screen._replace(trail=tuple(rest), view=view, shown=shown, bytes=seen, wanted=None)


def breakpoint_place(screen: Screen) -> BreakpointPlace:
    """Return where F9 sets a breakpoint: what is selected in the code or in the bytes, else RIP."""
    return table.shown(screen).breakpoint(screen, frame.cursor(screen))


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


def _close_entry(screen: Screen, _size: Size) -> Screen:
    return screen._replace(entry=None)


def _close_popup(screen: Screen, _size: Size) -> Screen:
    return screen._replace(popup=None)


def _popup(lines: int, pages: int = 0) -> Action:
    """Scrolls the popup; `frame.clamp` knows where it ends."""

    def move(screen: Screen, size: Size) -> Screen:
        shown = screen.popup
        return screen._replace(popup=shown and shown._replace(top=shown.top + lines + pages * (size.height - 6)))

    return move


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
    "read": _read,
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
    "entry-close": _close_entry,
    "popup-close": _close_popup,
    "popup-up": _popup(-1),
    "popup-down": _popup(1),
    "popup-page-up": _popup(0, -1),
    "popup-page-down": _popup(0, 1),
    "popup-first": _popup(-FARTHEST),
    "popup-last": _popup(FARTHEST),
}
