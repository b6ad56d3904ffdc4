"""No test of the screen uses the user's history or NO_COLOR. All of them check what is kept of a frame."""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from pvhdbg.tui.screen import kept
from tests.tui import tmux
from tests.tui.guarded import draw_guarded
from tests.tui.tmux import Shell, Start


@pytest.fixture(autouse=True)
def history(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the path of the prompt's history file."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    monkeypatch.delenv("NO_COLOR", raising=False)
    return tmp_path / "pvhdbg" / "history"


@pytest.fixture(autouse=True)
def guarded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept, "draw_unread", draw_guarded)


@pytest.fixture
def at_prepare(tmp_path: Path) -> Iterator[Start]:
    """Return a function that starts pvhdbg and waits until the guest is at `prepare` and the symbols are loaded."""
    with ExitStack() as stack:

        def start(*words: str, size: tuple[int, int] = (100, 32)) -> Shell:
            shell = stack.enter_context(tmux.shell(tmp_path, size))
            shell.start(*words)
            shell.wait("stopped at prepare")
            shell.wait("\n(gdb)\n")
            return shell

        yield start
