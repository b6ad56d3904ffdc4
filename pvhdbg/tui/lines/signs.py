"""The characters that panes draw with, all one cell wide, and their ASCII replacements."""

from __future__ import annotations

from pvhdbg.named_tuple import NamedTuple


class Box(NamedTuple):
    """The characters of a frame."""

    across: str
    down: str
    top_left: str
    top_right: str
    bottom_left: str
    bottom_right: str
    left: str
    right: str
    top: str
    bottom: str


class Signs(NamedTuple):
    """A set of signs. `box` is the frame of the current stop, `past_box` the frame of a past stage."""

    box: Box
    past_box: Box
    cursor: str
    changed: str
    more: str
    separator: str
    caret: str
    current: str
    breakpoint: str
    enter: str
    link: str
    slider: str
    to: str
    runs: dict[str, str]
    stages: dict[str, str]
    findings: dict[str, str]


UNICODE = Signs(
    box=Box(*"─│┌┐└┘├┤┬┴"),
    past_box=Box(*"═║╔╗╚╝╠╣╦╩"),
    cursor="▸",
    changed="*",
    more="…",
    separator="│",
    caret="▏",
    current="▶",
    breakpoint="●",
    enter="└",
    link="─",
    slider="◆",
    to="→",
    runs={"starting": "…", "running": "▶", "stopped": "■", "dead": "✖", "ended": "□", "recording": "◌"},
    stages={"passed": "●", "here": "◉", "ahead": "○", "lacking": "−", "missed": "◌", "undone": "◇"},  # noqa: RUF001
    findings={"error": "✖", "warning": "▲", "info": "ℹ"},  # noqa: RUF001
)
ASCII = Signs(
    box=Box(*"-|++++++++"),
    past_box=Box(*"=:########"),
    cursor=">",
    changed="*",
    more="~",
    separator="|",
    caret="_",
    current=">",
    breakpoint="o",
    enter="`",
    link="-",
    slider="#",
    to="->",
    runs={"starting": ".", "running": ">", "stopped": "#", "dead": "X", "ended": "-", "recording": "o"},
    stages={"passed": "*", "here": "@", "ahead": "o", "lacking": "-", "missed": ".", "undone": "u"},
    findings={"error": "X", "warning": "!", "info": "i"},
)


def signs(ascii: bool) -> Signs:  # noqa: A002  the name of the option
    return ASCII if ascii else UNICODE
