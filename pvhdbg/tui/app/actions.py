"""The actions of keys that change only the screen, as pure functions. The dispatcher has the actions that do more."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pvhdbg.tui.app import trail
from pvhdbg.tui.app.popups import chain, panel, searched
from pvhdbg.tui.app.selection import search
from pvhdbg.tui.app.selection.selected_row import MACHINE_WORD
from pvhdbg.tui.app.trail import remember, to_finding
from pvhdbg.tui.draw import frame
from pvhdbg.tui.draw.layout import LEAST_HEIGHT, LEAST_WIDTH, Size
from pvhdbg.tui.draw.popups.kinds import HELP, PALETTE
from pvhdbg.tui.draw.tour import room as tour_room
from pvhdbg.tui.events import steps
from pvhdbg.tui.events.update import show_stage
from pvhdbg.tui.screen import changes, state
from pvhdbg.tui.screen.state import Entry, MemoryRequest, Screen
from pvhdbg.tui.views import raw_bytes, table
from pvhdbg.tui.views.shown import row_of, selected
from pvhdbg.views.rows import pointer_chain

if TYPE_CHECKING:
    from collections.abc import Callable

    from pvhdbg.tui.views.view import View

    Action = Callable[[Screen, "Size"], Screen]

FOCUSES = (state.PROMPT, state.VIEW, state.DETAIL, state.CARD, state.OUTPUT)
_VIEWS_OF_STRUCTS = {struct: view for view in table.VIEWS for struct in view.structs}
SAVE = "save to "
"""The kind of the entry line with the name of a file."""
FARTHEST = 1 << 30
"""A scroll distance, in rows, that reaches the end of everything."""


def act(name: str, screen: Screen, size: Size) -> Screen:
    """Return the screen after an action. If ACTIONS does not have the action, the screen is unchanged.

    On a terminal that is too small for the panes, keys work as on the smallest terminal that is large enough.
    """
    size = Size(max(size.width, LEAST_WIDTH), max(size.height, LEAST_HEIGHT))
    screen = frame.sized(screen, *size)
    if name.startswith("view "):
        focus = state.VIEW if screen.focus in (state.DETAIL, state.OUTPUT) else screen.focus
        return _reset_detail(screen, choose(screen, table.BY_NAME[name.removeprefix("view ")])._replace(focus=focus))
    action = ACTIONS.get(name)
    if screen.trace is not None and name in steps.MOVES:
        return frame.clamp(_reset_detail(screen, steps.MOVES[name](screen)), *size)
    return frame.clamp(_reset_detail(screen, action(screen, size)), *size) if action else screen


def _reset_detail(before: Screen, screen: Screen) -> Screen:
    """Scroll the detail to its beginning if another row was selected."""
    return screen if selected(screen) is selected(before) else screen._replace(detail_top=0)


def choose(screen: Screen, view: View) -> Screen:
    """Show a view. The bytes view goes to the address of the selected row, and the paging view translates it."""
    row, before = selected(screen), table.shown(screen)
    if view is table.BYTES and before is not view:
        if row is not None and row.address is not None:
            kind = "v" if before.has_virtual_addresses else "p"
            return go_to(screen, f"{kind} {row.address:#x}", len(row.raw) or MACHINE_WORD)
        if (place := raw_bytes.first_place(screen, row)) is not None:
            return go_to(screen, place)
    if view is table.PAGING and before is not view and row is not None:
        screen = screen._replace(walked=row.address if row.leads_to is None else row.leads_to).at(0, 0)
    return screen._replace(view=view.name)


def _move(rows: int) -> Action:
    def move(screen: Screen, size: Size) -> Screen:
        if screen.focus == state.DETAIL:
            return _scroll_detail(screen, rows, size)
        return scroll(screen, rows, _page_size(screen, size))

    return move


def _page(pages: int) -> Action:
    def move(screen: Screen, size: Size) -> Screen:
        page = _page_size(screen, size)
        if screen.focus == state.DETAIL:
            return _scroll_detail(screen, pages * max(page - 1, 1), size)
        return scroll(screen, pages * max(page - 1, 1), page)

    return move


def _scroll_detail(screen: Screen, lines: int, size: Size) -> Screen:
    """Scroll the detail pane. At its end, select the next row instead."""
    end = frame.detail_last(screen, *size) if lines > 0 else 0
    if screen.detail_top != end:
        return screen._replace(detail_top=screen.detail_top + lines)
    return scroll(screen._replace(focus=state.VIEW), 1 if lines > 0 else -1, 1)._replace(focus=state.DETAIL)


def _page_size(screen: Screen, size: Size) -> int:
    return _PAGES.get(screen.focus, frame.visible)(screen, *size)


_PAGES = {state.OUTPUT: frame.output_visible, state.DETAIL: frame.detail_visible}


def scroll(screen: Screen, rows: int, page: int) -> Screen:
    """Move the view's cursor by `rows`, or scroll a pane without a cursor by that many lines.

    The detail, gdb's output and the serial console have no cursor. `page` is the number of visible rows or lines.
    """
    if screen.focus == state.DETAIL:
        return screen._replace(detail_top=screen.detail_top + rows)
    if screen.focus == state.OUTPUT:
        return screen._replace(output_top=_top(screen.output_top, len(screen.output) - page, rows))
    view = table.shown(screen)
    if view.text:
        return screen.text_at(_top(screen.text_top, len(view.lines_of(screen)) - page, rows))
    cursor = frame.cursor(screen) + rows
    last = max(len(frame.rows(screen)) - 1, 0)
    beyond = cursor - min(max(cursor, 0), last)
    if beyond and view.past_end and abs(beyond) < FARTHEST // 2:
        return view.past_end(screen, beyond)
    return screen.at(cursor - beyond)


def _top(top: int | None, last: int, rows: int) -> int | None:
    """Return the first visible line after scrolling. None means to follow the end, where `last` is the first line."""
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
        absent = (state.DETAIL if table.shown(screen).text else "", "" if tour_room.is_shown(screen) else state.CARD)
        focuses = [pane for pane in FOCUSES if pane not in absent or pane == screen.focus]
        return screen._replace(focus=focuses[(focuses.index(screen.focus) + step) % len(focuses)])

    return move


def _to_prompt(screen: Screen, _size: Size) -> Screen:
    return screen._replace(focus=state.PROMPT)


def _earlier(screen: Screen, _size: Size) -> Screen:
    """Show the captured stage before the displayed stop."""
    if screen.moment is not None:
        return show_stage(screen, screen.past)
    if screen.past is not None:
        return show_stage(screen, max(screen.past - 1, 0))
    last = len(screen.history) - 1
    before = last - 1 if screen.history and screen.now is screen.history[-1] else last
    return screen._replace(message="no earlier stage was captured") if before < 0 else show_stage(screen, before)


def _later(screen: Screen, _size: Size) -> Screen:
    if screen.past is None:
        return screen._replace(message="this is the current stop")
    later = screen.past + 1
    is_now = later >= len(screen.history) or screen.history[later] is screen.now
    return show_stage(screen, None if is_now else later)


def _changes(screen: Screen, _size: Size) -> Screen:
    """Show only what changed, or everything again. The same row stays selected if it is shown, otherwise the first."""
    if not screen.only_changes and changes.stage_before(screen) is None and not screen.old_values:
        return screen._replace(message="nothing to compare with: this is the first stop")
    row, toggled = selected(screen), screen._replace(only_changes=not screen.only_changes)
    if not table.shown(screen).shows_capture:
        return toggled
    same = next((index for index, other in enumerate(frame.rows(toggled)) if row and other.path == row.path), 0)
    return toggled.at(same, 0) if toggled.only_changes else toggled.at(same)


def _fold(screen: Screen, _size: Size) -> Screen:
    return screen._replace(unfolded=not screen.unfolded)


def zoom(screen: Screen) -> Screen:
    """Let the pane with the focus fill the screen, or show all panes again. For the tour's card, zoom the view."""
    if screen.focus == state.CARD:
        return screen._replace(zoomed=True, focus=state.VIEW)
    focus = state.CARD if screen.zoomed and screen.focus == state.VIEW and tour_room.is_shown(screen) else screen.focus
    return screen._replace(zoomed=not screen.zoomed, focus=focus)


