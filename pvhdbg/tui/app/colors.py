"""The colors of each theme, with a contrast of at least 4.5:1. A color never is the only sign."""

from __future__ import annotations

import os

AUTO, DARK, LIGHT = "auto", "dark", "light"
"""`dark` and `light` are for terminals with that background."""

# The names ansi* stand for the theme's colors. `tab` is noinherit because prompt_toolkit has a class of that name.
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
    "tour": "",
    "tour.title": "bold underline",
    "tour.question": "bold ansicyan",
    "legend.key": "bold",
    "legend": "",
    "entry": "bold",
    "too-small": "bold",
}
_ATTRIBUTES = ("bold", "dim", "reverse", "noreverse", "noinherit", "underline", "italic")


_DARK = {
    "ansired": "#ff8787",
    "ansigreen": "#87d787",
    "ansiblue": "#87afff",
    "ansimagenta": "#d7afff",
    "ansicyan": "#5fd7d7",
}
_LIGHT = {
    "ansired": "#870000",
    "ansigreen": "#005f00",
    "ansiblue": "#0000af",
    "ansimagenta": "#5f0087",
    "ansicyan": "#005f5f",
}
"""Colors of the palette with 256 colors. Terminals let users change only the first 16."""
_DARK_OF_16 = {"ansigreen": "ansigreen", "ansicyan": "ansicyan"}
"""The other dark colors of a terminal with 16 colors have too little contrast on black."""
_WITH_16_COLORS = ("linux", "eterm-color")
"""The values of TERM for which prompt_toolkit uses 16 colors."""
_DARK_NUMBERS = (*range(7), 8)


def styles(theme: str) -> dict[str, str]:
    """Return the style of each class in a theme.

    If the background is not known, only reversed text is colored, because both its colors can be chosen.
    """
    chosen = background() if theme == AUTO else theme
    return {name: _themed(words, chosen) for name, words in COLORS.items()}


def background() -> str:
    """Return DARK or LIGHT if the terminal tells its background in COLORFGBG, as some do; AUTO if it does not."""
    number = os.environ.get("COLORFGBG", "").rpartition(";")[2]
    if number.isdecimal():
        return DARK if int(number) in _DARK_NUMBERS else LIGHT
    return DARK if os.environ.get("TERM") == "linux" else AUTO


def has_16_colors() -> bool:
    return os.environ.get("TERM") in _WITH_16_COLORS


def _themed(words: str, theme: str) -> str:
    """Replace the color in a style by the theme's color, or leave it out."""
    color = next((word for word in words.split() if word in _LIGHT), "")
    if not color:
        return words
    if has_16_colors():
        return f"{plain(words)} {_DARK_OF_16.get(color, '') if theme == DARK else ''}".strip()
    if theme == AUTO:
        return f"{plain(words)} {_LIGHT[color]} bg:#ffffff" if "reverse" in words.split() else plain(words)
    return words.replace(color, (_DARK if theme == DARK else _LIGHT)[color])


def use_colors() -> bool:
    """Return whether to use colors. The variable NO_COLOR turns them off (https://no-color.org)."""
    return not os.environ.get("NO_COLOR")


def plain(words: str) -> str:
    """Return a style without its colors: only bold, underline, reverse and the like."""
    return " ".join(word for word in words.split() if word in _ATTRIBUTES)
