"""The only colours. Sixteen of them, readable on dark and on light; every one has a sign beside it in the panes."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from prompt_toolkit.output import ColorDepth
from prompt_toolkit.styles import Attrs, Style

if TYPE_CHECKING:
    from prompt_toolkit.styles import BaseStyle

# Older prompt_toolkits know no `dim`.
_DIM = "dim" if "dim" in Attrs._fields else "italic"

# ansi* names are the terminal's own sixteen. What reads badly on black (blue) is reversed, what does on white (yellow,
# the whites and the bright ones) or what may be the background itself (black) is not used at all.
# prompt_toolkit has a `tab` of its own.
COLOURS = {
    "title": "bold",
    "state.kernel": "",
    "state.cpu": "",
    "state.symbols": "ansimagenta",
    "run.starting": "bold",
    "run.running": "bold ansigreen",
    "run.stopped": "bold reverse ansiblue",
    "run.dead": "bold reverse ansired",
    "run.ended": "bold",
    "run.recording": "bold ansimagenta",
    "stage.passed": "ansigreen",
    "stage.here": "bold reverse ansigreen",
    "stage.ahead": "",
    "stage.lacking": "italic",
    "stage.past": "bold underline",
    "border": "",
    "border.focus": "bold ansigreen",
    "border.past": "bold ansimagenta",
    "tab": "noinherit",
    "tab.chosen": "bold reverse",
    "pane.title": "bold",
    "heading": "bold",
    "past": "bold reverse ansimagenta",
    "section": "bold",
    "old": _DIM,
    "empty": "italic",
    "selected": "reverse",
    "cursor": "underline",
    "changed": "bold ansired",
    "offset": "ansimagenta",
    "name": "",
    "value": "bold",
    "meaning": "",
    "missing": "italic",
    "finding.error": "bold reverse ansired",
    "finding.warning": "bold ansired",
    "finding.info": "bold",
    "memory.ram": "ansigreen",
    "memory.reserved": "ansired",
    "memory.acpi": "ansicyan",
    "memory.persistent": "ansimagenta",
    "memory.bad": "bold ansired",
    "memory.unknown": "bold ansimagenta",
    "memory.overlap": "bold reverse ansired",
    "memory.gap": "",
    "memory.scale": "",
    "memory.mark": "bold",
    "code.current": "bold ansigreen",
    "code.breakpoint": "bold ansired",
    "address": "ansimagenta",
    "bytes": "",
    "bytes.selected": "bold reverse",
    "bytes.text": "",
    "detail": "",
    "detail.name": "bold",
    "output": "",
    "output.command": "bold",
    "serial": "",
    "message": "bold reverse",
    "queued": "bold ansimagenta",
    "popup": "reverse",
    "popup.title": "bold reverse",
    "legend.key": "bold",
    "legend": "",
    "entry": "bold",
    "too-small": "bold",
}
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
_PLAIN = ("bold", "dim", "reverse", "noreverse", "noinherit", "underline", "italic")


def depth() -> ColorDepth | None:
    """None: as the terminal says."""
    return ColorDepth.DEPTH_1_BIT if os.environ.get("NO_COLOR") else None


def style() -> BaseStyle:
    """The colours, or with NO_COLOR set (https://no-color.org) only weight, underline and reverse."""
    colours = {**COLOURS, **_LINE_EDITING}
    return Style.from_dict(_without_colours(colours) if os.environ.get("NO_COLOR") else colours)


def _without_colours(colours: dict[str, str]) -> dict[str, str]:
    return {name: " ".join(word for word in words.split() if word in _PLAIN) for name, words in colours.items()}
