"""Popups, legend, tabs and messages."""

from __future__ import annotations

import re

import pytest

from pvhdbg.tui.draw.keys import EVERYWHERE, KEYS, PANE, PROMPT
from pvhdbg.tui.draw.popups import box
from pvhdbg.tui.draw.popups.box import last_top
from pvhdbg.tui.draw.popups.kinds import HELP, PALETTE
from pvhdbg.tui.draw.popups.listing import found
from pvhdbg.tui.lines.line import Line, plain
from pvhdbg.tui.lines.signs import signs
from pvhdbg.tui.screen import state
from pvhdbg.tui.screen.state import Entry, Popup, Run, Screen
from pvhdbg.tui.views import table
from tests.tui import screens
from tests.tui.screens import at, lines, text, tour


def test_a_chain_shows_its_fields_and_their_writers() -> None:
    steps = ("boot_params.hdr.cmd_line_ptr", "init_pvh_bootparams enlighten.c:77", "pvh_start_info.cmdline_paddr")
    shown = text(at("entry", popup=Popup("chain", steps=steps, selected=2)))
    many = text(at("entry", popup=Popup("chain", steps=steps * 20, selected=58)))

    assert " where the value came from " in shown
    assert "  <- init_pvh_bootparams enlighten.c:77" in shown
    assert steps[2] in shown
    assert "Enter: go there" in many


def test_help_lists_every_key_when_scrolled_to_the_end() -> None:
    screen = at("entry", tour=tour())
    last = last_top(screen, Popup("help"), 80, 22)
    shown = "".join(text(screen._replace(popup=Popup("help", top))) for top in range(last + 1))

    assert [] == [key.key for key in KEYS if f"  {key.key} " not in shown or key.help[:50] not in shown]
    assert [] == [key.key for key in KEYS if key.help.split()[-1] not in shown]


def test_help_scrolled_too_far_shows_its_end() -> None:
    last = last_top(at("entry"), Popup("help"), 80, 22)

    assert text(at("entry", popup=Popup("help", last))) == text(at("entry", popup=Popup("help", 9999)))
    assert "the selected row, RIP, a breakpoint" in text(at("entry", popup=Popup("help", last)))


def test_help_says_where_keys_work() -> None:
    shown = text(at("entry", popup=Popup("help")), (120, 100))

    assert [] == [head for head in ("Everywhere", "In a pane", "At the prompt") if head not in shown]
    assert "Esc: close" in shown


def test_the_question_before_quitting_is_over_the_screen() -> None:
    shown = text(at("entry", popup=Popup("quit")))

    assert "quitting ends it" in shown
    assert "y: yes" in shown
    assert "magic" in shown


OTHER_STATES = ("interrupt", "restart", "back-step", "back-stage")
"""Actions for a running guest, and for a dead one."""


@pytest.mark.parametrize("kind", [state.DEAD, state.RECORDING, state.ENDED])
@pytest.mark.parametrize("focus", [state.PROMPT, state.VIEW])
def test_the_legend_has_no_keys_for_a_running_guest_if_no_guest_runs(kind: str, focus: str) -> None:
    shown = lines(at("entry", focus=focus, run=Run(kind)), (300, 40))[-1]

    assert [] == [words for words in ("F5", "F6", "F10", "F11", "interrupt") if words in shown]
    assert [kind == state.DEAD] * 3 == [it in shown for it in ("F4 restart", "F7 before the death", "F8 stage before")]
    assert "quit" in shown


@pytest.mark.parametrize(("focus", "scope", "other"), [("prompt", PROMPT, PANE), ("view", PANE, PROMPT)])
def test_the_legend_has_the_keys_of_the_pane_that_has_the_focus(focus: str, scope: str, other: str) -> None:
    screen = at("entry", focus=focus)
    inside = screen._replace(run=screen.run._replace(where="", symbol="memcpy+0x2"))
    legend = lines(inside, (300, 40))[-1]
    here = [key for key in KEYS if key.scope in (EVERYWHERE, scope) and key.action not in OTHER_STATES]
    stage = {"next-stage": "→ prepare"}
    expected = [f"{key.key} {stage.get(key.action, key.short)}" for key in here if key.short]
    elsewhere = {key.short for key in KEYS if key.scope == other} - {key.short for key in KEYS if key.scope != other}

    assert expected == [words for words in expected if words in legend]
    assert [] == [word for word in elsewhere if f" {word} " in legend]
    assert "Shift-F11" not in lines(screen, (300, 40))[-1]


