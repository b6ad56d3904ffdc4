"""Chapters as text: what `pvhdbg tour --text` and `--list` print."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pvhdbg.teaching import markdown, values

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from pvhdbg.teaching.tour.chapter import Card, Chapter

_RULE = "="


def chapter(shown: Chapter, number: int, boots: Mapping[str, values.Boot], width: int) -> str:
    """Return a chapter with all its cards. `boots` are the boots that its values come from.

    :raise NotKnown: if a value does not exist.
    """
    title = f"{number}. {shown.title}"
    lines = [title, _RULE * len(title), ""]
    if shown.intro:
        lines += [*markdown.plain(shown.intro, width), ""]
    for card in shown.cards:
        lines += [*_card(card, boots[card.boot], width), ""]
    return "\n".join(lines)


def _card(card: Card, boot: values.Boot, width: int) -> Iterator[str]:
    def fill(text: str) -> list[str]:
        return markdown.plain(values.filled_in(text, boot, card.stage), width)

    yield f"## {values.filled_in(card.title, boot, card.stage)}"
    yield f"   stage {card.stage}{look_at(card)}"
    yield ""
    yield from fill(card.text)
    if card.key:
        yield ""
        yield from fill(f"On the screen: {card.key}")
    if card.question:
        yield ""
        yield from fill(f"Question: {card.question}")
        yield ""
        yield from fill(f"Answer: {card.answer}")


def look_at(card: Card) -> str:
    """Return where the reader looks, as the end of a line: ", view cpu, row cr0"."""
    place = {"view": card.view, "row": card.row, "address": card.address}
    return "".join(f", {name} {where}" for name, where in place.items() if where)


def listing(chapters: Sequence[Chapter], here: str = "") -> str:
    """Return a line for each chapter. An arrow marks `here`, the chapter in which the reader stopped."""
    width = max(len(shown.title) for shown in chapters)
    lines = [
        f"{'>' if shown.name == here else ' '} {number:2}  {shown.title:{width}}  {shown.about}".rstrip()
        for number, shown in enumerate(chapters, 1)
    ]
    return "\n".join(lines) + "\n"
