"""Who wrote and who reads each field: a table, in which a value leads to the field that it came from."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from pvhdbg.abi.text import printable
from pvhdbg.boot.who.access import CONFIDENCES
from pvhdbg.views.page.anchors import link, row_id, section_id, stop_id, who_id
from pvhdbg.views.page.row_table import table
from pvhdbg.views.page.stops import folded
from pvhdbg.views.pictures.markup import Element, element
from pvhdbg.views.report import who_text
from pvhdbg.views.rows import text

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping, Sequence

    from pvhdbg.boot.record.document import Document
    from pvhdbg.boot.who.answer import Answer, Reader, Writer

T = TypeVar("T")
MOST, MOST_CODE = 1000, 6
"""The most fields, and the most writers and readers of one field."""
_HEADINGS = "field", "bytes", "written by, the last one first", "value of", "read by"


def listed(run: Document) -> dict[str, Answer]:
    """Return the answers that the page lists, by path, without fields that only a memset wrote."""
    written = [answer for answer in run.who or () if not answer.is_only_cleared]
    return {answer.path: answer for answer in written[:MOST]}


def section(run: Document, answers: Mapping[str, Answer], ids: Collection[str]) -> Element:
    """Return the section with these answers, and the number of those that are not listed."""
    lines = [_line(run, answer, answers, ids) for answer in answers.values()]
    shown = table("Writers and readers", _HEADINGS, lines)
    left_out = len(run.who or ()) - len(answers)
    words = (
        f"Not listed: {text.counted(left_out, 'field')}, most of them written only by the instruction that clears them."
    )
    more = [element("p", words)] if left_out else []
    words_of = [element("li", element("b", name), f": {meaning}") for name, meaning in CONFIDENCES.items()]
    legend = folded("How the origin of a value is known", element("ul", *words_of))
    if run.who_ended is not None:
        more.append(element("p", f"The observed guest died, and the answers end there: {printable(run.who_ended)}"))
    return element("section", element("h2", "Who wrote and who reads the boot data"), legend, shown, *more, id="who")


def _line(run: Document, answer: Answer, answers: Mapping[str, Answer], ids: Collection[str]) -> Element:
    return element(
        "tr",
        element("th", _field(run, answer.path, ids), scope="row"),
        element("td", f"{answer.size} at {answer.paddr:#x}"),
        element("td", *(_lines(answer.writers, _writer) if answer.writers else [who_text.NO_WRITER])),
        element("td", *_origins(answer, answers)),
        element("td", *_lines(answer.readers, _reader)),
        id=who_id(answer.path),
    )


def _field(run: Document, path: str, ids: Collection[str]) -> Element | str:
    """Return a link to the row of the field at the first stop that has one, or to its structure."""
    names = [stop_id(index, stop) for index, stop in enumerate(run.stops)]
    key = path.partition(".")[0].partition("[")[0]
    targets = [*(row_id(name, path) for name in names), *(section_id(name, key) for name in names)]
    target = next((target for target in targets if target in ids), None)
    return link(target, printable(path)) if target else printable(path)


def _lines(items: Sequence[T], show: Callable[[T], Iterator[Element | str]]) -> Iterator[Element]:
    for item in items[:MOST_CODE]:
        yield element("div", *show(item))
    if len(items) > MOST_CODE:
        yield element("div", f"… and {len(items) - MOST_CODE} more", class_="quiet")


def _writer(writer: Writer) -> Iterator[Element | str]:
    yield who_text.writer_name(writer)
    if writer.code is not None:
        yield element("div", f"{printable(writer.instruction)} at {writer.code.rip:#x}", class_="quiet")


def _reader(reader: Reader) -> Iterator[Element | str]:
    times = f", {reader.times} times" if reader.times > 1 else ""
    yield f"{who_text.function(reader.code)}{times}"
    yield element("div", printable(reader.instruction), class_="quiet")


def _origins(answer: Answer, answers: Mapping[str, Answer]) -> Iterator[Element]:
    for writer in answer.last_writers[:MOST_CODE]:
        path = (writer.origin or "").partition("+")[0]
        words = printable(writer.origin or "")
        shown = link(who_id(path), words) if path in answers else words
        yield element("div", shown, f" {writer.confidence}" if words else writer.confidence)
