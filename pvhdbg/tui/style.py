"""The only colours. Sixteen of them, readable on dark and on light; every one has a sign beside it in the panes."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from prompt_toolkit.styles import BaseStyle

# ansi* names are the terminal's own sixteen: its user has already made them readable.
COLOURS = {
    "title": "bold",
}


def style() -> BaseStyle:
    """The colours, or with NO_COLOR set (https://no-color.org) only weight, underline and reverse."""
    from prompt_toolkit.styles import Style

    colours = COLOURS if not os.environ.get("NO_COLOR") else {name: _plain(each) for name, each in COLOURS.items()}
    return Style.from_dict(colours)


def _plain(words: str) -> str:
    return " ".join(word for word in words.split() if word in ("bold", "reverse", "underline", "italic"))
