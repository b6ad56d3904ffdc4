"""Hostile recordings, symbols and breakpoints on a real terminal."""

from __future__ import annotations

import json
import random
import shlex
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from pvhdbg.boot.record.replay import load
from pvhdbg.errors import PvhdbgError
from tests import tiny
from tests.paths import RECORDINGS_DIR
from tests.tui import tmux
from tests.tui.tmux import Shell

TITLE = "owned"
EVIL = f"\x1b]2;{TITLE}\x07\x1b[2J\x1b[31m\x9b31m\x1bP1$r\x1b\\\r\n\u202e\u200b日本\udce9"
Document = dict[str, Any]
Path_ = tuple[str | int, ...]


@pytest.fixture
def shell(tmp_path: Path) -> Iterator[Shell]:
    with tmux.shell(tmp_path, (120, 40)) as started:
        yield started


def leaves(value: object, path: Path_ = ()) -> Iterator[Path_]:
    """Yield the path of every string in a document."""
    if isinstance(value, dict | list):
        for key, item in value.items() if isinstance(value, dict) else enumerate(value):
            yield from leaves(item, (*path, key))
    elif isinstance(value, str):
        yield path


def replaced(document: Document, path: Path_, value: object) -> Document:
    copy = json.loads(json.dumps(document))
    parent = copy
    for key in path[:-1]:
        parent = parent[key]
    parent[path[-1]] = value
    return dict(copy)


def is_accepted(document: Document, file: Path) -> bool:
    file.write_text(json.dumps(document))
    try:
        load(file)
    except PvhdbgError:
        return False
    return True


def with_evil_texts(document: Document, file: Path) -> Document:
    """Put the escape sequences into every text that pvhdbg accepts any value for."""
    shapes = {tuple(key if isinstance(key, str) else 0 for key in path): path for path in leaves(document)}
    for path in shapes.values():
        if is_accepted(changed := replaced(document, path, EVIL), file):
            document = changed
    return document


def with_noise(document: Document, _file: Path) -> Document:
    """Replace all memory by noise."""
    choice = random.Random(1)
    for stop in document["stops"]:
        for block in stop["memory"]:
            block["hex"] = choice.randbytes(len(block["hex"]) // 2).hex()
    return document


def with_extreme_registers(document: Document, _file: Path) -> Document:
    for stop in document["stops"]:
        stop["registers"] = dict.fromkeys(stop["registers"], (1 << 64) - 1)
    return document


def without_stops(document: Document, _file: Path) -> Document:
    return {**document, "stops": []}


@pytest.mark.parametrize(
    "change", [with_evil_texts, with_noise, with_extreme_registers, without_stops], ids=lambda change: change.__name__
)
@pytest.mark.parametrize("name", ["linux-6.1-microvm-initrd", "linux-6.1-died"])
def test_a_hostile_recording_can_be_viewed_and_does_not_control_the_terminal(
    shell: Shell, tmp_path: Path, name: str, change: Callable[[Document, Path], Document]
) -> None:
    file = tmp_path / "evil\x1b]2;owned\x07.json"
    document = change(json.loads((RECORDINGS_DIR / f"{name}.json").read_text("utf-8")), file)
    typescript, settings = tmp_path / "typescript", shell.answer("stty -g")

    assert is_accepted(document, file)

    title = shell.variable("pane_title")
    shell.tmux("pipe-pane", f"cat > {typescript}")
    # The shell is told the name with its escapes spelled out, or it would print them itself.
    shell.type(f"{tmux.PVHDBG} show --tui {shlex.quote(str(tmp_path))}/*.json")
    shell.wait("F1 help")
    for key in ("M-1", "M-2", "M-3", "M-4", "M-5", "M-6", "M-7", "M-8", "M-9", "M-0"):
        shell.keys(key, "Tab", "Down", "PageDown", "Enter", "End", "Home")
    shell.keys("Left", "Left", "F2", "F1", "Escape")
    shell.keys("C-q")
    shell.wait(tmux.PROMPT)

    assert "0" == shell.status()
    assert title == shell.variable("pane_title")
    written = typescript.read_bytes()
    assert b"\x1b]2;" not in written
    assert b"\x9b31m" not in written
    assert b"Traceback" not in written
    assert settings == shell.answer("stty -g")


@pytest.fixture
def cafe(tmp_path: Path) -> Path:
    """Return a guest whose code is named by a symbol with a byte that is not UTF-8."""
    path = tmp_path / "cafe.elf"
    path.write_bytes(tiny.waiting(name="caf\xe9"))
    return path


def test_a_symbol_with_a_byte_that_is_not_utf8_can_be_completed_and_printed(shell: Shell, cafe: Path) -> None:
    shell.start(str(cafe), "--timeout", "2")
    shell.wait("timed out")
    shell.wait("\n(gdb)\n")
    shell.type("print (long)&ca", "Tab")
    shell.wait("(gdb) print (long)&caf?\n")
    shell.keys("Enter")

    assert r"print (long)&caf\xe9" in shell.wait("$1 = -")

    shell.type("print 40 + 2")

    assert "$2 = 42" in shell.wait("$2 = 42")


def test_a_breakpoint_with_commands_does_not_stop_the_screen(shell: Shell) -> None:
    shell.start()
    shell.wait("stopped at prepare")
    shell.wait("\n(gdb)\n")
    shell.type("hbreak *0x1000000")
    shell.type("commands")
    for line in ("silent", "print 1", "end"):
        shell.type(line)
    shell.type("print 40 + 2")

    assert "= 42" in shell.wait("= 42")

    shell.keys("F6")

    assert shell.wait("stopped at bootparams")
