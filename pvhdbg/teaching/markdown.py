"""The part of Markdown that tour and labs use: paragraphs, lists, blocks of code, `code`, **bold**, and *stress*."""

from __future__ import annotations

from textwrap import wrap
from typing import TYPE_CHECKING

from pvhdbg.lazy_pattern import pattern
from pvhdbg.named_tuple import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

PARAGRAPH, ITEM, CODE = "paragraph", "item", "code"
PLAIN, LITERAL, BOLD, STRESS = "plain", "literal", "bold", "stress"
_SPAN = pattern(r"`([^`]+)`|\*\*([^*]+)\*\*|\*([^*\s][^*]*)\*")
_ITEM = pattern(r"(-|\d{1,2}\.) +")
_INDENT = "    "
_FENCE = "```"
_LEAST_WIDTH = 16


class Block(NamedTuple):
    """A paragraph or an item of a list, as one line without line breaks, or the lines of a block of code.

    `mark` is what is in front of an item: a dash, or its number.
    """

    kind: str
    text: str
    mark: str = ""


class Span(NamedTuple):
    """A piece of a paragraph."""

    kind: str
    text: str


def blocks(text: str) -> list[Block]:
    """Return the blocks of a text."""
    found: list[Block] = []
    lines = text.split("\n")
    at, last = 0, len(lines)
    while at < last:
        if lines[at].startswith(_FENCE):
            end = next((index for index in range(at + 1, last) if lines[index].startswith(_FENCE)), last)
            found.append(Block(CODE, "\n".join(lines[at + 1 : end])))
            at = end + 1
            continue
        end = next((index for index in range(at, last) if not lines[index] or lines[index].startswith(_FENCE)), last)
        found += _blocks(lines[at:end])
        at = end + (1 if end < last and not lines[end] else 0)
    return found


def _blocks(lines: list[str]) -> Iterator[Block]:
    """Yield the blocks of lines without an empty line between them."""
    if lines and all(line.startswith(_INDENT) for line in lines):
        yield Block(CODE, "\n".join(line.removeprefix(_INDENT) for line in lines))
        return
    parts: list[list[str]] = []
    for line in lines:
        if not parts or _ITEM.match(line):
            parts.append([])
        parts[-1].append(line.strip())
    for part in parts:
        joined = " ".join(part)
        mark = _ITEM.match(joined)
        yield Block(ITEM, joined[mark.end() :], mark[1]) if mark else Block(PARAGRAPH, joined)


def spans(text: str) -> list[Span]:
    """Return the pieces of a paragraph."""
    found, at = [], 0
    for match in _SPAN.finditer(text):
        found.append(Span(PLAIN, text[at : match.start()]))
        kind = {1: LITERAL, 2: BOLD, 3: STRESS}[match.lastindex or 1]
        found.append(Span(kind, match[match.lastindex or 1]))
        at = match.end()
    return [span for span in (*found, Span(PLAIN, text[at:])) if span.text]


def plain(text: str, width: int) -> list[str]:
    """Return a text in lines of at most `width` characters, with an empty line between blocks.

    Blocks of code are not wrapped. Code in a paragraph keeps its backquotes, which say where a command begins and ends.
    """
    lines: list[str] = []
    before = ""
    for block in blocks(text):
        if lines and not before == block.kind == ITEM:
            lines.append("")
        lines += _plain(block, max(width, _LEAST_WIDTH))
        before = block.kind
    return lines


def _plain(block: Block, width: int) -> list[str]:
    if block.kind == CODE:
        return [f"  {line}".rstrip() for line in block.text.split("\n")]
    words = "".join(f"`{span.text}`" if span.kind == LITERAL else span.text for span in spans(block.text))
    if block.kind == ITEM:
        indent = " " * (len(block.mark) + 1)
        return wrap(words, width, initial_indent=f"{block.mark} ", subsequent_indent=indent)
    return wrap(words, width)
