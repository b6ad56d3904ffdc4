"""If gdb can't work with a stub, the error is one line with the cause, and the hint is a way to go on."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

import pytest

from pvhdbg import cli, guest
from pvhdbg.live.debuggee import attached_machine
from tests.cli.shell import pvhdbg
from tests.in_gdb import stock

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A home folder whose .gdbinit sets another architecture than that of the machine."""
    (tmp_path / ".gdbinit").write_text("set architecture i386\n")
    return tmp_path


def test_a_wrong_architecture_is_reported_without_the_packet(home: Path) -> None:
    with stock.qemu(home, guest.ELF) as machine:
        done = pvhdbg(
            "attach", machine.where, guest.ELF, "--gdbinit", env={"HOME": str(home), "PATH": os.environ["PATH"]}
        )

    first, hint = done.err.splitlines()

    assert 2 == done.status
    assert "architecture" in first
    assert "--gdbinit" in hint
    assert 200 > len(first)


def test_a_stub_that_already_has_a_debugger_is_reported_as_busy(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(attached_machine, "_CONNECT_TIMEOUT", 2.0)
    with stock.qemu(tmp_path, guest.ELF) as machine:
        call = ["gdb", "-nx", "-q", "-ex", f"target remote {machine.where}"]
        with subprocess.Popen(call, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as first:
            assert first.stdin is not None
            assert first.stdout is not None
            first.stdin.write("echo connected\\n\n")
            first.stdin.flush()
            while "connected" not in first.stdout.readline():
                pass
            status = cli.main(["attach", machine.where, str(guest.ELF)])
            first.kill()

    assert 2 == status
    assert "it serves only one at a time" in capsys.readouterr().err


def test_a_hint_for_a_command_says_what_to_type_there(tmp_path: Path) -> None:
    with stock.qemu(tmp_path, guest.ELF) as machine:
        done = pvhdbg("attach", machine.where, guest.ELF, "-c", "run-to entry", "-c", "set cmdline quiet")
        typed = pvhdbg("attach", machine.where, guest.ELF, "-c", "set cmdline '\"quiet\"'", "-c", "cmdline")

    assert "set cmdline '\"quiet\"'\n" in done.err
    assert "in a shell" not in done.err
    assert "\n  quiet" in typed.out
