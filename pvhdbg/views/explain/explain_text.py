"""Explanations as text, and the list of everything that can be explained."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pvhdbg.abi.text import printable
from pvhdbg.views.explain import lookup
from pvhdbg.views.explain.term_topics import mentioned
from pvhdbg.views.explain.topic import FIELDS
from pvhdbg.views.rows import text

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pvhdbg.views.explain.topic import Explanation

WIDTH = 100
_MOST_IN_FULL = 2


def answer(line: str, width: int = WIDTH) -> str:
    """Explain a name, or each of several names.

    :raise UserError: if there is no such topic.
    """
    return "\n".join(_answer(name, width) for name in lookup.split_names(line))


def _answer(name: str, width: int) -> str:
    """Explain a name. If more than two topics have the name, list them with one line each."""
    explanations = lookup.explain(name)
    if len(explanations) > _MOST_IN_FULL:
        return "\n".join(_several(name, explanations)) + "\n"
    return "\n\n".join("\n".join(in_full(explanation, width)) for explanation in explanations) + "\n"


def in_full(about: Explanation, width: int = WIDTH) -> list[str]:
    """Return the lines of a complete explanation. The first line and the table of values may be wider than `width`."""
    lines = [f"{about.title}   {_joined(about.ctype, about.where)}".rstrip()]
    lines += _wrapped(about.meaning, width)
    for paragraph in about.details:
        lines += _wrapped(paragraph, width)
    labels = {
        "written by": about.written_by,
        "read by": about.read_by,
        "source": about.source,
        "see also": ", ".join(mentioned(about)),
    }
    return [*lines, *_labeled(labels, width), *text.columns(about.values, indent=2)]


def _summary(about: Explanation) -> tuple[str, str, str]:
    """Return the title, the place and the meaning, for a table."""
    return about.title, _joined(about.ctype, about.where), about.meaning


def _several(name: str, explanations: Sequence[Explanation]) -> list[str]:
    return [
        f"{len(explanations)} topics have the name {printable(name)}:",
        *text.columns([_summary(explanation) for explanation in explanations]),
        f"Pass the full name of one of them, for example `explain {explanations[0].title}`.",
    ]


def _joined(ctype: str, where: str) -> str:
    return (" at " if where.startswith("+") else ", ").join(filter(None, (ctype, where)))


def _wrapped(text: str, width: int, indent: str = "  ", first: str | None = None) -> list[str]:
    """Return a text in lines of at most `width` cells. textwrap does the same, but its import takes longer."""
    lines: list[str] = []
    line, is_empty = indent if first is None else first, True
    for word in text.split(" "):
        if not is_empty and len(f"{line} {word}") > width:
            lines.append(line.rstrip())
            line, is_empty = indent, True
        if word or not is_empty:  # several blanks in a text remain, but not at the start of a line
            line += word if is_empty else f" {word}"
            is_empty = False
    return [*lines, line] if not is_empty else lines


def _labeled(labels: dict[str, str], width: int) -> Iterator[str]:
    for label, words in labels.items():
        yield from _wrapped(words, width, " " * 14, f"  {label:12}")


def listing(width: int = WIDTH) -> str:
    """List the names of all topics by kind, and the names of fields by structure."""
    lines = []
    for kind, names in _kinds():
        lines += [f"{kind}:", *_wrapped("  ".join(names), width)]
    lines.append("Pass names to `explain`, for example `explain memmap_paddr`, `explain modules[1].paddr`.")
    return "\n".join(lines) + "\n"


def _kinds() -> Iterator[tuple[str, list[str]]]:
    from itertools import groupby

    for kind, names in lookup.names_by_kind().items():
        if kind != FIELDS:
            yield kind, names
            continue
        for struct, group in groupby(names, lambda name: name.partition(".")[0]):
            yield f"fields of {struct}", [name.partition(".")[2] for name in group]
