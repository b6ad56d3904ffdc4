"""`pvhdbg tour`: the guided tour of a boot, on the screen or as text."""

from __future__ import annotations

from shutil import get_terminal_size
from typing import TYPE_CHECKING

from pvhdbg import state_files
from pvhdbg.cli.command.interactive import has_screen
from pvhdbg.cli.command.teaching import boots
from pvhdbg.cli.result import Result
from pvhdbg.teaching import values
from pvhdbg.teaching.tour import chapter, tour_text
from pvhdbg.tui.screen.tour import FILE, Tour

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from pvhdbg.teaching.tour.chapter import Chapter
    from pvhdbg.tui.screen.state import Screen

_WIDTH = 80


def tour(options: argparse.Namespace) -> Result:
    """Show the tour on the screen; without a terminal, or with --text, print it.

    :raise UserError: if a chapter is malformed or has a fact that is not true.
    """
    chapters = chapter.read_all(options.chapters or boots.CHAPTERS)
    chosen = () if options.chapter is None else (chapter.named(chapters, options.chapter),)
    if options.list:
        return Result(tour_text.listing(chapters, _place()[0]))
    if options.text or not has_screen():
        return Result(_text(chapters, chosen or chapters, options), is_paged=True)
    _screen(chapters, chosen, options)
    return Result()


def _place() -> tuple[str, int]:
    """Return the name of the chapter and the number of the card at which the reader stopped; "" if there is none."""
    stored = state_files.load(FILE)
    name, card = stored.get("chapter"), stored.get("card")
    return name if isinstance(name, str) else "", card if isinstance(card, int) else 0


def _screen(chapters: Sequence[Chapter], chosen: Sequence[Chapter], options: argparse.Namespace) -> None:
    """Show the tour on the screen, from the card at which the reader stopped, or from the chapter that they named.

    :raise UserError: if a card has a view that does not exist.
    """
    from pvhdbg.tui.app import start
    from pvhdbg.tui.app.tour import guide
    from pvhdbg.tui.views import table

    for card in (card for shown in chapters for card in shown.cards):
        if card.view and card.view not in table.BY_NAME:
            raise card.place.error(f"unknown view: {card.view}", f"use one of {', '.join(table.BY_NAME)}")
    tour = Tour(tuple(chapters)).at(*((chosen[0].name, 0) if chosen else _place()))
    words = boots.words_of(chapters)
    if options.recorded:
        recorded = guide.Boots(recorded=lambda name: _recorded_screen(name, options))
        start.run_recorded_tour((tour, recorded), ascii=options.ascii, theme=options.theme)
        return
    from pvhdbg.cli import launch

    launched = boots.launch_options((), options)
    live = guide.Boots(changes=lambda name: launch.entry_changes(boots.launch_options(words[name], options)))
    start.run_live(
        lambda started: launch.launched(launched, started),
        ("the teaching guest", f"{launched.machine} {launched.accel} {launched.memory}"),
        ascii=options.ascii,
        theme=options.theme,
        tour=(tour, live),
    )


def _recorded_screen(name: str, options: argparse.Namespace) -> Screen:
    from pvhdbg.tui.app.start import recording_screen

    document = next(iter(boots.documents([name], {}, options).values()))
    return recording_screen(document, "the teaching guest", ascii=options.ascii)


def _text(chapters: Sequence[Chapter], chosen: Sequence[Chapter], options: argparse.Namespace) -> str:
    names, words = boots.names_in(chosen), boots.words_of(chapters)
    known = {name: values.of_document(run) for name, run in boots.documents(names, words, options).items()}
    for mistake in chapter.mistakes(chosen, known):
        raise mistake
    width = min(_WIDTH, get_terminal_size().columns)
    return "\n".join(
        tour_text.chapter(shown, number, known, width) for number, shown in enumerate(chapters, 1) if shown in chosen
    )
