"""Keys as prompt_toolkit calls them, bound to what they do: those of the table, and those of what lies over it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prompt_toolkit.filters import Condition, is_searching
from prompt_toolkit.key_binding import KeyBindings
from prompt_toolkit.key_binding.bindings import search
from prompt_toolkit.keys import Keys

from pvhdbg.tui.draw.keys import EVERYWHERE, KEYS, PANE, PROMPT
from pvhdbg.tui.draw.popups import HELP, QUIT
from pvhdbg.tui.screen import state

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from prompt_toolkit.filters import Filter
    from prompt_toolkit.key_binding import KeyPressEvent

    from pvhdbg.tui.screen.state import Screen

    Act = Callable[[str], None]

LEFT_TO_PROMPT_TOOLKIT = ("run", "history")
"""Actions of the prompt that its own line editing has."""
ALSO_IN_POPUPS = ("interrupt", "suspend")
SCROLLING = {
    "popup-up": ("up", "k"),
    "popup-down": ("down", "j"),
    "popup-page-up": ("pageup",),
    "popup-page-down": ("pagedown", " "),
    "popup-first": ("home",),
    "popup-last": ("end",),
}
YES = ("y", "Y", "enter", "c-q", "c-d")


def bindings(screen: Callable[[], Screen], act: Act, *, line_is_empty: Callable[[], bool]) -> KeyBindings:
    """`act` gets the action's name."""
    found = KeyBindings()
    is_shown = Condition(lambda: screen().popup is not None)
    is_entering = Condition(lambda: screen().entry is not None)
    at_prompt = Condition(lambda: screen().focus == state.PROMPT)
    scopes = {EVERYWHERE: ~is_shown, PANE: ~is_shown & ~at_prompt & ~is_entering, PROMPT: ~is_shown & at_prompt}
    only = {
        # Ctrl-D deletes a character, as in every shell, where there is one.
        (PROMPT, "quit"): Condition(line_is_empty),
        (EVERYWHERE, "interrupt"): ~is_searching,
        (EVERYWHERE, "focus-back"): ~is_entering,
    }
    for key in KEYS:
        if key.action not in LEFT_TO_PROMPT_TOOLKIT:
            where = scopes[key.scope] if key.action not in ALSO_IN_POPUPS else Condition(lambda: True)
            if key.scope == PROMPT:
                where = where & ~is_searching & ~is_entering
            where = where & only.get((key.scope, key.action), Condition(lambda: True))
            found.add(*key.names, filter=where)(_does(act, key.action))
    _add_entry(found, act, is_entering & ~is_shown)
    _add_popups(found, act, screen)
    found.add("enter", filter=is_searching & ~is_shown)(_run_found)
    found.add("escape", filter=at_prompt & ~is_shown & ~is_entering & ~is_searching)(_close_menu)
    return found


def _add_entry(found: KeyBindings, act: Act, is_entering: Filter) -> None:
    for name in ("escape", "c-g"):
        found.add(name, filter=is_entering)(_does(act, "entry-close"))


def _add_popups(found: KeyBindings, act: Act, screen: Callable[[], Screen]) -> None:
    """A popup takes every key first: what it has no use for closes the question, and does nothing to the help."""

    def shows(kind: str) -> Condition:
        return Condition(lambda: (popup := screen().popup) is not None and popup.kind == kind)

    def add(names: Iterable[str], where: Filter, action: str) -> None:
        for name in names:
            found.add(name, filter=where, eager=True)(_does(act, action))

    helps, asks = shows(HELP), shows(QUIT)
    add((Keys.Any,), asks, "popup-close")
    add(YES, asks, "leave")
    add((Keys.Any,), helps, "nothing")
    add(("escape", "q", "f1", "?", "enter"), helps, "popup-close")
    add(("c-q",), helps, "quit")
    for action, names in SCROLLING.items():
        add(names, helps, action)
    for name, action in (("c-c", "interrupt"), ("c-z", "suspend")):
        add((name,), helps | asks, action)


def _does(act: Act, action: str) -> Callable[[KeyPressEvent], None]:
    return lambda _event: act(action)


def _run_found(event: KeyPressEvent) -> None:
    """Enter in a search of the history runs what was found, as in every shell."""
    search.accept_search.call(event)
    event.current_buffer.validate_and_handle()


def _close_menu(event: KeyPressEvent) -> None:
    event.current_buffer.cancel_completion()
