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

HTML, MARKDOWN = ".html", ".md"


def handout(options: argparse.Namespace) -> Result:
    """Write the document, with the values of real boots or, with --recorded, of the recordings.

    :raise UserError: if a chapter is malformed or has a fact that is not true, or the file can't be written.
    """
    form = options.output.suffix.lower()
    if form not in (HTML, MARKDOWN):
        raise UserError(f"{options.output}: the name of the file must end in {HTML} or {MARKDOWN}")
    chapters = chapter.read_all(options.chapters or boots.CHAPTERS)
    runs = boots.documents(boots.names_in(chapters), boots.words_of(chapters), options)
    for mistake in chapter.mistakes(chapters, {name: values.of_document(run) for name, run in runs.items()}):
        raise mistake
    from pvhdbg.teaching.tour import handout as document

    labs = lab_file.read_all(options.labs or EXERCISES) if options.labs or not options.chapters else ()
    make = document.html if form == HTML else document.as_markdown
    text = make(chapters, runs, labs)
    write(options.output, text, ascii=options.ascii and form == MARKDOWN)
    return Result()
