"""Wrap the paragraphs and lists of README and CONTRIBUTING at one width: python -m tests.manual.wrap."""

from __future__ import annotations

import re
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

REPOSITORY = Path(__file__).parents[2]
PAGES = [REPOSITORY / "README.md", REPOSITORY / ".github" / "CONTRIBUTING.md"]
"""The pages that people read as they are; `pvhdbg manual` shows the others."""
WIDTH = 140
_SPACE = "\uffff"
_ITEM = re.compile(r"(?:-|\d+\.) ")
_UNBROKEN = re.compile(r"`[^`]+`|\[[^]]+\]\([^)]+\)")
"""Code and links, which stay on one line."""
_NOT_PROSE = re.compile(r"[|#<!]|    |```")


def wrapped(page: str) -> str:
    """Return a page whose lines of prose are as long as WIDTH allows. Tables, headings and code stay as they are."""
    return "".join(f"{line}\n" for block in _blocks(page.splitlines()) for line in _lines(block))


def _blocks(lines: list[str]) -> Iterator[list[str]]:
    """Yield paragraphs and list items, and each other line by itself."""
    block: list[str] = []
    for line in lines:
        is_prose = bool(line) and not (_NOT_PROSE.match(line) and not (block and line.startswith(" ")))
        if block and (not is_prose or _ITEM.match(line)):
            yield block
            block = []
        if is_prose:
            block.append(line)
        else:
            yield [line]
    if block:
        yield block


def _lines(block: list[str]) -> list[str]:
    if not block[0] or _NOT_PROSE.match(block[0]):
        return block
    item = _ITEM.match(block[0])
    indent = " " * len(item[0]) if item else ""
    text = _UNBROKEN.sub(lambda match: match[0].replace(" ", _SPACE), " ".join(line.strip() for line in block))
    lines = textwrap.wrap(text, WIDTH, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False)
    return [line.replace(_SPACE, " ") for line in lines]


def main() -> None:
    for page in PAGES:
        page.write_text(wrapped(page.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main()
