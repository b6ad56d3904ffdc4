"""The tour's card: what it says, with the values of the displayed boot, and what Space does next."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from pvhdbg.teaching import markdown, values
from pvhdbg.tui.lines import classes
from pvhdbg.tui.lines.line import cut, fit, length
from pvhdbg.tui.lines.signs import signs
from pvhdbg.tui.screen import state

if TYPE_CHECKING:
    from pvhdbg.teaching.tour.chapter import Card
    from pvhdbg.tui.lines.line import Line
    from pvhdbg.tui.screen.state import Screen


def is_reached(screen: Screen) -> bool:
    """Return whether the displayed boot is the card's, and has been at the card's stage."""
    tour = screen.tour
    if tour is None or tour.boot != tour.shown.boot:
        return False
    stops = screen.history if screen.now is None else (*screen.history, screen.now)
    return any(stop.stage == tour.shown.stage for stop in stops)


def title(screen: Screen, lines: int, width: int) -> Line:
    """Draw the title: the chapter, the number of the card, and what Space does."""
    tour = screen.tour
    if tour is None:
        return []
    chapter = tour.chapters[tour.chapter]
    style = f"{classes.PANE_TITLE} {classes.BORDER_FOCUS}" if screen.focus == state.CARD else classes.PANE_TITLE
    before, after = f" {tour.chapter + 1}/{len(tour.chapters)} ", f" {tour.card + 1}/{len(chapter.cards)} "
    key: Line = [(classes.KEY, " Space"), (classes.LEGEND, f": {next_word(screen, lines, width)} ")]
    elsewhere = _back_words(screen)
    key = [(classes.LEGEND, f" {elsewhere} ")] if elsewhere else key
    room = width - length(key) - len(before) - len(after)
    drawn = [(style, f"{before}{cut(chapter.title, room, signs(screen.ascii).more)}{after}"), *key]
    return fit(drawn, min(length(drawn), width), signs(screen.ascii).more)


def _back_words(screen: Screen) -> str:
    """Return how to get back to the card; empty if the next key goes to it."""
    if screen.popup is not None:
        return "Esc: close the window"
    if screen.focus == state.CARD:
        return ""
    return f"{'Space' if screen.focus == state.PROMPT else 't'}: back to the card"


def next_word(screen: Screen, lines: int, width: int) -> str:
    """Return what Space does: it shows more of the card, then the answer, then the next card."""
    tour = screen.tour
    if tour is None:
        return ""
    if tour.top < last_top(screen, lines, width):
        return "more"
    if tour.is_asking:
        return "answer"
    return "the end" if tour.moved(1) is None else "go on"


def last_top(screen: Screen, lines: int, width: int) -> int:
    """Return the largest index that the first visible line can have."""
    return max(len(whole(screen, width)) - lines, 0)


def visible(screen: Screen, lines: int, width: int) -> list[Line]:
    """Draw exactly `lines` lines of the card."""
    more, tour = signs(screen.ascii).more, screen.tour
    top = min(tour.top if tour else 0, last_top(screen, lines, width))
    drawn = whole(screen, width)[top : top + lines]
    return [fit([("", " "), *(drawn[at] if at < len(drawn) else [])], width, more) for at in range(lines)]


def whole(screen: Screen, width: int) -> list[Line]:
    """Return all lines of the card."""
    tour = screen.tour
    if tour is None:
        return []
    shown, boot = tour.shown, _boot(screen)
    lines: list[Line] = [[(classes.TOUR_TITLE, _filled(shown.title, shown, boot))]]
    if tour.awaits and not tour.has_run:
        return [*lines, [], [(classes.EMPTY, f"the guest is running to stage {shown.stage}")]]
    if not is_reached(screen):
        again = f"The guest is not at stage {shown.stage}. Press t to boot it again."
        lines += [[], *_wrapped(again, width, classes.KEY), []]
    lines += _wrapped(_filled(shown.text, shown, boot), width, classes.TOUR)
    if shown.key:
        lines += [[], *_wrapped(_filled(shown.key, shown, boot), width, classes.KEY)]
    if shown.question:
        lines += [[], *_wrapped(_filled(f"Question: {shown.question}", shown, boot), width, classes.TOUR_QUESTION)]
    if shown.question and tour.is_answered:
        lines += [[], *_wrapped(_filled(f"Answer: {shown.answer}", shown, boot), width, classes.TOUR)]
    return lines


def _boot(screen: Screen) -> values.Boot:
    now = screen.now
    is_known = now is None or any(stop is now for stop in screen.history)
    stops = screen.history if is_known or now is None else (*screen.history, now)
    return values.Boot(stops, screen.image, screen.machine)


def _filled(text: str, shown: Card, boot: values.Boot) -> str:
    """Return text with its values, or with their paths if the displayed boot, which users can change, lacks them."""
    try:
        return values.filled_in(text, boot, shown.stage)
    except values.NotKnown:
        return text


def _wrapped(text: str, width: int, style: str) -> list[Line]:
    return [[(style, line)] for line in _lines(text, width - 2)]


@lru_cache(32)
def _lines(text: str, width: int) -> list[str]:
    return [line.expandtabs() for line in markdown.plain(text, width)]
