"""`pvhdbg report`: a recording as a web page."""

from __future__ import annotations

from pathlib import Path

from tests.cli.shell import pvhdbg
from tests.paths import RECORDINGS_DIR

RECORDING = RECORDINGS_DIR / "teaching-guest.json"


def test_a_recording_becomes_one_page(tmp_path: Path) -> None:
    path = tmp_path / "boot.html"
    done = pvhdbg("report", RECORDING, "-o", path)

    assert (0, "", "") == (done.status, done.out, done.err)
    assert "<title>Boot report: teaching-guest.elf</title>" in path.read_text("utf-8")


def test_another_ending_is_refused(tmp_path: Path) -> None:
    done = pvhdbg("report", RECORDING, "-o", tmp_path / "boot.pdf")

    assert (2, "", []) == (done.status, done.out, list(tmp_path.iterdir()))
    assert done.err.startswith(f"pvhdbg: error: {tmp_path / 'boot.pdf'}: the name of the file must end in .html")
