"""The picture in the README shows what the program draws."""

from __future__ import annotations

import re
from xml.etree import ElementTree as ET

from tests.manual import screenshot
from tests.tui import screens


def test_the_picture_is_up_to_date() -> None:
    assert screenshot.svg() == screenshot.PATH.read_text(encoding="utf-8"), "run `make manual`"


def test_the_picture_contains_the_text_of_the_screen() -> None:
    picture = ET.fromstring(screenshot.svg())
    drawn = "".join("".join(text.itertext()) for text in picture.iter("{http://www.w3.org/2000/svg}text"))
    words = " ".join(screens.lines(screenshot.screen(), screenshot.SIZE))

    assert re.sub(r"\s", "", words) in re.sub(r"\s|\(gdb\)", "", drawn)
    assert screenshot.SELECTED in drawn
