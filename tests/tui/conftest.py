"""No test of the screen uses the user's history or NO_COLOR."""

from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def history(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the path of the prompt's history file."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    monkeypatch.delenv("NO_COLOR", raising=False)
    return tmp_path / "pvhdbg" / "history"
