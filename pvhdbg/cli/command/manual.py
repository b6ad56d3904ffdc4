"""`pvhdbg manual [PAGE]`: show a page of the manual."""

from __future__ import annotations

import re
from difflib import get_close_matches
from itertools import zip_longest
from pathlib import Path
from shutil import get_terminal_size
from textwrap import fill, wrap
from typing import TYPE_CHECKING

import pvhdbg
from pvhdbg.abi.text import printable
from pvhdbg.cli.result import Result
from pvhdbg.errors import UserError
from pvhdbg.lazy_pattern import pattern

if TYPE_CHECKING:
    import argparse

PAGES_DIR = Path(pvhdbg.__file__).parent / "manual"
_COMMENT = pattern(r"^<!--.*-->\n", re.MULTILINE)
_PICTURE = pattern(r"^!\[.*\]\(.*\)\n\n?", re.MULTILINE)
_TABLE = pattern(r"^\|.*\|\n\|[-| ]*\|\n(?:^\|.*\|\n)*", re.MULTILINE)
_BAR = pattern(r"(?<!\\)\|")
_WIDTH, _NARROWEST = 100, 24
_MARK = r"(?:-|\d{1,2}\.) "
_LINK = pattern(r"\[([^\]]+)\]\(([\w-]+)\.md(?:#[\w-]+)?\)")


def manual(options: argparse.Namespace) -> Result:
    """Return the page as text, which is shown in a pager on a terminal.

    :raise UserError: if there is no such page.
    """
    names = pages()
    if options.page not in names:
        near = get_close_matches(options.page, names)
        hint = f"did you mean `{near[0]}`?" if near else f"use one of {', '.join(names)}"
        raise UserError(f'no such page of the manual: "{printable(options.page)}"', hint)
    return Result(as_text((PAGES_DIR / f"{options.page}.md").read_text(encoding="utf-8")), is_paged=True)


def pages() -> list[str]:
    """Return the names of the pages, the index first."""
    return sorted((path.stem for path in PAGES_DIR.glob("*.md")), key=lambda name: (name != "index", name))


def as_text(markdown: str) -> str:
    """Return a page as plain text: tables aligned, pictures removed, each link replaced by the command to type."""
    text = _PICTURE.sub("", _COMMENT.sub("", markdown))
    blocks = (_as_text(block) for block in text.strip("\n").split("\n\n"))
    return "\n\n".join(blocks) + "\n"


def _as_text(block: str) -> str:
    """Return a paragraph, list or table as lines of at most the terminal's width; code stays as it is."""
    if block.startswith("    "):
        return block
    if _TABLE.match(f"{block}\n"):
        return _aligned(block.splitlines()).rstrip("\n")
    text = _LINK.sub(r"\1 (pvhdbg manual \2)", block)
    return "\n".join(_filled(item) for item in re.split(rf"\n(?={_MARK})", text))


def _filled(item: str) -> str:
    """Return a paragraph, or an item of a list, in lines. The lines below the mark of an item are indented."""
    mark = re.match(rf"{_MARK}| +", item)
    indent = " " * len(mark[0]) if mark else ""
    first = indent if item.startswith(" ") else ""
    words = " ".join(item.split())
    return fill(words, width(), initial_indent=first, subsequent_indent=indent, break_on_hyphens=False)


def width() -> int:
    """Return the number of columns for text: those of the terminal, but not more than are comfortable to read."""
    return min(_WIDTH, get_terminal_size().columns)


def _aligned(lines: list[str]) -> str:
    """Return the lines of a Markdown table in columns or, if they don't fit, as a list. `<br>` begins a line in a cell.

    The last column is wrapped first, then the others.
    """
    header, _, *body = ([_cell(cell) for cell in _BAR.split(line.strip()[1:-1])] for line in lines)
    columns = [[line for row in (header, *body) for line in row[index]] for index in range(len(header))]
    widths = _fitting([max(map(len, column)) for column in columns], list(map(_longest_word, columns)))
    if widths is None:
        return "\n".join(_listed(header, row) for row in body)
    rows = [header, [["-" * width] for width in widths], *body]
    return "".join(_row(row, widths) for row in rows)


def _longest_word(lines: list[str]) -> int:
    return max((len(word) for line in lines for word in line.split()), default=0)


def _fitting(widths: list[int], least: list[int]) -> list[int] | None:
    """Make columns narrower, but not narrower than their longest words, until a line fits; None if it can't fit."""
    room = width() - 2 * len(widths)
    widths[-1] = min(widths[-1], max(_NARROWEST, room - sum(widths[:-1])))
    while sum(widths) > room:
        spare = [have - need for have, need in zip(widths, least, strict=True)]
        if max(spare) <= 0:
            return None
        widest = max((index for index, more in enumerate(spare) if more > 0), key=widths.__getitem__)
        widths[widest] -= 1
    return widths


def _listed(header: list[list[str]], row: list[list[str]]) -> str:
    """Return a row of a table as an item of a list: its first cell, and below it the others with their names."""
    items = [f"{' '.join(name)}: {' '.join(cell)}" for name, cell in zip(header[1:], row[1:], strict=True)]
    texts = (fill(item, width(), initial_indent="    ", subsequent_indent="      ") for item in items)
    return "".join(f"{line}\n" for line in (f"  {' '.join(row[0])}", *texts))


def _cell(text: str) -> list[str]:
    return _LINK.sub(r"\1", text.strip()).replace("\\|", "|").split("<br>")


def _row(cells: list[list[str]], widths: list[int]) -> str:
    wrapped = (
        [part for line in cell for part in wrap(line, width) or [""]] for cell, width in zip(cells, widths, strict=True)
    )
    lines = zip_longest(*wrapped, fillvalue="")
    columns = ("  ".join(f"{part:{width}}" for part, width in zip(line, widths, strict=True)) for line in lines)
    return "".join(f"  {line}".rstrip() + "\n" for line in columns)
