"""If QEMU or gdb is missing, too old or crashes: one line with its last output, and exit status 3."""

from __future__ import annotations

import re
import tomllib
from typing import TYPE_CHECKING

import pytest

from pvhdbg import guest
from pvhdbg.cli.command import doctor
from pvhdbg.cli.options import parse
from tests.cli.shell import Run, pvhdbg
from tests.paths import ROOT

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Script = Callable[[str], Path]

OLD_QEMU = 'case "$*" in --version) echo "QEMU emulator version 4.2.0";; *) echo "$0: -chardev: bad" >&2; exit 1;; esac'
OLD_GDB = 'case "$*" in --version) echo "GNU gdb (GDB) 8.2.1";; *) echo "gdb: no such interpreter" >&2; exit 1;; esac'


@pytest.fixture
def script(tmp_path: Path) -> Script:
    """Return a function that makes a program from one line of shell."""

    def write(line: str) -> Path:
        path = tmp_path / "tool"
        path.write_text(f"#!/bin/sh\n{line}\n")
        path.chmod(0o755)
        return path

    return write


def start(tool: str, path: str | Path) -> Run:
    """Run a command that starts the tool: only a session on a screen, or one that is attached, needs gdb."""
    return pvhdbg("attach", "127.0.0.1:1", "--gdb", path) if tool == "gdb" else pvhdbg("dump", "--qemu", path)


@pytest.mark.parametrize("tool", ["qemu", "gdb"])
def test_a_missing_tool_is_an_error_that_names_its_option(tool: str) -> None:
    name = {"qemu": "qemu-system-x86_64", "gdb": "gdb"}[tool]
    done = start(tool, "/nonexistent")
    error = "pvhdbg: error: can't start /nonexistent: No such file or directory\n"

    assert (3, "", f"{error}  hint: pass the path of {name} with --{tool}\n") == done


@pytest.mark.parametrize("tool", ["qemu", "gdb"])
def test_a_tool_that_cannot_be_executed_is_an_error(tool: str, tmp_path: Path) -> None:
    path = tmp_path / "tool"
    path.write_bytes(b"\0")
    path.chmod(0o755)
    done = start(tool, path)

    assert (3, "") == (done.status, done.out)
    assert f"pvhdbg: error: can't start {path}: Exec format error" == done.err.splitlines()[0]


@pytest.mark.parametrize(
    ("tool", "line", "error"),
    [
        ("qemu", OLD_QEMU, "{path}: version 4.2 is too old"),
        ("gdb", OLD_GDB, "{path}: version 8.2 is too old"),
        ("qemu", "echo 'qemu: out of ideas' >&2; exit 7", "QEMU exited with status 7: out of ideas"),
        ("qemu", "exit 0", "QEMU exited with status 0 without a message"),
        ("gdb", "echo 'gdb: out of ideas' >&2; exit 7", "gdb exited with status 7: out of ideas"),
        ("gdb", "kill -SEGV $$", "gdb was killed by SIGSEGV"),
        ("gdb", "echo nonsense; echo '1^error,msg=[{'; echo '9^'; exit 7", "gdb exited with status 7"),
        ("gdb", "printf 'a\\033[31m\\377' >&2; exit 7", r"gdb exited with status 7: a\x1b[31m\xff"),
        ("qemu", "printf 'qemu: a\\033[31m\\377\\n' >&2; exit 7", r"QEMU exited with status 7: a\x1b[31m\xff"),
    ],
)
def test_a_tool_that_fails_is_an_error_with_its_last_output(script: Script, tool: str, line: str, error: str) -> None:
    path = script(line)
    done = start(tool, path)
    first, *hints = done.err.splitlines()

    assert (3, "") == (done.status, done.out)
    assert f"pvhdbg: error: {error.format(path=path)}" == first
    assert [] == [hint for hint in hints if not hint.startswith("  hint: ")]


