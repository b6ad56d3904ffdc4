"""What lies over everything, and the last line."""

from __future__ import annotations

import re

import pytest

from pvhdbg.tui.draw.keys import EVERYWHERE, KEYS, PANE, PROMPT
from pvhdbg.tui.draw.popups import help_lines, last_top
from pvhdbg.tui.lines.line import plain
from pvhdbg.tui.lines.signs import signs
from pvhdbg.tui.screen import state
from pvhdbg.tui.screen.state import Entry, Popup, Run
from pvhdbg.tui.views import table
from tests.tui import screens
from tests.tui.screens import at, lines, text


def test_help_lists_every_key_once_it_is_scrolled_through() -> None:
    last = last_top(Popup("help"), 80, 22)
    shown = "".join(text(at("entry", popup=Popup("help", top))) for top in range(last + 1))

    assert [] == [each.key for each in KEYS if f"  {each.key} " not in shown or each.help[:50] not in shown]
    assert [] == [each.key for each in KEYS if each.help.split()[-1] not in shown]


def test_help_scrolled_too_far_shows_its_end() -> None:
    last = last_top(Popup("help"), 80, 22)

    assert text(at("entry", popup=Popup("help", last))) == text(at("entry", popup=Popup("help", 9999)))
    assert KEYS[-1].help in text(at("entry", popup=Popup("help", last)))


def test_help_says_where_keys_work() -> None:
    shown = text(at("entry", popup=Popup("help")), (120, 100))

    assert ["Everywhere", "In a pane also", "At the prompt"] == [
        each for each in ("Everywhere", "In a pane also", "At the prompt") if each in shown
    ]
    assert "Esc: away" in shown


def test_quitting_asks_over_what_is_shown() -> None:
    shown = text(at("entry", popup=Popup("quit")))

    assert "it ends with us" in shown
    assert "y: yes" in shown
    assert "magic" in shown


ELSEWHERE = ("interrupt", "restart")
"""For a guest that runs, and for a dead one."""


@pytest.mark.parametrize("kind", [state.DEAD, state.RECORDING, state.ENDED])
@pytest.mark.parametrize("focus", [state.PROMPT, state.VIEW])
def test_the_legend_offers_nothing_that_needs_a_living_guest_where_there_is_none(kind: str, focus: str) -> None:
    shown = lines(at("entry", focus=focus, run=Run(kind)), (300, 40))[-1]

    assert [] == [each for each in ("F5", "F6", "F10", "F11", "interrupt") if each in shown]
    assert (kind == state.DEAD) == ("F4 restart" in shown)
    assert "quit" in shown


@pytest.mark.parametrize(("focus", "scope", "other"), [("prompt", PROMPT, PANE), ("view", PANE, PROMPT)])
def test_the_legend_has_the_keys_of_the_pane_that_has_the_focus(focus: str, scope: str, other: str) -> None:
    legend = lines(at("entry", focus=focus), (300, 40))[-1]
    shown = [each for each in KEYS if each.short and each.scope in (EVERYWHERE, scope) and each.action not in ELSEWHERE]
    wanted = [f"{each.key} {each.short}" for each in shown]
    alien = {each.short for each in KEYS if each.short and each.scope == other} - {
        each.short for each in KEYS if each.scope != other
    }

    assert wanted == [each for each in wanted if each in legend]
    assert [] == [each for each in alien if f" {each} " in legend]


def test_a_narrow_legend_has_help_and_the_ways_on_and_then_what_works_here() -> None:
    narrow = lines(at("entry", focus=state.VIEW), (80, 24))[-1]

    assert "F1 help  F5 continue  F6 next stage  Tab focus  Left past  Enter follow" == narrow.strip()


@pytest.mark.parametrize(("kind", "words"), [(":", "go to: 0xf31"), ("/", "search: 0xf31")])
def test_a_line_that_is_typed_in_a_pane_takes_the_legends_place(kind: str, words: str) -> None:
    screen = at("entry", focus=state.VIEW, entry=Entry(kind, "0xf31"))

    assert f"{words}▏" == lines(screen)[-1].strip()
    assert f"{words}_" == lines(screen._replace(ascii=True))[-1].strip()


def test_a_message_stands_in_the_line_above_gdbs_output() -> None:
    assert "└ gdb  e820 was the last stage ─" in text(at("e820", message="e820 was the last stage"))


@pytest.mark.parametrize(("width", "wording"), [(80, "short"), (100, "name"), (120, "name")])
def test_the_names_of_views_are_whole_with_any_signs(width: int, wording: str) -> None:
    for view in screens.VIEWS:
        for stage in ("entry", "prepare", "bootparams", "e820"):
            tabs = lines(screens.at(stage, view, findings=(screens.STACK,)), (width, 24))[2]

            assert [getattr(view, wording) for view in table.VIEWS] == re.findall(r"\d\W(\w+)", tabs)


def test_on_the_narrowest_terminal_views_are_told_by_number() -> None:
    assert list("123456789") == re.findall(r"(\d)\W", lines(screens.at("prepare"), (60, 24))[2])


@pytest.mark.parametrize("is_ascii", [False, True])
def test_the_help_explains_every_sign(is_ascii: bool) -> None:
    known = signs(is_ascii)
    told = "\n".join(plain(each) for each in help_lines(76, ascii=is_ascii)).partition("Signs")[2]
    used = (*known.findings.values(), *known.stages.values(), known.changed, known.cursor, known.current)

    assert [] == [each for each in (*used, known.breakpoint) if each not in told]


def test_while_the_guest_runs_the_last_line_says_how_to_stop_it() -> None:
    screen = at("prepare")
    running = lines(screen._replace(run=screen.run._replace(kind=state.RUNNING)))[-1]

    assert "Ctrl-C interrupt" in running
    assert "Ctrl-C" not in lines(screen)[-1]
