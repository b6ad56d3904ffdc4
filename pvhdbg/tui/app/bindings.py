"""prompt_toolkit's key bindings: the keys of the table, and those of popups and of the entry line."""

from __future__ import annotations

from string import ascii_letters, printable
from typing import TYPE_CHECKING

from prompt_toolkit.filters import Condition, is_searching
from prompt_toolkit.key_binding import KeyBindings
from prompt_toolkit.key_binding.bindings import search
from prompt_toolkit.key_binding.bindings.mouse import load_mouse_bindings
from prompt_toolkit.keys import Keys

from pvhdbg.tui.draw.keys import EVERYWHERE, KEYS, PANE, PROMPT, TOUR
from pvhdbg.tui.draw.popups.kinds import CHAIN, HELP, PALETTE, PANEL, QUIT, SEARCHED
from pvhdbg.tui.screen import state

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from prompt_toolkit.filters import Filter
    from prompt_toolkit.key_binding import KeyPressEvent

    from pvhdbg.tui.draw.keys import Key
    from pvhdbg.tui.screen.state import Screen

    Act = Callable[[str], None]

LEFT_TO_PROMPT_TOOLKIT = ("run", "history")
"""Actions of the prompt that prompt_toolkit's line editing already has."""
ALSO_IN_POPUPS = ("interrupt", "suspend")
SCROLLING = {
    "popup-up": ("up",),
    "popup-down": ("down",),
    "popup-page-up": ("pageup",),
    "popup-page-down": ("pagedown",),
    "popup-first": ("home",),
    "popup-last": ("end",),
}
KEYS_IN_POPUPS = {
    HELP: {**SCROLLING, "popup-close": ("escape", "f1", "enter"), "quit": ("c-q",)},
    PALETTE: {
        "popup-item-up": ("up", "c-p"),
        "popup-item-down": ("down", "c-n"),
        "popup-item-page-up": ("pageup",),
        "popup-item-page-down": ("pagedown",),
        "palette-run": ("enter",),
        "popup-close": ("escape", "f3"),
        "quit": ("c-q",),
    },
    CHAIN: {
        "popup-link-up": ("up", "k"),
        "popup-link-down": ("down", "j"),
        "popup-follow": ("enter",),
        "popup-close": ("escape", "q", "f1", "?"),
        "quit": ("c-q",),
    },
    PANEL: {
        **SCROLLING,
        "popup-up": ("up", "k"),
        "popup-down": ("down", "j"),
        "popup-page-down": ("pagedown", " "),
        "popup-next": ("tab", "right"),
        "popup-previous": ("s-tab", "left"),
        "popup-explain": ("enter",),
        "popup-back": ("backspace",),
        "popup-close": ("escape", "q", "f2"),
        "quit": ("c-q",),
    },
}
"""The keys in each kind of popup, by action."""
KEYS_ON_CARD = "tTdZ"
"""The letters that are keys while the card of the tour has the focus. All others are typed at the prompt, and so are
`t`, `T` and `d` if another letter follows at once.
"""
AT_EMPTY_PROMPT = "0123456789?"
"""The keys of a pane that work at the prompt too, while nothing is typed there: no command begins with them."""
YES = ("y", "Y", "enter", "c-q", "c-d")


def bindings(screen: Callable[[], Screen], act: Act, *, line_is_empty: Callable[[], bool]) -> KeyBindings:
    """Return the key bindings. `act` gets the name of a key's action."""
    result = KeyBindings()
    has_popup = Condition(lambda: screen().popup is not None)
    is_entering = Condition(lambda: screen().entry is not None)
    at_prompt = Condition(lambda: screen().focus == state.PROMPT)
    in_tour, on_card = Condition(lambda: screen().tour is not None), Condition(lambda: screen().focus == state.CARD)
    in_pane = ~has_popup & ~at_prompt & ~is_entering
    typing = ~has_popup & at_prompt & ~is_entering & ~is_searching
    at_empty_prompt = typing & Condition(line_is_empty)
    scopes = {EVERYWHERE: ~has_popup, PANE: in_pane, PROMPT: typing, TOUR: in_pane & in_tour}
    conditions = _conditions(on_card, is_entering, Condition(line_is_empty))
    for key in KEYS:
        if key.action not in LEFT_TO_PROMPT_TOOLKIT:
            where = scopes[key.scope] if key.action not in ALSO_IN_POPUPS else Condition(lambda: True)
            where = where & ~on_card if _is_typed_on_card(key) else where
            where = where | at_empty_prompt if key.scope == PANE and key.key in AT_EMPTY_PROMPT else where
            where = where & conditions.get((key.scope, key.action), Condition(lambda: True))
            result.add(*key.names, filter=where)(_run_action(act, key.action))
    _add_card(result, act, in_pane & on_card, at_empty_prompt & in_tour)
    _add_entry(result, act, is_entering & ~has_popup)
    _add_popups(result, act, screen)
    result.add("enter", filter=is_searching & ~has_popup)(_run_search_result)
    result.add("escape", filter=typing)(_close_menu)
    return result