def test_a_qemu_that_crashes_while_loading_the_kernel_gives_status_1(script: Script) -> None:
    done = pvhdbg("dump", "--qemu", script("kill -FPE $$"))

    assert (1, "") == (done.status, done.out)
    assert "pvhdbg: error: QEMU was killed by SIGFPE while loading the kernel" == done.err.splitlines()[0]


@pytest.mark.parametrize("option", ["--gdb=/nonexistent", "--gdbinit", "--mi-log=/nonexistent/log"])
@pytest.mark.parametrize("command", ["dump", "check"])
def test_without_a_screen_no_gdb_is_started_and_a_note_says_so(command: str, option: str) -> None:
    done = pvhdbg(command, option)

    assert 0 == done.status
    assert [f"pvhdbg: note: {option.partition('=')[0]} has no effect: only the screen and `attach` start gdb"] == [
        line for line in done.err.splitlines() if "gdb" in line
    ]


@pytest.mark.parametrize("tool", ["qemu", "gdb"])
def test_doctor_reports_a_missing_tool(tool: str) -> None:
    done = pvhdbg("doctor", f"--{tool}", "/nonexistent")

    assert (3, "") == (done.status, done.err)
    [report] = [line for line in done.out.splitlines() if line.startswith("FAIL /nonexistent ")]
    assert f"with --{tool}" in report


def test_doctor_escapes_control_characters_in_a_version(script: Script) -> None:
    path = script("printf 'GNU gdb \\033[31m\\377 13.1'")
    done = pvhdbg("doctor", "--gdb", path)

    assert rf"ok   {path}  GNU gdb \x1b[31m\xff 13.1" in done.out.splitlines()


@pytest.mark.parametrize(
    ("tool", "line", "fault"),
    [
        ("gdb", "exec /bin/true --version", "not gdb: --version prints"),
        ("qemu", "exec /bin/true --version", "not QEMU: --version prints"),
        ("gdb", "echo GNU gdb 8.2.1", "version 8.2 is too old; pass the path of gdb 11.0 or newer with --gdb"),
        ("qemu", OLD_QEMU, "version 4.2 is too old; pass the path of qemu-system-x86_64 5.2 or newer with --qemu"),
        ("gdb", "exit 0", 'not gdb: --version prints ""'),
    ],
)
def test_doctor_reports_a_program_that_is_too_old_or_a_different_program(
    script: Script, tool: str, line: str, fault: str
) -> None:
    path = script(line)
    done = pvhdbg("doctor", f"--{tool}", path)
    [report] = [line for line in done.out.splitlines() if line.startswith(f"FAIL {path} ")]

    assert (3, "") == (done.status, done.err)
    assert fault in report


@pytest.mark.parametrize("tool", ["qemu", "gdb"])
def test_a_tool_that_is_a_different_program_is_an_error(tool: str) -> None:
    done = start(tool, "/bin/true")
    name = {"qemu": "QEMU", "gdb": "gdb"}[tool]

    assert (3, "") == (done.status, done.out)
    assert done.err.startswith(f"pvhdbg: error: /bin/true: not {name}: --version prints ")


def test_doctor_boots_the_teaching_guest() -> None:
    done = pvhdbg("doctor")

    assert (0, "") == (done.status, done.err)
    assert "ok   boot under tcg" in done.out
    assert re.search(r"^(ok   Xen for --xen .*/xen-4|-    Xen for --xen .*`make xen`)", done.out, re.MULTILINE)


def test_doctor_names_every_dependency() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]

    assert tuple(re.split("[<>=]", words)[0] for words in project["dependencies"]) == doctor.PACKAGES


def test_a_guest_that_is_too_slow_for_doctor_timed_out(monkeypatch: pytest.MonkeyPatch, waiting: Path) -> None:
    monkeypatch.setattr(doctor, "BOOT_TIMEOUT", 0.5)
    monkeypatch.setattr(guest, "ELF", waiting)
    _, options = parse(["doctor"])
    result = doctor.doctor(options)

    assert 3 == result.status
    assert re.search(r"^FAIL boot under tcg +timed out after 0.5 s$", result.output, re.MULTILINE)