def _goto(screen: Screen, _size: Size) -> Screen:
    return screen._replace(entry=Entry(":"))


def _save(screen: Screen, _size: Size) -> Screen:
    """Ask for the name of the file."""
    stage = screen.capture.stage if screen.capture else "screen"
    return screen._replace(entry=Entry(SAVE, f"pvhdbg-{stage}-{screen.view}.svg"))


def _search(screen: Screen, _size: Size) -> Screen:
    return screen._replace(entry=Entry("/"))


def _search_next(screen: Screen, _size: Size) -> Screen:
    return search.search(screen, screen.search_text) if screen.search_text else screen


def _follow(screen: Screen, size: Size) -> Screen:
    """Go from a finding to the row of its field, and from a pointer to the view of its structure or to its bytes.

    In gdb's output, choose from the last chain of `who`.
    """
    if screen.focus == state.OUTPUT:
        return chain.show(screen, size)
    row = selected(screen)
    selected_finding = table.shown(screen).finding
    if selected_finding:
        entry = selected_finding(screen)
        return to_finding(screen, entry) if entry else screen
    if row is None or row.leads_to is None:
        return screen._replace(message="this row has no pointer to follow")
    field = row.field()
    view = _VIEWS_OF_STRUCTS.get(field.points_to or "") if field else None
    if view:
        return remember(screen)._replace(view=view.name)
    return _to_structure(screen, row.leads_to) or go_to(screen, f"p {row.leads_to:#x}")


