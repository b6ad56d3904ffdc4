"""Tests of the files in which pvhdbg remembers something about its user."""

import os
from pathlib import Path

import pytest

from pvhdbg import state_files


@pytest.fixture(autouse=True)
def _own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))


def test_values_are_kept() -> None:
    assert {} == state_files.load("tour")

    state_files.save("tour", {"place": "a", "seen": [1, 2]})

    assert {"place": "a", "seen": [1, 2]} == state_files.load("tour")
    assert {} == state_files.load("labs")
    assert ["tour.json"] == [path.name for path in state_files.folder().iterdir()]


@pytest.mark.parametrize("content", [b"", b"{", b"\xff", b"[1]", b"null", b"[" * 60000, b'{"a": "' + b"x" * 70000])
def test_a_damaged_file_counts_as_empty(content: bytes) -> None:
    state_files.folder().mkdir()
    (state_files.folder() / "tour.json").write_bytes(content)

    assert {} == state_files.load("tour")


def test_a_folder_that_cannot_be_written_is_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("XDG_STATE_HOME")
    monkeypatch.setenv("HOME", "/nonexistent")

    state_files.save("tour", {"place": "a"})

    assert {} == state_files.load("tour")
    assert not os.path.lexists("/nonexistent")


def test_a_fifo_counts_as_empty() -> None:
    state_files.folder().mkdir()
    os.mkfifo(state_files.folder() / "tour.json")

    assert {} == state_files.load("tour")


def test_a_directory_in_place_of_the_file_is_no_error_and_nothing_is_left() -> None:
    (state_files.folder() / "tour.json").mkdir(parents=True)

    state_files.save("tour", {"place": "a"})

    assert {} == state_files.load("tour")
    assert ["tour.json"] == [path.name for path in state_files.folder().iterdir()]
