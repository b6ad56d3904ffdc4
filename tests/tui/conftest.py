"""No test of the screen touches the user's own history, or is drawn as the user likes it."""

from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def history(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    monkeypatch.delenv("NO_COLOR", raising=False)
    return tmp_path / "pvhdbg" / "history"
