"""The tour on the screen: its cards, the one that is shown, and how much of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pvhdbg.named_tuple import NamedTuple
from pvhdbg.teaching.defined_boots import FIRST_BOOT

if TYPE_CHECKING:
    from pvhdbg.teaching.tour.chapter import Card, Chapter


FILE = "tour"
"""The name of the state file with the card at which the reader stopped."""


class Tour(NamedTuple):
    """The tour. `chapter` and `card` are the numbers of what is shown, from 0.

    `is_answered`: the answer to the card's question is shown. `top` is the first visible line of the card. `boot` is
    the name of the boot that the screen shows. `awaits`: the machine is on its way to the stage of the card; with
    `has_run`, it has stopped on this way.
    """

    chapters: tuple[Chapter, ...]
    chapter: int = 0
    card: int = 0
    is_answered: bool = False
    top: int = 0
    boot: str = FIRST_BOOT
    awaits: bool = False
    has_run: bool = False
    is_hidden: bool = False

    @property
    def shown(self) -> Card:
        return self.chapters[self.chapter].cards[self.card]

    @property
    def is_asking(self) -> bool:
        """Whether the card has a question whose answer is not shown yet."""
        return bool(self.shown.question) and not self.is_answered

    def moved(self, step: int) -> Tour | None:
        """Return the tour at the next card (1) or at the one before (-1); None past the last or the first one."""
        card, chapter = self.card + step, self.chapter
        if not 0 <= card < len(self.chapters[chapter].cards):
            chapter += step
            if not 0 <= chapter < len(self.chapters):
                return None
            card = 0 if step > 0 else len(self.chapters[chapter].cards) - 1
        return self._replace(chapter=chapter, card=card, is_answered=step < 0, top=0, awaits=False, has_run=False)

    def at(self, chapter: str, card: int) -> Tour:
        """Return the tour at a card of the chapter with this name; unchanged if there is no such card."""
        for number, known in enumerate(self.chapters):
            if known.name == chapter and 0 <= card < len(known.cards):
                return self._replace(chapter=number, card=card)
        return self
