"""Tests of the tour on the screen: where it goes for each card. They use the recordings that come with the chapters."""

import re
from functools import lru_cache

import pytest

from pvhdbg.boot.record.replay import load
from pvhdbg.cli.command.teaching import boots
from pvhdbg.teaching.tour import chapter
from pvhdbg.tui.app import actions
from pvhdbg.tui.app.start import recording_screen
from pvhdbg.tui.app.tour import place
from pvhdbg.tui.draw import frame, panes
from pvhdbg.tui.draw.layout import BELOW, Size
from pvhdbg.tui.draw.tour import card
from pvhdbg.tui.events import events
from pvhdbg.tui.events.update import update
from pvhdbg.tui.lines.line import plain
from pvhdbg.tui.screen import state
from pvhdbg.tui.screen.state import Popup, Run, Screen
from pvhdbg.tui.screen.tour import Tour
from pvhdbg.tui.views import shown
from tests.tui import apps

CHAPTERS = chapter.read_all(boots.CHAPTERS)
CARDS = [(number, index) for number, known in enumerate(CHAPTERS) for index in range(len(known.cards))]
ELSEWHERE = {(8, 0): {"acpi_rsdp_addr"}, (8, 1): {"cmd_line_ptr"}}
"""What a card names, and how to get there."""
SIZES = (80, 24), (100, 30), (120, 36), (200, 60)


@lru_cache
def recorded(name: str) -> Screen:
    return recording_screen(load(boots.CHAPTERS / f"{name}.json"), name)


def at_card(number: int, index: int) -> Screen:
    tour = Tour(CHAPTERS, number, index)
    screen = recorded(tour.shown.boot)._replace(tour=tour._replace(boot=tour.shown.boot), focus=state.CARD)
    assert card.is_reached(screen)
    return place.show(screen)


@pytest.mark.parametrize(("number", "index"), CARDS)
def test_the_screen_goes_to_what_a_card_is_about(number: int, index: int) -> None:
    screen = at_card(number, index)
    asked, row = CHAPTERS[number].cards[index], shown.selected(screen)

    assert asked.view == screen.view
    assert screen.capture
    assert asked.stage == screen.capture.stage
    if asked.row:
        assert row
        assert asked.row in (row.name, row.path) or row.path.endswith(asked.row)
    if asked.address:
        assert screen.walked is not None or screen.memory_request is not None


@pytest.mark.parametrize(("number", "index"), CARDS)
def test_what_a_card_names_is_beside_it(number: int, index: int) -> None:
    asked = CHAPTERS[number].cards[index]
    for width, height in ((80, 24), (120, 40)):
        screen = frame.clamp(at_card(number, index), width, height - BELOW)
        listed = shown.rows(screen)
        window = panes.window(screen, len(listed), frame.visible(screen, width, height - BELOW))
        visible = {listed[at].name for at in window}
        named = {*re.findall(r"`([a-z_.]+)`", f"{asked.text} {asked.question}")} & {row.name for row in listed}

        assert asked.view == screen.view
        assert not asked.row or shown.cursor(screen) in window
        assert not named - visible - ELSEWHERE.get((number, index), set())


def test_a_card_whose_guest_died_before_its_stage_waits_for_the_new_boot() -> None:
    """After F5 on the first card about the crash, the guest is dead, and the next card needs a new boot."""
    tour = Tour(CHAPTERS, 10, 1, boot="died", awaits=True)
    died = recorded("died")
    dead = died._replace(tour=tour, history=(died.history[0], died.history[-1]), run=Run(state.DEAD), view="findings")
    waiting = place.arrived(update(dead, events.QueueLength(1)))
    arrived = place.arrived(died._replace(tour=waiting.tour, view="findings"))

    assert waiting.tour
    assert waiting.tour.awaits
    assert "start_info" == arrived.view
    assert arrived.capture
    assert "prepare" == arrived.capture.stage
    ran = place.arrived(update(waiting, events.TourRan("prepare")))
    assert ran.tour
    assert not ran.tour.awaits


@pytest.mark.parametrize(("width", "height"), SIZES)
def test_all_of_a_card_is_drawn_beside_its_row_with_values_and_without_braces(width: int, height: int) -> None:
    for number, index in CARDS:
        screen = at_card(number, index)
        lines = [plain(line) for line in frame.frame(screen, width, height - BELOW)]
        count, columns = frame.card_size(screen, width, height - BELOW)
        words = " ".join(plain(line) for line in card.whole(screen, columns))

        assert [width] * (height - BELOW) == [len(line) for line in lines]
        assert any(CHAPTERS[number].cards[index].title in line for line in lines)
        assert "{" not in words
        assert count >= min(7, len(card.whole(screen, columns)))
        assert any("▸" in line for line in lines) or screen.view in ("serial", "paging", "bytes", "code")


