"""On a terminal, a wait that is long says what for, and leaves nothing of it."""

from __future__ import annotations

import os
import pty
import threading
from contextlib import redirect_stderr
from typing import TYPE_CHECKING

import pytest

from pvhdbg.cli import main
from pvhdbg.cli import progress as shown_by
from pvhdbg.cli.progress import shown
from tests.cli.shell import wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager
    from pathlib import Path


class Screen:
    """A terminal for standard error, and what was written to it."""

    def __init__(self) -> None:
        self.reader, self.writer = pty.openpty()
        os.set_blocking(self.reader, False)
        self._stream = open(self.writer, "w", closefd=False, encoding="ascii")  # noqa: SIM115  a descriptor
        self.told = ""

    def close(self) -> None:
        self._stream.close()
        os.close(self.reader)
        os.close(self.writer)

    def here(self) -> AbstractContextManager[object]:
        """Within, standard error is this terminal. pytest sets its own before each test, so no fixture can do it."""
        return redirect_stderr(self._stream)

    def read(self) -> str:
        try:
            while part := os.read(self.reader, 4096):
                self.told += part.decode()
        except OSError:  # nothing for now
            pass
        return self.told


@pytest.fixture
def screen() -> Iterator[Screen]:
    made = Screen()
    yield made
    made.close()


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shown_by, "PATIENCE", 0.01)
    monkeypatch.setattr(shown_by, "PACE", 0.01)


def test_after_a_while_it_is_said_what_is_waited_for_and_then_it_is_gone(screen: Screen) -> None:
    with screen.here(), shown("the first thing") as what:
        wait_for(lambda: "the first thing" in screen.read(), 60)
        what.what = lambda: "2nd"
        wait_for(lambda: "2nd" in screen.read(), 60)
    _, *lines, blank, rest = screen.read().split("\r")

    assert lines[0].startswith("pvhdbg: waiting for the first thing, ")
    assert lines[-1].startswith("pvhdbg: waiting for 2nd, ")
    assert len(lines[0]) <= len(lines[-1]) == len(blank)
    assert ("", "") == (blank.strip(), rest)


def test_what_does_not_take_long_says_nothing(screen: Screen, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shown_by, "PATIENCE", 3600)
    with screen.here(), shown("nothing"):
        pass

    assert "" == screen.read()


def _interrupted(screen: Screen) -> None:
    with screen.here(), shown("Ctrl-C"):
        wait_for(lambda: "Ctrl-C" in screen.read(), 60)
        raise KeyboardInterrupt


def test_the_line_goes_however_the_wait_ends(screen: Screen) -> None:
    with pytest.raises(KeyboardInterrupt):
        _interrupted(screen)

    assert "" == screen.read().rpartition("\r")[2]


def test_what_is_no_terminal_gets_no_such_line(tmp_path: Path) -> None:
    with (tmp_path / "stderr").open("w") as stream, redirect_stderr(stream), shown("a file"):
        threads = [each.name for each in threading.enumerate()]

    assert "pvhdbg-waiting" not in threads
    assert "" == (tmp_path / "stderr").read_text()


def test_a_guest_that_does_not_come_is_waited_for_by_its_stage(
    waiting: Path, screen: Screen, capsys: pytest.CaptureFixture[str]
) -> None:
    with screen.here():
        status = main(["dump", str(waiting), "--timeout", "0.5", "--format", "json"])
    *_, error, _hint, rest = screen.read().split("\n")

    assert 1 == status
    assert "\rpvhdbg: waiting for " in screen.told
    assert error.startswith("pvhdbg: error: stage prepare did not come in time")
    assert "" == rest
    assert "waiting for" not in capsys.readouterr().out
