"""Nothing in the tables of keys, actions and colours is left without its other half."""

from __future__ import annotations

import pytest
from prompt_toolkit.keys import Keys

from pvhdbg.tui.app import actions, bindings, style
from pvhdbg.tui.app.actions import Size
from pvhdbg.tui.app.app import Tui
from pvhdbg.tui.app.bindings import LEFT_TO_PROMPT_TOOLKIT
from pvhdbg.tui.app.colors import COLOURS
from pvhdbg.tui.draw import classes
from pvhdbg.tui.draw.keys import EVERYWHERE, KEYS, PANE, PROMPT
from tests.tui import apps

SIZE = Size(120, 38)
OF_THE_MACHINE = {"restart", "next-stage", "breakpoint", "continue", "next", "step", "stepi", "finish"}
OF_THE_TERMINAL = {"interrupt", "quit", "copy", "mouse", "complete", "suspend"}


@pytest.fixture
def tui() -> Tui:
    return Tui(apps.recorded())


def test_every_key_of_the_table_is_bound(tui: Tui) -> None:
    assert tui.app.key_bindings is not None
    bound = {tuple(getattr(key, "value", key) for key in each.keys) for each in tui.app.key_bindings.bindings}
    aliases = {"enter": "c-m", "tab": "c-i", "backspace": "c-h"}
    wanted = {
        tuple(aliases.get(name, name) for name in key.names) for key in KEYS if key.action not in LEFT_TO_PROMPT_TOOLKIT
    }

    assert set() == wanted - bound


def test_every_action_of_the_table_does_something(tui: Tui) -> None:
    views = {key.action for key in KEYS if key.action.startswith("view ")}
    known = {*actions.ACTIONS, *tui._doing.effects, *LEFT_TO_PROMPT_TOOLKIT}

    assert set() == {key.action for key in KEYS} - known - views
    assert {f"view {number}" for number in range(1, 10)} == views


def test_every_action_there_is_belongs_to_a_key(tui: Tui) -> None:
    scrolling = {*bindings.SCROLLING, "popup-close", "entry-close", "leave"}

    assert OF_THE_MACHINE | OF_THE_TERMINAL | {"leave"} == set(tui._doing.effects)
    assert set() == {*actions.ACTIONS, *tui._doing.effects} - {key.action for key in KEYS} - scrolling


def test_every_action_of_the_screen_changes_it_or_says_why_not() -> None:
    start = apps.recorded(past=1, focus="view", shown={}, found="memmap")
    down = actions.act("down", actions.act("down", start, SIZE), SIZE)
    followed = actions.act("view 7", down, SIZE)
    idle = [
        name
        for name in actions.ACTIONS
        if not name.startswith(("popup-", "entry-", "output-"))
        and all(actions.act(name, screen, SIZE) == screen for screen in (start, down, followed))
    ]

    assert [] == idle


def test_no_two_keys_of_a_scope_are_the_same() -> None:
    for scope in (PANE, PROMPT):
        names = [key.names for key in KEYS if key.scope in (EVERYWHERE, scope)]

        assert len(set(names)) == len(names)


def test_every_key_is_one_that_prompt_toolkit_knows() -> None:
    known = {key.value for key in Keys} | {"enter", "tab", "backspace"}

    assert set() == {name for key in KEYS for name in key.names if len(name) > 1} - known


def test_every_style_class_has_a_style_and_every_style_a_class() -> None:
    assert set(classes.CLASSES) == set(COLOURS)


def test_every_style_is_of_the_sixteen_that_read_on_dark_and_on_light() -> None:
    words = {word for each in COLOURS.values() for word in each.split()}
    unreadable = {"ansiblack", "ansiwhite", "ansigray", "ansiyellow", "ansiblue"}
    alone = {name for name, each in COLOURS.items() if unreadable & set(each.split()) and "reverse" not in each}

    assert set() == {word for word in words if "#" in word or word.startswith(("bg:", "fg:"))}
    assert set() == {word for word in words if word.startswith("ansibright")}
    assert set() == alone


def test_what_must_be_told_apart_is_not_told_by_colour_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    plain = dict(style.style().style_rules)

    for name in ("selected", "bytes.selected", "tab.chosen", "run.dead", "past", "message", "stage.here"):
        assert {"bold", "reverse"} & set(plain[name].split())
