"""The palette: the terminal's own colors, readable on a dark or light background. A color never is the only sign."""

from __future__ import annotations

import os

# ansi* are the terminal's own sixteen colors. Blue is used only reversed, because it is hard to read on black. Yellow,
# white and the bright colors are not used, because they are hard to read on white; nor is black, a common background.
# `tab` is noinherit because prompt_toolkit has a class of that name.
COLORS = {
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
    "stage.died": "bold reverse ansired",
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
    "old": "dim",
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
    "code.comment": "italic",
    "code.keyword": "bold",
    "code.string": "ansigreen",
    "code.number": "ansimagenta",
    "code.register": "",
    "code.name": "",
    "code.note": "italic",
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
    "link": "bold underline",
    "legend.key": "bold",
    "legend": "",
    "entry": "bold",
    "too-small": "bold",
}
_ATTRIBUTES = ("bold", "dim", "reverse", "noreverse", "noinherit", "underline", "italic")


def use_colors() -> bool:
    """Return whether to use colors. The variable NO_COLOR turns them off (https://no-color.org)."""
    return not os.environ.get("NO_COLOR")


def plain(words: str) -> str:
    """Return a style without its colors: only bold, underline, reverse and the like."""
    return " ".join(word for word in words.split() if word in _ATTRIBUTES)