def test_every_value_of_a_card_is_on_the_screen_in_the_first_chapter() -> None:
    screen = at_card(0, 0)

    assert "is 0x1000000:" in " ".join(plain(line) for line in card.whole(screen, 70))


def test_a_stage_that_the_boot_has_not_reached_is_waited_for() -> None:
    tour = Tour(CHAPTERS, 8, 0, awaits=True)
    full = recorded("boot")
    early = full._replace(tour=tour, history=full.history[:2], now=full.history[1], past=None)

    assert not card.is_reached(early)
    assert place.arrived(early) is early
    assert "the guest is running to stage bootparams" in [plain(line) for line in card.whole(early, 70)]

    shown_tour = place.arrived(full._replace(tour=tour)).tour
    assert shown_tour
    assert not shown_tour.awaits


def test_a_guest_that_died_on_its_way_is_not_waited_for() -> None:
    died, tour = recorded("died"), Tour(CHAPTERS, 8, 0, awaits=True, has_run=True)
    arrived = place.arrived(died._replace(tour=tour, run=died.run._replace(kind=state.DEAD))).tour

    assert arrived
    assert not arrived.awaits


def test_the_next_card_of_the_last_one_of_a_chapter_is_in_the_next_chapter() -> None:
    last = Tour(CHAPTERS, 0, len(CHAPTERS[0].cards) - 1)
    moved = last.moved(1)

    assert moved
    assert (1, 0) == (moved.chapter, moved.card)
    assert last._replace(is_answered=True) == moved.moved(-1)
    assert None is Tour(CHAPTERS).moved(-1)
    assert None is Tour(CHAPTERS, len(CHAPTERS) - 1, len(CHAPTERS[-1].cards) - 1).moved(1)


def test_a_place_that_no_longer_exists_is_the_beginning() -> None:
    assert Tour(CHAPTERS) == Tour(CHAPTERS).at("gone", 0) == Tour(CHAPTERS).at(CHAPTERS[2].name, 99)
    assert Tour(CHAPTERS, 2, 1) == Tour(CHAPTERS).at(CHAPTERS[2].name, 1)


def test_a_card_whose_stage_the_guest_did_not_come_to_shows_its_text_and_the_key() -> None:
    tour, full = Tour(CHAPTERS, 9, 1, awaits=True, has_run=True), recorded("boot")
    early = full._replace(tour=tour, history=full.history[:2], now=full.history[1], past=None)
    words = " ".join(plain(line) for line in card.whole(early, 70))

    assert "Press t to boot it again" in words
    assert "e820__memory_setup" in words


def test_no_title_is_cut_beside_the_views() -> None:
    for number, index in CARDS:
        lines = card.title(at_card(number, index), *frame.card_size(at_card(number, index), 120, 38))

        assert "…" not in plain(lines)


def test_a_window_over_the_card_is_closed_by_esc() -> None:
    assert "Esc: close the window" in plain(card.title(at_card(0, 0)._replace(popup=Popup("panel")), 20, 46))


def test_enter_on_a_finding_goes_to_the_stage_where_its_field_was_read() -> None:
    screen = at_card(10, 2)
    index = [row.name for row in shown.rows(screen)].index("PVH902")
    followed = actions.act("follow", screen.at(index)._replace(focus=state.VIEW), Size(120, 38))
    row = shown.selected(followed)

    assert row
    assert ("memmap_paddr", "0x40000000") == (row.name, row.value)
    assert followed.capture
    assert "prepare" == followed.capture.stage


def test_a_new_boot_is_marked_in_the_output() -> None:
    screen = recorded("died")._replace(output=("old",))
    began = update(screen, events.MachineStarted(screen.title, None, (), is_own_machine=True))

    assert "a new boot of" in began.output[-2]
    assert "old" in began.output[0]


def test_letters_on_the_card_are_typed_at_the_prompt_and_space_on_an_empty_one_goes_back() -> None:
    with apps.show(tour=Tour(CHAPTERS), focus=state.CARD) as tui:
        for key in ("i", "n", "f", "o", " "):
            tui.keys(key)
        tui.until(lambda: tui.tui.windows.line.text == "info ")
        for _ in range(5):
            tui.keys("Backspace")
        tui.keys(" ")
        tui.until(lambda: tui.screen.focus == state.CARD)

    assert tui.screen.tour
    assert 0 == tui.screen.tour.card
