"""Tests of the tour's keys, over the recordings that come with the chapters."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest

from pvhdbg import state_files
from pvhdbg.boot.record.replay import load
from pvhdbg.cli.command import interactive
from pvhdbg.cli.command.teaching import boots
from pvhdbg.teaching.tour import chapter
from pvhdbg.tui.app.start import recording_screen
from pvhdbg.tui.app.tour.guide import Boots, Guide
from pvhdbg.tui.draw.layout import Size
from pvhdbg.tui.events import events
from pvhdbg.tui.screen import state
from pvhdbg.tui.screen.state import Screen
from pvhdbg.tui.screen.tour import FILE, Tour

CHAPTERS = chapter.read_all(boots.CHAPTERS)
CARDS = [(number, index) for number, known in enumerate(CHAPTERS) for index in range(len(known.cards))]


def recorded(name: str) -> Screen:
    return recording_screen(load(boots.CHAPTERS / f"{name}.json"), name)


class Ui:
    """A terminal of 80x24 without a machine."""

    def __init__(self, tour: Tour) -> None:
        self.screen = recorded("boot")._replace(tour=tour, focus=state.CARD)
        self.worker = None
        self.size = Size(80, 22)
        self.said = ""

    def show(self, screen: Screen) -> None:
        self.screen = screen

    def say(self, message: str) -> None:
        self.said = message

    def emit(self, event: events.Event) -> None:
        raise AssertionError(event)

    @property
    def tour(self) -> Tour:
        assert self.screen.tour
        return self.screen.tour

    @property
    def place(self) -> tuple[int, int]:
        return self.tour.chapter, self.tour.card


def guided(chapter_number: int = 0, card: int = 0) -> tuple[Ui, Guide]:
    ui = Ui(Tour(CHAPTERS, chapter_number, card))
    guide = Guide(ui, Boots(recorded=recorded))
    guide.begin()
    return ui, guide


def test_space_shows_every_answer_and_every_card_up_to_the_end() -> None:
    ui, guide = guided()
    seen, answered = [ui.place], set()
    while not ui.said:
        guide.handlers["tour-next"]()
        seen += [] if seen[-1] == ui.place else [ui.place]
        answered |= {ui.place} if ui.tour.is_answered else set()
        assert ui.tour.boot == ui.tour.shown.boot

    assert CARDS == seen
    assert {place for place in CARDS if CHAPTERS[place[0]].cards[place[1]].question} == answered
    assert "this is the end of the tour" == ui.said
    assert {"chapter": CHAPTERS[-1].name, "card": CARDS[-1][1]} == state_files.load(FILE)


def test_backspace_shows_the_beginning_of_the_card_then_the_card_before() -> None:
    ui, guide = guided(0, 1)
    guide.handlers["tour-next"]()
    assert ui.tour.top > 0

    guide.handlers["tour-back"]()
    assert (0, (0, 1)) == (ui.tour.top, ui.place)

    guide.handlers["tour-back"]()
    assert (0, 0) == ui.place

    guide.handlers["tour-back"]()
    assert "this is the first card" == ui.said


def test_t_returns_to_the_place_of_the_card() -> None:
    ui, guide = guided(2, 1)
    place = ui.screen
    ui.show(ui.screen._replace(view="log", past=None, focus=state.PROMPT))
    guide.handlers["tour-show"]()

    assert (place.view, place.past, place.position) == (ui.screen.view, ui.screen.past, ui.screen.position)
    assert state.CARD == ui.screen.focus


def test_the_card_can_be_hidden_and_shown_again() -> None:
    ui, guide = guided()
    guide.handlers["tour-hide"]()
    assert (True, state.VIEW) == (ui.tour.is_hidden, ui.screen.focus)

    guide.handlers["tour-show"]()
    assert (False, state.CARD) == (ui.tour.is_hidden, ui.screen.focus)


def test_without_a_tour_the_keys_do_nothing() -> None:
    ui, guide = guided()
    ui.show(ui.screen._replace(tour=None))
    before = ui.screen
    for name in ("tour-show", "tour-hide", "tour-next"):
        guide.handlers[name]()

    assert before is ui.screen


@pytest.mark.parametrize("known", [{}, {"offered": True}, {"chapter": "01-a-boot", "card": 2}])
def test_the_tour_is_offered_once_and_not_to_its_readers(known: dict[str, object]) -> None:
    if known:
        state_files.save(FILE, known)
    first, second = interactive._greeting(), interactive._greeting()

    assert bool(known) == (first == "")
    assert "" == second
    assert known or "`pvhdbg tour`" in first


@pytest.mark.parametrize("ahead", [True, False])
def test_a_stage_that_the_guest_has_passed_is_reached_by_another_boot(
    monkeypatch: pytest.MonkeyPatch, *, ahead: bool
) -> None:
    emitted: list[events.Event] = []
    done: list[str] = []
    ui = Ui(Tour(CHAPTERS, 9, 1))
    monkeypatch.setattr(ui, "emit", emitted.append)
    names = [SimpleNamespace(name="e820")] if ahead else []
    journey = SimpleNamespace(stages_ahead=lambda: names)
    debuggee: Any = SimpleNamespace(journey=journey, to_stage=lambda name: done.append(f"to {name}"), changes=None)
    worker: Any = SimpleNamespace(boot_to=lambda _debuggee, name: done.append(f"boot to {name}"))
    Guide(ui, Boots(changes=lambda name: cast("Any", name)))._to_stage(worker, debuggee, ("boot", "e820"))

    assert ["to e820" if ahead else "boot to e820"] == done
    assert events.TourRan("e820") == emitted[-1]
