"""`pvhdbg tour`: the guided tour of a boot, on the screen or as text."""

from __future__ import annotations

from difflib import get_close_matches
from shutil import get_terminal_size
from typing import TYPE_CHECKING

from pvhdbg import state_files
from pvhdbg.abi.text import printable
from pvhdbg.cli.command.teaching import boots
from pvhdbg.cli.result import Result
from pvhdbg.errors import UserError
from pvhdbg.teaching import values
from pvhdbg.teaching.tour import chapter, tour_text

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from pvhdbg.teaching.tour.chapter import Chapter

_WIDTH = 80


def tour(options: argparse.Namespace) -> Result:
    """Show the tour on the screen; without a terminal, or with --text, print it.

    :raise UserError: if a chapter is malformed or has a fact that is not true.
    """
    chapters = chapter.read_all(options.chapters or boots.CHAPTERS)
    chosen = _chosen(chapters, options.chapter)
    if options.list:
        return Result(tour_text.listing(chapters, _place()))
    return Result(_text(chapters, chosen or chapters, options), is_paged=True)


def _place() -> str:
    """Return the name of the chapter in which the reader stopped; empty if there is none."""
    place = state_files.load("tour").get("chapter")
    return place if isinstance(place, str) else ""


def _chosen(chapters: Sequence[Chapter], name: str | None) -> tuple[Chapter, ...]:
    """Return the chapter that the user named, by its number or its name; none if the user named none.

    :raise UserError: if there is no such chapter.
    """
    if name is None:
        return ()
    for number, shown in enumerate(chapters, 1):
        if name in (str(number), shown.name, shown.name.lstrip("0123456789-")):
            return (shown,)
    near = get_close_matches(name, [shown.name for shown in chapters], cutoff=0.3)
    hint = f"did you mean `{near[0]}`?" if near else f"use a number from 1 to {len(chapters)}; see `pvhdbg tour --list`"
    raise UserError(f'no such chapter: "{printable(name)}"', hint)


def _text(chapters: Sequence[Chapter], chosen: Sequence[Chapter], options: argparse.Namespace) -> str:
    names, words = boots.names_in(chosen), boots.words_of(chapters)
    known = {name: values.of_document(run) for name, run in boots.documents(names, words, options).items()}
    for mistake in chapter.mistakes(chosen, known):
        raise mistake
    width = min(_WIDTH, get_terminal_size().columns)
    return "\n".join(
        tour_text.chapter(shown, number, known, width) for number, shown in enumerate(chapters, 1) if shown in chosen
    )