def test_a_narrow_legend_has_help_and_execution_and_then_the_keys_of_the_pane() -> None:
    narrow = lines(at("entry", focus=state.VIEW), (80, 24))[-1]

    assert "F1 help  F5 continue  F6 → prepare  Tab focus  Left earlier  Enter follow" == narrow.strip()


@pytest.mark.parametrize(("kind", "words"), [(":", "go to: 0xf31"), ("/", "search: 0xf31")])
def test_a_line_typed_in_a_pane_replaces_the_legend(kind: str, words: str) -> None:
    screen = at("entry", focus=state.VIEW, entry=Entry(kind, "0xf31"))

    assert f"{words}▏" == lines(screen)[-1].strip()
    assert f"{words}_" == lines(screen._replace(ascii=True))[-1].strip()


def test_a_message_is_shown_in_the_border_above_gdb_output() -> None:
    assert "└ gdb  e820 was the last stage ─" in text(at("e820", message="e820 was the last stage"))


TAB_KEYS = "".join(view.key for view in table.VIEWS)


@pytest.mark.parametrize(("width", "wording"), [(80, "short"), (100, "short"), (120, "name")])
def test_the_tabs_are_not_cut_whatever_signs_they_have(width: int, wording: str) -> None:
    for view in screens.VIEWS:
        for stage in ("entry", "prepare", "bootparams", "e820"):
            tabs = lines(screens.at(stage, view, findings=(screens.STACK,)), (width, 24))[2]

            assert [getattr(view, wording) for view in table.VIEWS] == re.findall(rf"\b[{TAB_KEYS}]\W(\w+)", tabs)


def test_on_the_narrowest_terminal_the_tabs_are_keys() -> None:
    assert [view.key for view in table.VIEWS] == re.findall(
        rf"([{TAB_KEYS}])\W", lines(screens.at("prepare"), (60, 24))[2]
    )


@pytest.mark.parametrize("is_ascii", [False, True])
def test_the_help_explains_every_sign(is_ascii: bool) -> None:
    known = signs(is_ascii)
    explained = "\n".join(plain(line) for line in found("", 76, ascii=is_ascii, tour=True)).partition("Signs")[2]
    used = (*known.findings.values(), *known.stages.values(), known.changed, known.cursor, known.current)

    assert [] == [sign for sign in (*used, known.breakpoint) if sign not in explained]


def test_while_the_guest_runs_the_legend_says_how_to_stop_it() -> None:
    screen = at("prepare")
    running = lines(screen._replace(run=screen.run._replace(kind=state.RUNNING)))[-1]

    assert "Ctrl-C interrupt" in running
    assert "Ctrl-C" not in lines(screen)[-1]


MODES = {
    "recording": (state.RECORDING, False, {"F4", "F5", "F7", "F8", "F9", "F10", "F11", "Ctrl-C"}),
    "attached": (state.STOPPED, False, {"F4", "F7", "F8"}),
    "dead": (state.DEAD, True, {"F5", "F6", "F10", "F11", "Ctrl-C"}),
    "ended": (state.ENDED, True, {"F4", "F5", "F6", "F7", "F8", "F9", "F10", "F11", "Ctrl-C"}),
    "stopped": (state.STOPPED, True, set[str]()),
}


@pytest.mark.parametrize("mode", MODES)
def test_help_palette_and_legend_list_only_keys_that_can_work(mode: str) -> None:
    kind, is_own, absent = MODES[mode]
    screen = at("prepare", run=Run(kind))._replace(is_own_machine=is_own, past=0 if mode == "recording" else None)
    shown = {kind: "\n".join(plain(line) for line in popup_lines(screen, kind)) for kind in (HELP, PALETTE)}
    keys = {key.key for key in KEYS if key.scope == EVERYWHERE and re.fullmatch(r"F\d+|Ctrl-C", key.key)}

    for listed in (*shown.values(), lines(screen, (300, 40))[-1]):
        assert [] == [key for key in absent if re.search(rf"(^|\s){key}\s", listed, re.MULTILINE)]
    for listed in shown.values():
        assert [] == [key for key in keys - absent if not re.search(rf"(^|\s){key}\s", listed, re.MULTILINE)]


def popup_lines(screen: Screen, kind: str) -> list[Line]:
    return box.popup(screen, Popup(kind), 100, 2000)
