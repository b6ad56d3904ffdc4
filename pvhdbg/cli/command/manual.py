"""`pvhdbg manual [PAGE]`: show a page of the manual."""

from __future__ import annotations

import re
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING

import pvhdbg
from pvhdbg.abi.text import printable
from pvhdbg.cli.result import Result
from pvhdbg.errors import UserError

if TYPE_CHECKING:
    import argparse

PAGES_DIR = Path(pvhdbg.__file__).parent / "manual"
_COMMENT = re.compile(r"^<!--.*-->\n", re.MULTILINE)
_PICTURE = re.compile(r"^!\[.*\]\(.*\)\n\n?", re.MULTILINE)
_LINK = re.compile(r"\[([^\]]+)\]\(([\w-]+)\.md(?:#[\w-]+)?\)")


def manual(options: argparse.Namespace) -> Result:
    """Return the page, to be shown through a pager on a terminal.

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
    """Return a page as it reads in a terminal: without pictures and comments, links as the command to type."""
    text = _PICTURE.sub("", _COMMENT.sub("", markdown))
    return _LINK.sub(r"\1 (pvhdbg manual \2)", text)
