"""`pvhdbg picture`: pictures of recordings and of kernels, as files and as text."""

from __future__ import annotations

from pathlib import Path

import pytest

from pvhdbg.views.pictures.table import PICTURES
from tests.cli.shell import pvhdbg
from tests.paths import RECORDINGS_DIR

RECORDING = RECORDINGS_DIR / "teaching-guest.json"
BEGINNINGS = {".svg": "<svg ", ".html": "<!DOCTYPE html>", ".txt": "Memory to scale"}


@pytest.mark.parametrize("ending", BEGINNINGS)
def test_the_ending_of_the_file_chooses_the_form(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"memory{ending}"
    done = pvhdbg("picture", "memory", RECORDING, "-o", path)

    assert (0, "", "") == (done.status, done.out, done.err)
    assert path.read_text("utf-8").startswith(BEGINNINGS[ending])


IN_TEXT = {"paging": "0x1003ff8", "segments": "selectors at entry", "who": "record with: pvhdbg who --all"}


@pytest.mark.parametrize("name", PICTURES)
def test_without_a_file_the_picture_is_printed_as_text(name: str) -> None:
    done = pvhdbg("picture", name, RECORDING, "--ascii")

    assert (0, "") == (done.status, done.err)
    assert done.out.isascii()
    assert IN_TEXT.get(name, "start_info") in done.out


def test_another_ending_is_refused_before_anything_starts(tmp_path: Path) -> None:
    done = pvhdbg("picture", "memory", "-o", tmp_path / "memory.png")

    assert (2, "", []) == (done.status, done.out, list(tmp_path.iterdir()))
    error = f"pvhdbg: error: {tmp_path / 'memory.png'}: the name of the file must end in .svg, .html or .txt"
    assert done.err.startswith(error)


def test_a_kernel_is_booted_for_its_picture(tmp_path: Path) -> None:
    path = tmp_path / "handover.svg"
    done = pvhdbg("picture", "handover", "-o", path, "--append", "drawn=<&>")

    assert (0, "") == (done.status, done.out)
    assert '"drawn=&lt;&amp;&gt;"' in path.read_text("utf-8")
