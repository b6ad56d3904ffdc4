"""Tests of the tour on the screen: where it goes for each card. They use the recordings that come with the chapters."""

from functools import lru_cache

import pytest

from pvhdbg.boot.record.replay import load
from pvhdbg.cli.command.teaching import boots
from pvhdbg.teaching.tour import chapter
from pvhdbg.tui.app.start import recording_screen
from pvhdbg.tui.app.tour import place
from pvhdbg.tui.draw import frame
from pvhdbg.tui.draw.layout import BELOW
from pvhdbg.tui.draw.tour import card
from pvhdbg.tui.lines.line import plain
from pvhdbg.tui.screen import state
from pvhdbg.tui.screen.state import Screen
from pvhdbg.tui.screen.tour import Tour, is_reached
from pvhdbg.tui.views import shown

CHAPTERS = chapter.read_all(boots.CHAPTERS)
CARDS = [(number, index) for number, known in enumerate(CHAPTERS) for index in range(len(known.cards))]
SIZES = (80, 24), (100, 30), (120, 36), (200, 60)


@lru_cache
def recorded(name: str) -> Screen:
    return recording_screen(load(boots.CHAPTERS / f"{name}.json"), name)


def at_card(number: int, index: int) -> Screen:
    tour = Tour(CHAPTERS, number, index)
    screen = recorded(tour.shown.boot)._replace(tour=tour._replace(boot=tour.shown.boot), focus=state.CARD)
    assert is_reached(screen)
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

    assert not is_reached(early)
    assert place.arrived(early) is early
    assert "the guest is running to stage bootparams" in [plain(line) for line in card.whole(early, 70)]

    shown_tour = place.arrived(full._replace(tour=tour)).tour
    assert shown_tour
    assert not shown_tour.awaits


def test_a_guest_that_died_on_its_way_is_not_waited_for() -> None:
    died, tour = recorded("died"), Tour(CHAPTERS, 8, 0, awaits=True)
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
