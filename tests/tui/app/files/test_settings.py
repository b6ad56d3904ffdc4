"""What the screen remembers between sessions."""

from __future__ import annotations

from pathlib import Path

import pytest

from pvhdbg import state_files
from pvhdbg.tui.app.files import settings
from pvhdbg.tui.app.files.settings import Settings


def test_settings_are_kept() -> None:
    assert Settings() == settings.load()

    settings.save(Settings(mouse=False, zoomed=True))

    assert Settings(mouse=False, zoomed=True) == settings.load()
    assert ["screen.json"] == [path.name for path in state_files.folder().iterdir()]


@pytest.mark.parametrize("content", [b"", b"[]", b"{", b"\xff", b'{"mouse": 3}', b"[" * 5000, b"null", b'{"other": 1}'])
def test_a_damaged_file_counts_as_missing(content: bytes) -> None:
    state_files.folder().mkdir(parents=True)
    (state_files.folder() / "screen.json").write_bytes(content)

    assert Settings() == settings.load()


def test_a_folder_that_cannot_be_written_is_not_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "file"))
    settings.save(Settings(mouse=False))

    assert Settings() == settings.load()
