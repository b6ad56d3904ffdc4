"""The name of a file may be hostile: it is escaped in everything that pvhdbg prints."""

from __future__ import annotations

import gzip
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests import tiny
from tests.cli.shell import pvhdbg
from tests.image.builder import Symbol, bzimage, elf, load, note, notes, symbol_sections
from tests.image.crafted import BUILD_ID, GOOD
from tests.tui.pty_process import on_terminal

if TYPE_CHECKING:
    from tests.cli.shell import Run

NAMES = {
    "steers a terminal": b"\x1b[31m\x9b2J\r\n\t\x7f\xc2\x85\xe2\x80\xae\xe2\x80\xa8.elf",
    "not UTF-8": b"caf\xe9\xff\xed\xa0\x80.elf",
    "for a shell": b"\\n{0}%s%n `x`$(x) 'q\" ;|&*?.elf",
    "for an option": b"-rf,if=none --symbols=x.elf",
}
STARTABLE = {"ELF": GOOD, "bzImage": bzimage(gzip.compress(GOOD), len(GOOD)), "compressed": gzip.compress(GOOD)}
REFUSED = {
    "without a note": (1, elf([load()])),
    "for a big-endian machine": (1, GOOD[:5] + b"\2" + GOOD[6:]),
    "truncated": (2, GOOD[:-1]),
    "compressed text": (2, gzip.compress(b"text")),
}


@pytest.fixture(params=NAMES)
def path(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    return tmp_path / os.fsdecode(NAMES[request.param])


def is_safe(run: Run) -> bool:
    """Return whether the output cannot control a terminal, and the errors are one line and a hint."""
    text = run.out + run.err
    lines = run.err.splitlines()
    return (
        all(sign.isprintable() or sign == "\n" for sign in text)
        and "Traceback" not in text
        and len(lines) <= 2
        and all(line.startswith(("pvhdbg: ", "  hint: ")) for line in lines)
    )


@pytest.mark.parametrize("kind", STARTABLE)
def test_inspect_shows_the_name_of_a_kernel_escaped(kind: str, path: Path) -> None:
    path.write_bytes(STARTABLE[kind])
    text = pvhdbg("inspect", path)

    assert (0, True) == (text.status, is_safe(text))


def test_inspect_shows_the_name_of_a_kernel_in_ascii_and_in_json(path: Path) -> None:
    path.write_bytes(GOOD)
    plain, document = pvhdbg("inspect", "--ascii", path), pvhdbg("inspect", "--format", "json", path)

    assert [(0, True)] * 2 == [(run.status, is_safe(run)) for run in (plain, document)]
    assert (True, True) == (plain.out.isascii(), document.out.isascii())
    assert str(path) == json.loads(document.out)["kernel"]["path"]


@pytest.mark.parametrize("kind", REFUSED)
def test_a_refusal_shows_the_name_of_a_kernel_escaped(kind: str, path: Path) -> None:
    status, data = REFUSED[kind]
    path.write_bytes(data)
    runs = [pvhdbg("inspect", path), pvhdbg("dump", path)]

    assert [(status, True)] * 2 == [(run.status, is_safe(run)) for run in runs]


def test_a_missing_file_and_a_folder_are_named_escaped(path: Path) -> None:
    missing = pvhdbg("inspect", path)
    path.mkdir()
    folder = pvhdbg("inspect", path)

    assert [(2, True)] * 2 == [(run.status, is_safe(run)) for run in (missing, folder)]


def test_symbols_that_are_not_used_are_named_escaped(path: Path, tmp_path: Path) -> None:
    path.write_bytes(elf([load(), notes(BUILD_ID, note())], symbol_sections([Symbol("pvh", 0x1234)])))
    (tmp_path / "kernel").write_bytes(GOOD)
    run = pvhdbg("inspect", "--symbols", path, tmp_path / "kernel")

    assert (0, True, True) == (run.status, is_safe(run), "is not used: " in run.err)


def test_a_boot_with_hostile_names_prints_them_escaped(path: Path) -> None:
    path.write_bytes(tiny.waiting())
    recording = path.with_name(f"{path.name}.json")
    boot = ("dump", path, "--stage", "entry", "-i", path)
    runs = [
        pvhdbg(*boot, "-o", recording, "--symbols", path),
        pvhdbg(*boot, "--format", "json"),
        pvhdbg(*boot),
        pvhdbg("show", recording),
        pvhdbg("diff", recording, f"{recording}@entry"),
    ]

    assert [(0, True)] * len(runs) == [(run.status, is_safe(run)) for run in runs]
    assert str(path) == json.loads(recording.read_bytes())["kernel"]["path"]


def test_errors_about_a_boot_name_files_escaped(path: Path) -> None:
    path.write_bytes(tiny.waiting())
    inside = path / "file"
    boot = ("dump", path, "--stage", "entry")
    runs = [
        *(pvhdbg(*boot, option, inside) for option in ("-o", "-i", "--symbols")),
        pvhdbg("show", path),
        pvhdbg("show", inside),
        pvhdbg("diff", path, f"{path}@entry"),
        pvhdbg("attach", path),
        pvhdbg("attach", inside, path),
        pvhdbg("attach", "127.0.0.1:1", "--mi-log", inside),
    ]
    programs = [pvhdbg(*boot, "--qemu", path), pvhdbg("attach", "127.0.0.1:1", "--gdb", path)]

    assert [(2, True)] * len(runs) == [(run.status, is_safe(run)) for run in runs]
    assert [(3, True)] * len(programs) == [(run.status, is_safe(run)) for run in programs]


def test_the_screen_shows_the_name_of_a_kernel_escaped(path: Path, tmp_path: Path) -> None:
    path.write_bytes(tiny.waiting())
    folder = tmp_path / "f"
    folder.mkdir()
    with on_terminal(folder, str(path), "--timeout", "1") as screen:
        assert screen.until(lambda: b"timed out" in screen.output)

        screen.type(b"\x11\x11")

        assert 0 == screen.status()
        assert screen.is_restored()
    assert b"\x9b2J" not in screen.output
    assert b"\x1b[31m\x9b" not in screen.output
    assert "\u202e".encode() not in screen.output
