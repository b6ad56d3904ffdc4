"""The tour as a document: a page in HTML, or Markdown. Values come from the boots, and the answers are at the end."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING

from pvhdbg.named_tuple import NamedTuple
from pvhdbg.teaching import markdown, values
from pvhdbg.teaching.tour import card_rows
from pvhdbg.views.page.picture import figure
from pvhdbg.views.page.shell import page, scrolling
from pvhdbg.views.pictures.markup import Element, element
from pvhdbg.views.pictures.table import PICTURES

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

    from pvhdbg.boot.record.document import Document
    from pvhdbg.teaching.lab.lab_file import Lab
    from pvhdbg.teaching.tour.chapter import Card, Chapter
    from pvhdbg.views.rows.row import Row

TITLE = "A tour of a PVH boot"
ABOUT = (
    "How a kernel starts, from its first instruction. All addresses come from a real boot of pvhdbg's teaching guest; "
    "`pvhdbg tour` shows the same on your own machine."
)
LABS = (
    "`pvhdbg lab start` begins the first of these exercises, `pvhdbg lab hint` shows a hint, and `pvhdbg lab check` "
    "tests your answer on a real machine."
)
_STYLE = """
main { max-width: 48rem; margin: 0 auto; } h2 { border-top: 3px solid var(--edge); padding-top: 1rem; }
.card { margin: 1.5rem 0; } .place { margin: 0; } .key { border-inline-start: 4px solid var(--link);
  padding-inline-start: 0.75rem; }
.question { background: var(--head); padding: 0.5rem 0.75rem; border-radius: 0.25rem; }
.question p { margin: 0.25rem 0; } table { border-collapse: collapse; margin: 0.5rem 0; }
td { border: 1px solid var(--edge); padding: 0.125rem 0.5rem; } tr.here { background: var(--target); }
svg { min-width: 0; } ol.contents { columns: 20rem; column-gap: 2.5rem; } li.appendix { list-style: none; }
@media print { html { font-size: 87%; } h2, h2 + p, h3 { break-after: avoid; } .appendix h2 { break-before: page; }
  .card, .question, p, pre, tr { break-inside: avoid; } a { color: inherit; }
  .question a { display: none; } .question { border: 1px solid var(--edge); } }
"""


class _Filled(NamedTuple):
    """A card with its values. `number` is the card's number in the document, such as 3.2."""

    number: str
    card: Card
    title: str
    text: str
    key: str
    question: str
    answer: str
    rows: tuple[tuple[Row, bool], ...]
    """The rows around the one that the card is about, each with whether it is that one."""
    picture: Document | None


def _filled(
    chapters: Sequence[Chapter], boots: Mapping[str, Document], only: Collection[str]
) -> list[tuple[str, Chapter, list[_Filled]]]:
    filled = []
    for number, chapter in enumerate(chapters, 1):
        if only and chapter.name not in only:
            continue
        cards = [_card(f"{number}.{index}", card, boots[card.boot]) for index, card in enumerate(chapter.cards, 1)]
        filled.append((str(number), chapter, cards))
    return filled


def _card(number: str, card: Card, run: Document) -> _Filled:
    boot = values.of_document(run)
    words = (values.filled_in(text, boot, card.stage) for text in (card.title, card.text, card.key))
    title, text, key = words
    question, answer = (values.filled_in(text, boot, card.stage) for text in (card.question, card.answer))
    rows = tuple(card_rows.excerpt(card, run.stops))
    return _Filled(number, card, title, text, key, question, answer, rows, run if card.picture else None)


def html(
    chapters: Sequence[Chapter], boots: Mapping[str, Document], labs: Sequence[Lab] = (), only: Collection[str] = ()
) -> str:
    """Return the page. It needs no other file and no scripts.

    `only` has the names of the chapters that are in it, by default all. They keep their numbers.
    """
    filled = _filled(chapters, boots, only)
    contents = [
        element("li", element("a", chapter.title, href=f"#chapter-{number}"), f": {chapter.about}", value=number)
        for number, chapter, _ in filled
    ]
    contents += [_contents_of_appendix("Exercises", "exercises")] if labs else []
    body = [
        element("h1", TITLE),
        *_html(ABOUT),
        element("nav", element("ol", *contents, class_="contents"), aria_label="Chapters"),
        *(_chapter(number, chapter, cards) for number, chapter, cards in filled),
        *([_exercises(labs)] if labs else []),
        _answers(filled),
    ]
    return page(TITLE, [element("main", *body)], _STYLE)


def _contents_of_appendix(title: str, target: str) -> Element:
    return element("li", element("a", title, href=f"#{target}"), class_="appendix")


def _chapter(number: str, chapter: Chapter, cards: Sequence[_Filled]) -> Element:
    head = element("h2", f"{number}. {chapter.title}", id=f"chapter-{number}")
    return element("section", head, *_html(chapter.intro), *(_html_card(card) for card in cards))


