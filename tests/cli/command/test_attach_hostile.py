"""`pvhdbg attach` to stubs that fall silent, flood or lie: a bound on the time, and one line."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from pvhdbg import cli, guest
from pvhdbg.live.debuggee import attached_machine
from pvhdbg.live.system import patience
from tests.cli import patient
from tests.cli.shell import Run
from tests.live import hostile_stub

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

PATIENCE = 1.0
"""Here the timeouts are short. With pvhdbg's own: 15 s to connect, 30 s of waiting, 5 s to leave."""
LONGEST = 120.0
REFUSED = "pvhdbg: error: can't attach to "
SILENT = "pvhdbg: error: gdb does not answer: "

BEFORE_CONNECTED = [
    ("no-accept", 0, " s: -target-select remote "),
    ("accept-hang", 0, " s: -target-select remote "),
    ("accept-close", 0, ""),
    ("garbage", 0, ""),
    ("lies", 0, ""),
    ("short", 0, "Truncated register"),
    ("long", 0, "gdb's architecture is not that of the machine's CPU"),
    ("hang", 10, " s: -target-select remote "),
    ("flood", 10, " s: -target-select remote "),
    ("close", 10, ""),
]


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    set_patience(monkeypatch, PATIENCE)


def set_patience(monkeypatch: pytest.MonkeyPatch, seconds: float) -> None:
    monkeypatch.setattr(patience, "LONGEST", seconds)
    for name in ("_CONNECT_TIMEOUT", "_LEAVE_TIMEOUT", "_STOP_TIMEOUT"):
        monkeypatch.setattr(attached_machine, name, seconds)


@pytest.fixture
def where(tmp_path: Path) -> Path:
    return tmp_path / "stub"


@pytest.fixture
def run(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[[Callable[[float], int], str], Run]:
    """Return a function that attaches, with more and more patience, until the errors contain some words.

    On a busy computer, proper answers may come so late that they use up the patience.
    """

    def run(attach: Callable[[float], int], words: str) -> Run:
        def attempt(seconds: float) -> Run:
            set_patience(monkeypatch, 2 * seconds)
            return Run(attach(2 * seconds), *capsys.readouterr())

        return patient.in_time(attempt, lambda done: words in done.err)

    return run


def attach(where: Path, *words: str) -> int:
    """Return the exit status. It comes within LONGEST seconds."""
    start = time.monotonic()
    status = cli.main(["attach", str(where), str(guest.ELF), *words])

    assert time.monotonic() - start < LONGEST
    return status


@pytest.mark.parametrize(("mode", "answers", "reason"), BEFORE_CONNECTED)
def test_a_stub_that_never_gets_connected_is_one_line(
    where: Path, run: Callable[..., Run], mode: str, answers: int, reason: str
) -> None:
    def to_stub(_patience: float) -> int:
        with hostile_stub.running(where, mode, answers):
            return attach(where)

    done = run(to_stub, reason)

    assert (2, "") == (done.status, done.out)
    assert done.err.startswith(f"{REFUSED}{where}: ")
    assert reason in done.err
    assert 2 == done.err.count("\n")


def slow_gdb(folder: Path, seconds: float) -> str:
    """Return the path of a gdb that starts after some seconds."""
    path = folder / "gdb"
    path.write_text(f'#!/bin/sh\ncase "$*" in *--interpreter*) sleep {seconds} ;; esac\nexec gdb "$@"\n')
    path.chmod(0o755)
    return str(path)


def test_the_stub_is_not_blamed_for_a_gdb_that_starts_slowly(
    where: Path, run: Callable[..., Run], tmp_path: Path
) -> None:
    reason = f"{REFUSED}{where}: Truncated register"

    def with_slow_gdb(patience: float) -> int:
        with hostile_stub.running(where, "short", 0):
            return attach(where, "--gdb", slow_gdb(tmp_path, 1.5 * patience))

    done = run(with_slow_gdb, reason)

    assert 2 == done.status
    assert reason in done.err


def test_a_gdb_that_never_starts_is_named(
    where: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(attached_machine, "_GDB_START_TIMEOUT", PATIENCE)
    with hostile_stub.running(where, "no-accept"):
        status = attach(where, "--gdb", slow_gdb(tmp_path, 60))
    err = capsys.readouterr().err

    assert 3 == status
    assert err.startswith("pvhdbg: error: gdb ")
    assert str(where) not in err


def monitor(command: str) -> bytes:
    """Return the packet of a command for QEMU's monitor."""
    return b"qRcmd," + command.encode().hex().encode()


@pytest.mark.parametrize("mode", ["hang", "flood", "drip"])
def test_a_stub_that_falls_silent_while_it_gets_connected_is_refused(
    where: Path, run: Callable[..., Run], mode: str
) -> None:
    words = "" if mode == "drip" else " s: monitor info status\n"

    def to_stub(_patience: float) -> int:
        with hostile_stub.running(where, mode, at=monitor("info status")):
            return attach(where)

    done = run(to_stub, words)

    # Slow answers may do for one question.
    assert done.status in ((0, 1, 2) if mode == "drip" else (2,))
    assert mode == "drip" or (REFUSED in done.err and words in done.err)


@pytest.mark.parametrize("mode", ["hang", "flood"])
@pytest.mark.parametrize(
    ("at", "question"),
    [
        (monitor("info registers"), "monitor info registers"),
        (b"m1", "-data-read-memory-bytes 0x"),
        (b"Qqemu.PhyMemMode:1", "maint packet Qqemu.PhyMemMode:1"),
    ],
)
def test_the_question_after_which_a_stub_fell_silent_is_named(
    where: Path, run: Callable[..., Run], mode: str, at: bytes, question: str
) -> None:
    # gdb takes the first packet of a flood for the answer to some packets, and falls silent at the next question.
    error = f"{SILENT}{question if mode == 'hang' else ''}"

    def to_stub(_patience: float) -> int:
        with hostile_stub.running(where, mode, at=at):
            return attach(where)

    done = run(to_stub, error)

    assert (1, "") == (done.status, done.out)
    assert done.err.startswith(error)
    assert len(f"{SILENT}\n") < len(done.err)
    assert 1 == done.err.count("\n")


def test_a_stub_whose_every_answer_is_slow_uses_up_the_patience(
    where: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with hostile_stub.running(where, "drip", at=b"Qqemu.PhyMemMode:1"):
        status = attach(where, *(f"-cstart-info {at:#x}" for at in range(0x1000, 0x20000, 0x1000)))

    assert 1 == status
    assert SILENT in capsys.readouterr().err


@pytest.mark.parametrize("mode", ["hang", "flood", "close"])
@pytest.mark.parametrize("answers", range(0, 60, 20))
def test_a_stub_may_fail_at_any_packet(
    where: Path, capsys: pytest.CaptureFixture[str], mode: str, answers: int
) -> None:
    with hostile_stub.running(where, mode, answers):
        status = attach(
            where, "--timeout", "1", "-c", "info", "-c", "memmap", "-c", "run-to entry", "-c", "start-info 0x1000"
        )
    err = capsys.readouterr().err

    assert status in (0, 1, 2)
    assert err.count("pvhdbg: error: ") == int(status != 0)
