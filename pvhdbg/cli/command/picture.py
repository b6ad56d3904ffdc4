"""`pvhdbg picture NAME`: draw memory, the handover or the stages, of a recording or of a boot.

`pvhdbg report RECORDING -o FILE.html`: write a whole run as one web page.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pvhdbg.abi.text import printable
from pvhdbg.boot.record.replay import load
from pvhdbg.cli import progress
from pvhdbg.cli.launch import launched_without_gdb
from pvhdbg.cli.result import Result, write
from pvhdbg.errors import UserError
from pvhdbg.views.pictures.table import PICTURES

if TYPE_CHECKING:
    import argparse
    from pathlib import Path

    from pvhdbg.boot.record.document import Document
    from pvhdbg.views.pictures.table import Picture

SVG, HTML, TEXT = ".svg", ".html", ".txt"
FORMS = SVG, HTML, TEXT


def picture(options: argparse.Namespace) -> Result:
    """Return the picture as text, or write it to the file of -o."""
    if options.output is not None:
        _check_ending(options.output, FORMS)
    chosen = PICTURES[options.picture]
    document, status, remarks = _document(options)
    if options.output is None:
        return Result("\n".join(chosen.as_text(document)) + "\n", status, remarks)
    text = _drawn(chosen, document, options.output.suffix.lower())
    write(options.output, text, ascii=options.ascii and options.output.suffix.lower() == TEXT)
    return Result("", status, remarks)


def report(options: argparse.Namespace) -> Result:
    """Write the page. It needs no other file, no network and no scripts."""
    _check_ending(options.output, (HTML,))
    document = load(options.recording)
    from pvhdbg.views.page.report import report as page

    write(options.output, page(document), ascii=False)
    return Result()


def _check_ending(path: Path, forms: tuple[str, ...]) -> None:
    """Check the ending of a file's name, before anything is started.

    :raise UserError: if the name has another ending.
    """
    if path.suffix.lower() not in forms:
        endings = " or ".join(filter(None, (", ".join(forms[:-1]), forms[-1])))
        raise UserError(f"{path}: the name of the file must end in {endings}")


def _document(options: argparse.Namespace) -> tuple[Document, int, tuple[str, ...]]:
    """Load the recording, or boot the kernel. Return the run, the exit status, and remarks for standard error."""
    if options.kernel is not None and is_recording(options.kernel):
        return load(options.kernel), 0, ()
    with progress.shown(progress.START) as waiting, launched_without_gdb(options) as debuggee:
        from pvhdbg.cli import running

        document, remarks = running.run(debuggee, None, waiting)
        return document, running.status_of(document.outcome, None), remarks


def is_recording(path: Path) -> bool:
    """Return whether a file begins like JSON. No kernel file does."""
    if not path.is_file():
        return False
    try:
        with path.open("rb") as file:
            return file.read(64).lstrip().startswith(b"{")
    except OSError:
        return False


def _drawn(chosen: Picture, document: Document, form: str) -> str:
    from pvhdbg.views.page.picture import picture_page
    from pvhdbg.views.pictures.markup import to_svg

    if form == TEXT:
        return "\n".join(chosen.as_text(document)) + "\n"
    drawing = chosen.draw(document)
    if form == SVG:
        return to_svg(drawing.svg(is_file=True))
    subject = printable(document.kernel.path) if document.kernel else "no kernel file"
    return picture_page(drawing, chosen.as_text(document), subject)