def _conditions(on_card: Filter, is_entering: Filter, line_is_empty: Filter) -> dict[tuple[str, str], Filter]:
    """Return when a key works besides the condition of its scope, by scope and action."""
    return {
        # On a line with text, Ctrl-D deletes a character, as in every shell.
        (PROMPT, "quit"): line_is_empty,
        (EVERYWHERE, "interrupt"): ~is_searching,
        (EVERYWHERE, "focus-back"): ~is_entering,
        (TOUR, "tour-next"): on_card,
        (TOUR, "tour-back"): on_card,
        (PANE, "back"): ~on_card,
    }


def _is_typed_on_card(key: Key) -> bool:
    return key.scope in (PANE, TOUR) and key.key in ascii_letters


def _add_card(result: KeyBindings, act: Act, on_card: Filter, at_empty_prompt: Filter) -> None:
    """Bind the letters on the card of the tour, which are typed at the prompt, and Space there, which returns."""
    actions = {key.key: key.action for key in KEYS if key.scope in (PANE, TOUR)}
    for letter in ascii_letters:
        action = f"try {letter} {actions[letter]}" if letter in KEYS_ON_CARD else f"type {letter}"
        result.add(letter, filter=on_card)(_run_action(act, action))
    result.add(" ", filter=at_empty_prompt)(_run_action(act, "tour-show"))


def _add_entry(result: KeyBindings, act: Act, is_entering: Filter) -> None:
    for name in ("escape", "c-g"):
        result.add(name, filter=is_entering)(_run_action(act, "entry-close"))


def _add_popups(result: KeyBindings, act: Act, screen: Callable[[], Screen]) -> None:
    """Bind every key for popups. Keys without a meaning there close the quit question and do nothing elsewhere."""

    def shows(kind: str) -> Condition:
        return Condition(lambda: (popup := screen().popup) is not None and popup.kind == kind)

    def add(names: Iterable[str], where: Filter, action: str) -> None:
        for name in names:
            result.add(name, filter=where, eager=True)(_run_action(act, action))

    asks = shows(QUIT)
    add((Keys.Any,), asks, "popup-close")
    add(YES, asks, "leave")
    for kind, keys in KEYS_IN_POPUPS.items():
        if kind not in SEARCHED:  # in the others, letters are typed into the entry line
            add((Keys.Any,), shows(kind), "popup-ignore")
        for action, names in keys.items():
            add(names, shows(kind), action)
    _add_typing(result, act, (shows(PANEL) | shows(CHAIN)) & Condition(lambda: screen().focus == state.PROMPT))
    has_popup = Condition(lambda: screen().popup is not None)
    for name, action in (("c-c", "interrupt"), ("c-z", "suspend")):
        add((name,), has_popup, action)
    _add_mouse(result, has_popup)


def _add_typing(result: KeyBindings, act: Act, above_prompt: Filter) -> None:
    """Bind the characters typed while a popup of the last command is open: they begin the next command."""
    for character in printable.strip():
        result.add(character, filter=above_prompt, eager=True)(_run_action(act, f"popup-type {character}"))


def _add_mouse(result: KeyBindings, has_popup: Filter) -> None:
    """Bind the mouse, which would otherwise be taken by the binding of any key."""
    for binding in load_mouse_bindings().bindings:
        result.add(*binding.keys, filter=has_popup, eager=True)(binding.handler)


def _run_action(act: Act, action: str) -> Callable[[KeyPressEvent], None]:
    return lambda _event: act(action)


def _run_search_result(event: KeyPressEvent) -> None:
    """Run the line that the history search found, as Enter does in every shell."""
    search.accept_search.call(event)
    event.current_buffer.validate_and_handle()


def _close_menu(event: KeyPressEvent) -> None:
    event.current_buffer.cancel_completion()
