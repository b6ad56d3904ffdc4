"""Explanations as text, and the list of all that can be explained."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING

from pvhdbg.abi.text import printable
from pvhdbg.views.explain import lookup
from pvhdbg.views.explain.topics import FIELDS
from pvhdbg.views.rows import text

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pvhdbg.views.explain.topics import Explanation

WIDTH = 100
_IN_FULL = 2


def answer(name: str, width: int = WIDTH) -> str:
    """The explanation of a name; where more than two things are called that, each in short.

    :raise UserError: if nothing is.
    """
    found = lookup.explain(name)
    if len(found) > _IN_FULL:
        return "\n".join(_several(name, found)) + "\n"
    return "\n\n".join("\n".join(whole(each, width)) for each in found) + "\n"


def whole(of: Explanation, width: int = WIDTH) -> list[str]:
    """Everything about one thing."""
    lines = [f"{of.title}   {_joined(of.ctype, of.where)}".rstrip()]
    lines += _wrapped(of.meaning, width)
    for each in of.more:
        lines += _wrapped(each, width)
    lines += _labelled({"written by": of.written_by, "read by": of.read_by, "source": of.source}, width)
    return [*lines, *text.columns(of.values, indent=2)]


def short(of: Explanation) -> tuple[str, str, str]:
    """Title, place and meaning, for a table."""
    return of.title, _joined(of.ctype, of.where), of.meaning or of.more[0].partition(".")[0].partition(":")[0]


def _several(name: str, found: Sequence[Explanation]) -> list[str]:
    return [
        f"{len(found)} things are called {printable(name)}:",
        *text.columns([short(each) for each in found]),
        f"Ask for one by all of its name, as in `explain {found[0].title}`.",
    ]


def _joined(ctype: str, where: str) -> str:
    return (" at " if where.startswith("+") else ", ").join(filter(None, (ctype, where)))


def _wrapped(words: str, width: int, indent: str = "  ", first: str | None = None) -> list[str]:
    from textwrap import wrap

    return wrap(words, width, initial_indent=first or indent, subsequent_indent=indent, break_on_hyphens=False)


def _labelled(labels: dict[str, str], width: int) -> Iterator[str]:
    for label, words in labels.items():
        yield from _wrapped(words, width, " " * 14, f"  {label:12}")


def listing(width: int = WIDTH) -> str:
    """The names of all that can be explained, by kind; fields by their structure."""
    lines = []
    for kind, names in _kinds():
        lines += [f"{kind}:", *_wrapped("  ".join(names), width)]
    lines.append("A field's own name is enough, and so is a path such as hdr.version or modules[1].paddr.")
    return "\n".join(lines) + "\n"


def _kinds() -> Iterator[tuple[str, list[str]]]:
    for kind, names in lookup.listed().items():
        if kind != FIELDS:
            yield kind, names
            continue
        for struct, group in groupby(names, lambda name: name.partition(".")[0]):
            yield f"fields of {struct}", [name.partition(".")[2] for name in group]
