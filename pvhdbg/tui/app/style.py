"""The styles in prompt_toolkit's format."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prompt_toolkit.output import ColorDepth
from prompt_toolkit.styles import Attrs, Style

from pvhdbg.tui.app import colors
from pvhdbg.tui.app.colors import AUTO, has_16_colors, plain, use_colors

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
"""prompt_toolkit's own classes. Their default colors suit only a dark terminal."""


def depth() -> ColorDepth:
    """Return one bit if colors are off, otherwise 16 or 256 colors."""
    if not use_colors():
        return ColorDepth.DEPTH_1_BIT
    return ColorDepth.DEPTH_4_BIT if has_16_colors() else ColorDepth.DEPTH_8_BIT


def style(theme: str = AUTO) -> BaseStyle:
    """Return the styles; with NO_COLOR set, without colors."""
    styles = {**colors.styles(theme), **_LINE_EDITING}
    if not use_colors():
        styles = {name: plain(words) for name, words in styles.items()}
    if "dim" not in Attrs._fields:  # an older prompt_toolkit
        styles = {name: words.replace("dim", "italic") for name, words in styles.items()}
    return Style.from_dict(styles)
