"""`pvhdbg handout -o FILE`: write the tour and the exercises as one document."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pvhdbg.cli.command.teaching import boots
from pvhdbg.cli.command.teaching.lab import EXERCISES
from pvhdbg.cli.result import Result, write
from pvhdbg.errors import UserError
from pvhdbg.teaching import values
from pvhdbg.teaching.lab import lab_file
from pvhdbg.teaching.tour import chapter

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from pvhdbg.teaching.lab.lab_file import Lab

HTML, MARKDOWN = ".html", ".md"


def handout(options: argparse.Namespace) -> Result:
    """Write the document, with the values of real boots or, with --recorded, of the recordings.

    :raise UserError: if a chapter is malformed or has a fact that is not true, or the file can't be written.
    """
    form = options.output.suffix.lower()
    if form not in (HTML, MARKDOWN):
        raise UserError(f"{options.output}: the name of the file must end in {HTML} or {MARKDOWN}")
    chapters = chapter.read_all(options.chapters or boots.CHAPTERS)
    chosen = [chapter.named(chapters, name) for name in options.chapter] or chapters
    labs = _labs(options)
    runs = boots.documents(boots.names_in(chosen), boots.words_of(chapters), options)
    for mistake in chapter.mistakes(chosen, {name: values.of_document(run) for name, run in runs.items()}):
        raise mistake
    from pvhdbg.teaching.tour import handout as document

    make = document.html if form == HTML else document.as_markdown
    text = make(chapters, runs, labs, {shown.name for shown in chosen})
    write(options.output, text, ascii=options.ascii and form == MARKDOWN)
    return Result()


def _labs(options: argparse.Namespace) -> Sequence[Lab]:
    """Return the labs of the document: those that the user chose, or all. With other chapters, only other labs.

    :raise UserError: if a lab is malformed, or there is no lab with such a number.
    """
    if not options.labs and options.chapters and not options.exercises:
        return ()
    labs = lab_file.read_all(options.labs or EXERCISES)
    numbers = range(1, len(labs) + 1) if options.exercises is None else options.exercises
    for number in numbers:
        if not 1 <= number <= len(labs):
            raise UserError(f"no such exercise: {number}", f"use numbers from 1 to {len(labs)}; see `pvhdbg lab list`")
    return [labs[number - 1] for number in numbers]
