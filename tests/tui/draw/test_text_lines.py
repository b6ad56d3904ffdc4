"""Lines of text are wrapped between words, and all lines of a short text are visible."""

from __future__ import annotations

import pytest

from pvhdbg.tui.draw import text_lines
from pvhdbg.tui.draw.frame import sized
from pvhdbg.tui.draw.layout import BELOW
from pvhdbg.tui.screen.state import Log
from tests.tui.screens import at, lines

LINE = "[    0.000000] BIOS-e820: [mem 0x00000000000f0000-0x00000000000fffff] reserved by the firmware"


@pytest.mark.parametrize("width", [40, 62, 70, 78])
def test_a_line_is_wrapped_at_a_space_and_nothing_is_lost(width: int) -> None:
    folded = text_lines.wrapped(at("prepare"), (LINE, "x" * 200), None, width, 20)
    end = next(index for index, line in enumerate(folded) if line.startswith("xx"))

    assert LINE.split() == " ".join(folded[:end]).split()
    assert "x" * 200 == "".join(folded[end:])
    assert max(map(len, folded)) <= width


@pytest.mark.parametrize("size", [(100, 30), (120, 40), (200, 60)])
def test_the_first_line_of_a_short_log_is_visible_even_if_others_are_wrapped(size: tuple[int, int]) -> None:
    log = Log(("the first line", *(f"{number} {LINE} {LINE}" for number in range(3))))
    screen = sized(at("prepare", "log", log=log, focus="view"), size[0], size[1] - BELOW)

    assert any("the first line" in line for line in lines(screen, size))
