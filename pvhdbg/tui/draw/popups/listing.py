"""The list of keys and signs, which shows only what contains the typed words."""

from __future__ import annotations

from functools import lru_cache
from textwrap import wrap
from typing import TYPE_CHECKING

from pvhdbg.tui.draw.keys import EVERYWHERE, KEYS, PANE, PROMPT, TOUR
from pvhdbg.tui.lines import classes
from pvhdbg.tui.lines.signs import ASCII, Signs, signs
from pvhdbg.views.rows.picture_text import SIGNS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pvhdbg.tui.lines.line import Line

KEY_WIDTH = 12
_HEADS = {
    EVERYWHERE: "Everywhere",
    PANE: "In a pane",
    PROMPT: "At the prompt, in addition to gdb's keys",
    TOUR: "In the tour (`pvhdbg tour`)",
}


@lru_cache(16)
def found(
    text: str,
    width: int,
    *,
    ascii: bool = False,  # noqa: A002  the name of the option
    without: frozenset[str] = frozenset(),
    tour: bool = False,
) -> list[Line]:
    """Return the keys and signs whose name or explanation contains all words of a text, ignoring case.

    The keys are grouped by where they work, and the signs come last. The keys for the actions in `without` are left
    out, and without `tour` those of the tour.
    """
    lines: list[Line] = []
    for head, rows in (*_keys(without, tour=tour), ("Signs", _signs(signs(ascii)))):
        chosen = [row for row in rows if contains(" ".join(row), text)]
        if chosen:
            blank: list[Line] = [[(classes.POPUP, "")]] if lines else []
            explained = [line for row in chosen for line in _explained(*row, width)]
            lines += [*blank, [(classes.POPUP_TITLE, head)], *explained]
    return lines or [[(classes.POPUP, "no key and no sign has these words")]]


def contains(candidate: str, text: str) -> bool:
    """Return whether a candidate contains all words of a text, ignoring case."""
    folded = candidate.casefold()
    return all(word in folded for word in text.casefold().split())


def _keys(without: frozenset[str], *, tour: bool) -> Iterator[tuple[str, list[tuple[str, str]]]]:
    """Yield the keys and their help, by where they work."""
    for scope, head in _HEADS.items():
        works = [key for key in KEYS if key.scope == scope and key.action not in without]
        if tour or scope != TOUR:
            yield head, [(key.key, key.help) for key in works]


def _signs(sign: Signs) -> list[tuple[str, str]]:
    """Return the signs and what they mean."""
    stages, runs = sign.stages, sign.runs
    return [
        (
            sign.changed,
            "changed since the previous stage; on a tab: something in the view changed or is new",
        ),
        (" ".join(sign.findings.values()), "a finding: error, warning, info"),
        (
            " ".join(stages.values()),
            "a stage: captured, current, ahead, not in this guest, passed but not captured; [ ]: displayed",
        ),
        (f"{runs['running']} {runs['stopped']} {runs['dead']}", "the guest: running, stopped, dead"),
        *_cells(ascii=sign is ASCII),
        (f"{sign.cursor} {sign.current} {sign.breakpoint}", "the selected row, RIP, a breakpoint"),
    ]


def _cells(*, ascii: bool) -> Iterator[tuple[str, str]]:  # noqa: A002
    """Yield the cells of the picture of memory, four in each row."""
    kinds = [*SIGNS]
    for chosen in (kinds[at : at + 4] for at in range(0, len(kinds), 4)):
        yield " ".join(SIGNS[kind][ascii] for kind in chosen), f"memory: {', '.join(chosen)}"


def _explained(key: str, meaning: str, width: int) -> Iterator[Line]:
    first, *more = wrap(meaning, width - KEY_WIDTH)
    yield [(classes.KEY, f"  {key}".ljust(KEY_WIDTH)), (classes.POPUP, first)]
    yield from ([(classes.POPUP, " " * KEY_WIDTH + words)] for words in more)
