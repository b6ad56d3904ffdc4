"""On a terminal, a long wait shows a progress line, which is erased afterwards."""

from __future__ import annotations

import os
import pty
import threading
from contextlib import redirect_stderr
from typing import TYPE_CHECKING

import pytest

from pvhdbg.cli import main
from pvhdbg.cli import progress as module
from pvhdbg.cli.progress import shown
from tests.cli import patient
from tests.cli.shell import wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from contextlib import AbstractContextManager
    from pathlib import Path


class Screen:
    """A terminal for standard error that keeps everything written to it."""

    def __init__(self) -> None:
        self.reader, self.writer = pty.openpty()
        os.set_blocking(self.reader, False)
        self._stream = open(self.writer, "w", closefd=False, encoding="ascii")  # noqa: SIM115  a descriptor
        self.text = ""

    def close(self) -> None:
        self._stream.close()
        os.close(self.reader)
        os.close(self.writer)

    def here(self) -> AbstractContextManager[object]:
        """Redirect standard error to this terminal. Not a fixture: pytest replaces standard error before every test."""
        return redirect_stderr(self._stream)

    def read(self) -> str:
        try:
            while part := os.read(self.reader, 4096):
                self.text += part.decode()
        except OSError:  # nothing to read yet
            pass
        return self.text


@pytest.fixture
def screen() -> Iterator[Screen]:
    terminal = Screen()
    yield terminal
    terminal.close()


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "DELAY", 0.01)
    monkeypatch.setattr(module, "INTERVAL", 0.01)


def test_the_line_appears_after_a_delay_is_updated_and_is_erased(screen: Screen) -> None:
    with screen.here(), shown("the first thing") as progress:
        wait_for(lambda: "the first thing" in screen.read(), 60)
        progress.description = lambda: "2nd"
        wait_for(lambda: "2nd" in screen.read(), 60)
    _, *lines, blank, rest = screen.read().split("\r")

    assert lines[0].startswith("pvhdbg: waiting for the first thing, ")
    assert lines[-1].startswith("pvhdbg: waiting for 2nd, ")
    assert len(lines[0]) <= len(lines[-1]) == len(blank)
    assert ("", "") == (blank.strip(), rest)


def test_a_short_wait_prints_nothing(screen: Screen, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "DELAY", 3600)
    with screen.here(), shown("nothing"):
        pass

    assert "" == screen.read()


def _interrupted(screen: Screen) -> None:
    with screen.here(), shown("Ctrl-C"):
        wait_for(lambda: "Ctrl-C" in screen.read(), 60)
        raise KeyboardInterrupt


def test_the_line_is_erased_after_an_interrupt_too(screen: Screen) -> None:
    with pytest.raises(KeyboardInterrupt):
        _interrupted(screen)

    assert "" == screen.read().rpartition("\r")[2]


def test_a_stream_that_is_not_a_terminal_gets_no_line(tmp_path: Path) -> None:
    with (tmp_path / "stderr").open("w") as stream, redirect_stderr(stream), shown("a file"):
        threads = [thread.name for thread in threading.enumerate()]

    assert "pvhdbg-progress" not in threads
    assert "" == (tmp_path / "stderr").read_text()


def test_the_line_names_the_stage_that_pvhdbg_waits_for(
    waiting: Path, screen: Screen, capsys: pytest.CaptureFixture[str]
) -> None:
    def run(seconds: float) -> int:
        screen.text = ""
        capsys.readouterr()
        with screen.here():
            return main(["dump", str(waiting), "--timeout", str(seconds), "--format", "json"])

    status = patient.in_time(run, lambda _: "last stage reached: entry" in screen.read())
    *_, error, _hint, rest = screen.text.split("\n")

    assert 1 == status
    assert "\rpvhdbg: waiting for " in screen.text
    assert error.startswith("pvhdbg: error: timed out waiting for stage prepare")
    assert "" == rest
    assert "waiting for" not in capsys.readouterr().out


@pytest.mark.parametrize(("is_cold", "line"), [(True, "pvhdbg: reading vmlinux from the disk (64 MiB)"), (False, "")])
def test_a_line_says_that_a_large_file_is_read_from_the_disk(
    is_cold: bool, line: str, screen: Screen, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    def preadv(_descriptor: int, buffers: Sequence[bytearray], offset: int, _flags: int) -> int:
        asked.append(offset)
        if is_cold:
            raise BlockingIOError
        return len(buffers[0])

    monkeypatch.setattr(os, "preadv", preadv)
    with (tmp_path / "vmlinux").open("wb") as file:
        file.truncate(64 << 20)
    with screen.here():
        module.announce_slow_start(tmp_path / "vmlinux")
        module.announce_slow_start(tmp_path / "none")

    assert line == screen.read().strip()
    assert len({*asked}) == len(asked) > 1
