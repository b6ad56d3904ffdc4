"""A chapter of the tour: a Markdown file with a front matter, and a card for each section.

A card has one idea. Its entries say what the screen shows:

    stage: entry                the stage; without it, that of the card before
    view: start_info            the view of the screen; without it, that of the card before
    row: modlist_paddr          the row that the screen selects and marks: its path, its name or a word in it
    address: start_info.paddr   in the views bytes and paging: the address that they show
    size: modules[0].size       in the view bytes: how many bytes are selected there
    key: d                      the key to press, and what it does
    boot: died                  another boot, defined in the front matter; it lasts until the end of the chapter
    fact: start_info.version == 1
    picture: memory             a picture for the handout

Its text may have a question: a paragraph that begins with `Question:`, up to one that begins with `Answer:`. The
screen shows the answer only after the reader has thought.
"""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING

from pvhdbg.abi.text import printable
from pvhdbg.boot.stop import stages
from pvhdbg.errors import UserError
from pvhdbg.named_tuple import NamedTuple
from pvhdbg.teaching import defined_boots, front_matter, values
from pvhdbg.teaching.defined_boots import FIRST_BOOT

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from pvhdbg.teaching.front_matter import Document, Place, Section

STAGES = (*stages.NAMES, "died")
_CHAPTER_KEYS = ("title", "about", "boot")
_CARD_KEYS = ("stage", "view", "row", "address", "size", "key", "boot", "fact", "picture")
_QUESTION, _ANSWER = "Question: ", "Answer: "


class Fact(NamedTuple):
    """A comparison that is true at the card's stage, and the line where it is written."""

    text: str
    place: Place


class Card(NamedTuple):
    """One idea: what to read, and where to look. The paragraphs are Markdown with expressions in braces."""

    title: str
    place: Place
    text: str
    question: str = ""
    answer: str = ""
    boot: str = FIRST_BOOT
    stage: str = stages.NAMES[0]
    view: str = ""
    row: str = ""
    address: str = ""
    size: str = ""
    key: str = ""
    picture: str = ""
    facts: tuple[Fact, ...] = ()


class Chapter(NamedTuple):
    """A chapter. `boots` has the options of its other boots, by name. `name` is the name of its file without .md."""

    name: str
    title: str
    about: str
    intro: str
    boots: dict[str, tuple[str, ...]]
    cards: tuple[Card, ...]


def read_all(folder: Path) -> tuple[Chapter, ...]:
    """Read the chapters of a folder, in the order of the names of their files.

    :raise UserError: if the folder has none, or a chapter is malformed.
    """
    return tuple(_read(path) for path in front_matter.files(folder))


def _read(path: Path) -> Chapter:
    return parse(path.stem, front_matter.read(path))


def parse(name: str, document: Document) -> Chapter:
    """Return the chapter that a document has.

    :raise UserError: if it is malformed; the message has the file and the line.
    """
    document.entries.refuse_others(_CHAPTER_KEYS)
    boots = defined_boots.boots(document)
    if not document.sections:
        raise document.entries.place.error("no cards", "begin each card with a line such as `## Title`")
    cards: list[Card] = []
    for section in document.sections:
        cards.append(_card(section, cards[-1] if cards else None, boots))
    entries = document.entries
    return Chapter(name, entries.required("title"), entries.value("about") or "", document.text, boots, tuple(cards))


def _card(section: Section, before: Card | None, boots: dict[str, tuple[str, ...]]) -> Card:
    entries = section.entries
    entries.refuse_others(_CARD_KEYS)
    text, question, answer = _parts(section)
    last = before or Card("", section.place, "")
    boot = entries.value("boot") or last.boot
    card = Card(
        section.title,
        section.place,
        text,
        question,
        answer,
        boot,
        entries.value("stage") or last.stage,
        entries.value("view") or last.view,
        entries.value("row") or "",
        entries.value("address") or "",
        entries.value("size") or "",
        entries.value("key") or "",
        entries.value("picture") or "",
        tuple(Fact(entry.value, entries.at(entry)) for entry in entries.all if entry.key == "fact"),
    )
    defined_boots.refuse_unknown(card.boot, boots, section.place)
    if card.stage not in STAGES:
        raise section.place.error(f"unknown stage: {card.stage}", f"use one of {', '.join(STAGES)}")
    return card


def _parts(section: Section) -> tuple[str, str, str]:
    """Return the text, the question and the answer of a card."""
    text, _, rest = f"\n{section.text}".partition(f"\n{_QUESTION}")
    question, _, answer = rest.partition(f"\n{_ANSWER}")
    if rest and not answer:
        raise section.place.error("a question without an answer", "add a paragraph that begins with `Answer:`")
    return text.strip("\n"), question.strip(), answer.strip()


def named(chapters: Sequence[Chapter], name: str) -> Chapter:
    """Return the chapter that the user named, by its number, its title or its name.

    :raise UserError: if there is no such chapter.
    """
    for number, chapter in enumerate(chapters, 1):
        if name in (str(number), chapter.name, chapter.name.lstrip("0123456789-")):
            return chapter
        if name.casefold() == chapter.title.casefold():
            return chapter
    near = get_close_matches(name, [chapter.name for chapter in chapters], cutoff=0.3)
    hint = f"did you mean `{near[0]}`?" if near else f"use a number from 1 to {len(chapters)}; see `pvhdbg tour --list`"
    raise UserError(f'no such chapter: "{printable(name)}"', hint)


def mistakes(chapters: Sequence[Chapter], boots: dict[str, values.Boot]) -> Iterator[UserError]:
    """Yield an error for each fact that is not true, and for each expression without a value."""
    for chapter in chapters:
        for card in chapter.cards:
            yield from _mistakes(card, boots[card.boot])


def _mistakes(card: Card, boot: values.Boot) -> Iterator[UserError]:
    for fact in card.facts:
        if why := values.why_false(fact.text, boot, card.stage):
            yield fact.place.error(why)
    expressions = [f"{{{expression}}}" for expression in (card.address, card.size) if expression]
    for text in (card.title, card.text, card.question, card.answer, card.key, *expressions):
        if why := values.why_not_filled_in(text, boot, card.stage):
            yield card.place.error(why)
