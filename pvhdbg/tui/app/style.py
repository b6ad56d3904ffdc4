"""The colours as prompt_toolkit takes them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prompt_toolkit.output import ColorDepth
from prompt_toolkit.styles import Attrs, Style

from pvhdbg.tui.app.colors import COLOURS, colours, plain

if TYPE_CHECKING:
    from prompt_toolkit.styles import BaseStyle

_LINE_EDITING = {
    "completion-menu": "noreverse",
    "completion-menu.completion": "bg:default fg:default reverse",
    "completion-menu.completion.current": "bg:default fg:default noreverse bold underline",
    "completion-menu.meta.completion": "bg:default fg:default reverse",
    "completion-menu.meta.completion.current": "bg:default fg:default noreverse",
    "scrollbar.background": "bg:default reverse",
    "scrollbar.button": "bg:default noreverse",
    "search": "bold",
    "search.current": "bold reverse",
    "incsearch": "bold",
    "incsearch.current": "bold reverse",
}
"""Classes of prompt_toolkit's own: its defaults are colours for a dark terminal."""


def depth() -> ColorDepth | None:
    """None: as the terminal says."""
    return None if colours() else ColorDepth.DEPTH_1_BIT


def style() -> BaseStyle:
    """The colours, or with NO_COLOR set only weight, underline and reverse."""
    found = {**COLOURS, **_LINE_EDITING}
    if not colours():
        found = {name: plain(words) for name, words in found.items()}
    if "dim" not in Attrs._fields:  # older prompt_toolkits know none
        found = {name: words.replace("dim", "italic") for name, words in found.items()}
    return Style.from_dict(found)