def _html_card(shown: _Filled) -> Element:
    parts = [
        element("h3", f"{shown.number} {shown.title}"),
        element("p", _place(shown.card), class_="place quiet"),
        *_html(shown.text),
    ]
    if shown.rows:
        parts.append(scrolling("what the screen shows", _table(shown.rows)))
    if shown.card.picture and shown.picture:
        parts.append(figure(PICTURES[shown.card.picture].draw(shown.picture)))
    if shown.key:
        parts.append(element("div", *_html(f"On the screen: {shown.key}"), class_="key"))
    if shown.question:
        link = element("a", "Answer", href=f"#answer-{shown.number}")
        asked = [*_html(f"**Question:** {shown.question}"), element("p", link)]
        parts.append(element("div", *asked, class_="question", id=f"question-{shown.number}"))
    return element("div", *parts, class_="card")


def _answers(filled: Sequence[tuple[str, Chapter, list[_Filled]]]) -> Element:
    parts = [element("h2", "Answers", id="answers")]
    for shown in (card for _, _, cards in filled for card in cards if card.question):
        back = element("a", f"{shown.number} {shown.title}", href=f"#question-{shown.number}")
        parts += [element("h3", back, id=f"answer-{shown.number}"), *_html(shown.answer)]
    return element("section", *parts, class_="appendix")


def _exercises(labs: Sequence[Lab]) -> Element:
    parts = [element("h2", "Exercises", id="exercises"), *_html(LABS)]
    for lab in labs:
        task = element("div", *_html(lab.task), class_="question")
        parts.append(
            element("div", element("h3", f"{lab.number}. {lab.title}"), *_html(lab.intro), task, class_="card")
        )
    return element("section", *parts, class_="appendix")


def _place(card: Card) -> str:
    look = {"view": card.view, "row": card.row}
    return ", ".join((f"stage {card.stage}", *(f"{name} {where}" for name, where in look.items() if where)))


def _table(rows: Sequence[tuple[Row, bool]]) -> Element:
    lines = [
        element("tr", *(element("td", cell) for cell in _cells(row)), class_="here" if is_here else "row")
        for row, is_here in rows
    ]
    return element("table", element("tbody", *lines))


def _cells(row: Row) -> tuple[str, ...]:
    return (row.name, row.value, row.meaning)


_TAGS = {markdown.LITERAL: "code", markdown.BOLD: "strong", markdown.STRESS: "em"}


def _html(text: str) -> Iterator[Element]:
    """Yield the blocks of a text. Consecutive items are one list, which is numbered if its first item is."""
    for is_list, group in groupby(markdown.blocks(text), lambda block: block.kind == markdown.ITEM):
        blocks = list(group)
        if is_list:
            items = (element("li", *_spans(block.text)) for block in blocks)
            yield element("ol" if blocks[0].mark[0].isdigit() else "ul", *items)
        else:
            yield from (
                element("pre", block.text) if block.kind == markdown.CODE else element("p", *_spans(block.text))
                for block in blocks
            )


def _spans(text: str) -> Iterator[Element | str]:
    for span in markdown.spans(text):
        yield element(_TAGS[span.kind], span.text) if span.kind in _TAGS else span.text


def as_markdown(
    chapters: Sequence[Chapter], boots: Mapping[str, Document], labs: Sequence[Lab] = (), only: Collection[str] = ()
) -> str:
    """Return the document as Markdown. Pictures are text. `only` is as in `html`."""
    filled = _filled(chapters, boots, only)
    lines = [f"# {TITLE}", ABOUT]
    for number, chapter, cards in filled:
        lines += [f"## {number}. {chapter.title}", *([chapter.intro] if chapter.intro else [])]
        for shown in cards:
            lines += _markdown_card(shown)
    lines += ["## Exercises", LABS] if labs else []
    for lab in labs:
        lines += [f"### Exercise {lab.number}: {lab.title}", lab.intro, f"**Task:** {lab.task}"]
    lines.append("## Answers")
    for shown in (card for _, _, cards in filled for card in cards if card.question):
        lines += [f"### {shown.number} {shown.title}", shown.answer]
    return "\n\n".join(lines) + "\n"


def _markdown_card(shown: _Filled) -> Iterator[str]:
    yield f"### {shown.number} {shown.title}"
    yield f"*{_place(shown.card)}*"
    yield shown.text
    if shown.rows:
        marked = (f"{'>' if is_here else ' '} {'  '.join(filter(None, _cells(row)))}" for row, is_here in shown.rows)
        yield "\n".join(f"    {line}" for line in marked)
    if shown.card.picture and shown.picture:
        yield "\n".join(f"    {line}" for line in PICTURES[shown.card.picture].as_text(shown.picture))
    if shown.key:
        yield f"On the screen: {shown.key}"
    if shown.question:
        yield f"**Question:** {shown.question}"