def _to_structure(screen: Screen, address: int) -> Screen | None:
    """Go to the row of the structure at an address; None if pvhdbg knows none there, or it is shown already."""
    source = table.shown(screen).at_source(screen)
    place = pointer_chain.places(source.capture).get(address) if source.capture else None
    found = row_of(source, place.path) if place and place.path else None
    if found is None or found[0] is table.shown(screen):
        return None
    return remember(screen)._replace(view=found[0].name).at(found[1])


def go_to(screen: Screen, place: str, size: int = MACHINE_WORD) -> Screen:
    """Show the bytes view, and request the memory at an address, a symbol or an expression."""
    return remember(screen)._replace(view=table.BYTES.name, memory_request=MemoryRequest(place, size)).at(0, 0)


def submit_entry(screen: Screen, text: str) -> Screen:
    """Close the entry line, and go to (`:`) or search (`/`) its text."""
    kind = screen.entry.kind if screen.entry else ""
    closed = screen._replace(entry=None)
    if not text.strip():
        return closed
    return go_to(closed, text.strip()) if kind == ":" else search.search(closed, text)


def _close_entry(screen: Screen, size: Size) -> Screen:
    return searched.close(screen, size)._replace(entry=None)


def _popup(lines: int, pages: int = 0) -> Action:
    """Return an action that scrolls the popup. `frame.clamp` limits it to the popup's end."""

    def move(screen: Screen, size: Size) -> Screen:
        popup = screen.popup
        return screen._replace(popup=popup and popup._replace(top=popup.top + lines + pages * (size.height - 6)))

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
    "read": panel.toggle,
    "earlier": _earlier,
    "later": _later,
    "earlier-stage": _earlier,
    "later-stage": _later,
    "changes": _changes,
    "fold": _fold,
    "help": searched.show(HELP),
    "palette": searched.show(PALETTE),
    "goto": _goto,
    "save": _save,
    "search": _search,
    "search-next": _search_next,
    "follow": _follow,
    "chain": chain.show,
    "popup-link-up": chain.choose(-1),
    "popup-link-down": chain.choose(1),
    "popup-follow": chain.follow,
    "back": trail.back,
    "entry-close": _close_entry,
    "popup-close": searched.close,
    "popup-ignore": lambda screen, _size: screen._replace(message="this key does nothing here: Esc closes the window"),
    "popup-item-up": searched.choose(-1),
    "popup-item-down": searched.choose(1),
    "popup-item-page-up": searched.choose(0, -1),
    "popup-item-page-down": searched.choose(0, 1),
    "popup-next": panel.choose(1),
    "popup-previous": panel.choose(-1),
    "popup-explain": panel.follow,
    "popup-back": panel.back,
    "popup-up": _popup(-1),
    "popup-down": _popup(1),
    "popup-page-up": _popup(0, -1),
    "popup-page-down": _popup(0, 1),
    "popup-first": _popup(-FARTHEST),
    "popup-last": _popup(FARTHEST),
}
