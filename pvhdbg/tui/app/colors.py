"""The only colours. Sixteen of them, readable on dark and on light; every one has a sign beside it in the panes."""

from __future__ import annotations

import os

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
_PLAIN = ("bold", "dim", "reverse", "noreverse", "noinherit", "underline", "italic")


def colours() -> bool:
    """Whether there may be any: not with NO_COLOR set (https://no-color.org)."""
    return not os.environ.get("NO_COLOR")


def plain(words: str) -> str:
    """A style's weight, underline and reverse alone."""
    return " ".join(word for word in words.split() if word in _PLAIN)
