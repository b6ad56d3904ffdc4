"""The tables of keys, actions, handlers and colors match each other."""

from __future__ import annotations

import pytest
from prompt_toolkit.keys import Keys

from pvhdbg import commands
from pvhdbg.cli import options
from pvhdbg.tui.app import actions, bindings, dispatcher, style
from pvhdbg.tui.app.app import Tui
from pvhdbg.tui.app.bindings import LEFT_TO_PROMPT_TOOLKIT
from pvhdbg.tui.app.colors import COLORS
from pvhdbg.tui.app.selection import selected_row
from pvhdbg.tui.draw.keys import EVERYWHERE, KEYS, PANE, PROMPT
from pvhdbg.tui.draw.layout import Size
from pvhdbg.tui.lines import classes
from pvhdbg.tui.views import table
from tests.tui import apps, screens

SIZE = Size(120, 38)
GOING_BACK = {"back-stage", "back-step"}
MACHINE_ACTIONS = {"restart", "next-stage", "breakpoint", "continue", "next", "step", "stepi", "finish"} | GOING_BACK
TERMINAL_ACTIONS = {"interrupt", "quit", "copy", "copy-view", "mouse", "zoom", "complete", "suspend"}


@pytest.fixture
def tui() -> Tui:
    return Tui(apps.recorded())


def test_every_key_in_the_table_is_bound(tui: Tui) -> None:
    assert tui.app.key_bindings is not None
    bound = {tuple(getattr(key, "value", key) for key in binding.keys) for binding in tui.app.key_bindings.bindings}
    aliases = {"enter": "c-m", "tab": "c-i", "backspace": "c-h"}
    wanted = {
        tuple(aliases.get(name, name) for name in key.names) for key in KEYS if key.action not in LEFT_TO_PROMPT_TOOLKIT
    }

    assert set() == wanted - bound


def test_every_action_in_the_table_is_implemented(tui: Tui) -> None:
    views = {key.action for key in KEYS if key.action.startswith("view ")}
    known = {*actions.ACTIONS, *tui.dispatcher.handlers, *LEFT_TO_PROMPT_TOOLKIT}

    assert set() == {key.action for key in KEYS} - known - views
    assert {f"view {view.name}" for view in table.VIEWS} == views


def test_every_implemented_action_has_a_key(tui: Tui) -> None:
    in_popups = {action for keys in bindings.KEYS_IN_POPUPS.values() for action in keys}
    without_key = {*in_popups, "popup-ignore", "entry-close", "leave"}
    others = {"palette-run", "leave", "who", "back-store", "tour-next", "tour-back", "tour-show", "tour-hide"}

    assert MACHINE_ACTIONS | TERMINAL_ACTIONS | others == set(tui.dispatcher.handlers)
    assert set() == {*actions.ACTIONS, *tui.dispatcher.handlers} - {key.action for key in KEYS} - without_key


def test_every_command_that_only_the_shell_has_is_known_as_such() -> None:
    of_gdb = {"attach", "inspect", "show", "trace"}
    known = {name for name in options.COMMANDS if dispatcher.ONLY_IN_SHELL.fullmatch(name)}

    assert {*options.COMMANDS} - {*commands.COMMANDS} - of_gdb == known


def test_every_screen_action_changes_the_screen() -> None:
    start = apps.recorded(past=1, focus="view", positions={}, search_text="memmap")
    down = actions.act("down", actions.act("down", start, SIZE), SIZE)
    followed = actions.act("view bytes", down, SIZE)
    idle = [
        name
        for name in actions.ACTIONS
        if not name.startswith(("popup-", "entry-", "output-"))
        and all(actions.act(name, screen, SIZE) == screen for screen in (start, down, followed))
    ]

    assert [] == idle


@pytest.mark.parametrize("size", [(7, 3), (1, 3), (59, 40), (60, 3)])
def test_every_action_is_harmless_on_a_terminal_that_is_too_small(size: tuple[int, int]) -> None:
    for prepared in ("help", "read", "focus-next", "view memory", "goto"):
        for name in actions.ACTIONS:
            before = actions.act(prepared, screens.at("prepare"), Size(*size))
            screens.check(actions.act(name, before, Size(*size)), size)

    assert actions.act("help", screens.at("prepare"), Size(*size)).popup is not None


def test_no_key_occurs_twice_in_a_scope() -> None:
    for scope in (PANE, PROMPT):
        names = [key.names for key in KEYS if key.scope in (EVERYWHERE, scope)]

        assert len(set(names)) == len(names)


def test_every_key_is_known_to_prompt_toolkit() -> None:
    known = {key.value for key in Keys} | {"enter", "tab", "backspace"}

    assert set() == {name for key in KEYS for name in key.names if len(name) > 1} - known


def test_the_palette_has_exactly_the_style_classes() -> None:
    assert set(classes.CLASSES) == set(COLORS)


def test_important_styles_differ_without_colors_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    plain = dict(style.style().style_rules)

    for name in ("selected", "bytes.selected", "tab.chosen", "run.dead", "past", "message", "stage.here"):
        assert {"bold", "reverse"} & set(plain[name].split())


@pytest.mark.parametrize(
    ("view", "expected"), [("start_info", "pvh_start_info.magic"), ("modules", "modules[0]"), ("cpu", "")]
)
def test_w_asks_about_the_path_of_the_selected_row(view: str, expected: str) -> None:
    screen = actions.act(f"view {view}", apps.recorded(past=1, focus="view"), SIZE)

    assert expected == selected_row.asked_about(screen)
