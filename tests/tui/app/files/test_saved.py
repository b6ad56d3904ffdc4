"""S saves the screen as text or as a picture."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from pvhdbg.tui.app.files import saved
from tests.tui.apps import SIZES, show


@pytest.mark.parametrize("is_ascii", [False, True])
@pytest.mark.parametrize("size", SIZES)
def test_the_saved_text_is_the_screen(
    size: tuple[int, int], is_ascii: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with show(size, ascii=is_ascii) as tui:
        before = tui.wait("F1 help").splitlines()
        tui.keys("S")
        tui.wait("save to pvhdbg-prepare-start_info.svg")
        tui.keys("Ctrl-U", "screen.txt", "Enter")
        tui.wait("saved: screen.txt")

    assert [line.rstrip() for line in before] == (tmp_path / "screen.txt").read_text(encoding="utf-8").splitlines()


def test_the_saved_picture_has_the_text_of_the_screen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with show() as tui:
        tui.keys("S", "Enter")
        tui.wait("saved: pvhdbg-prepare-start_info.svg")

    picture = ET.fromstring((tmp_path / "pvhdbg-prepare-start_info.svg").read_text(encoding="utf-8"))
    drawn = "".join("".join(text.itertext()) for text in picture.iter("{http://www.w3.org/2000/svg}text"))

    assert "0x336ec578" in drawn
    assert "pvh_start_info at" in drawn


@pytest.mark.parametrize(("no_color", "colors"), [("", True), ("1", False)])
def test_the_picture_has_colors_only_if_the_screen_has(
    no_color: str, colors: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("NO_COLOR", no_color)
    with show() as tui:
        tui.keys("S", "Enter")
        tui.wait("saved: pvhdbg-prepare-start_info.svg")

    picture = ET.fromstring((tmp_path / "pvhdbg-prepare-start_info.svg").read_text(encoding="utf-8"))
    fills = {item.get("fill") for item in picture.iter()} - {None, saved._FOREGROUND, saved._BACKGROUND}

    assert colors == bool(fills)


def test_a_file_is_never_overwritten_and_an_error_is_one_message(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "old.txt").write_text("old")
    with show() as tui:
        tui.keys("S", "Ctrl-U", "old.txt", "Enter")
        tui.wait("old.txt: file exists")
        tui.keys("S", "Ctrl-U", "none/new.txt", "Enter")
        tui.wait("none/new.txt: No such file or directory")
        tui.keys("S", "Esc")
        tui.until(lambda: tui.screen.entry is None)

    assert "old" == (tmp_path / "old.txt").read_text()
    assert ["old.txt"] == sorted(path.name for path in tmp_path.iterdir() if path.is_file())
