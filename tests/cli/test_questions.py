"""`-c LINE`: questions to a recording and to a machine, from the shell."""

from __future__ import annotations

from pathlib import Path

import pytest

from pvhdbg.cli import main
from pvhdbg.views import to_json
from tests import build
from tests.cli.shell import pvhdbg


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    path = tmp_path / "boot.json"
    path.write_text(to_json.dumps(build.boot()))
    return path


def test_a_recording_is_asked_and_nothing_else_is_printed(recording: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert 0 == main(["show", str(recording), "-c", "cmdline @entry"])
    assert "at 0xefcb0, 31 bytes\n  console=ttyS0 earlyprintk=ttyS0\n" == capsys.readouterr().out


def test_answers_follow_each_other_with_an_empty_line_between(
    recording: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert 0 == main(["show", str(recording), "-c", "cmdline @entry", "--command", "help map"])
    assert ["", "map [@STAGE]"] == capsys.readouterr().out.splitlines()[2:4]


def test_a_question_that_cannot_be_asked_is_the_call_s_fault(
    recording: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert 2 == main(["show", str(recording), "-c", "nonsense"])
    assert "" == capsys.readouterr().out


def test_a_machine_is_asked_at_the_last_stage_that_was_wanted(tmp_path: Path) -> None:
    done = pvhdbg("dump", "--stage", "prepare", "-c", "info", "-c", "code", "-o", tmp_path / "run.json")

    assert (0, "") == (done.status, done.err)
    assert done.out.startswith("prepare: ")
    assert "%rsp, %rbp" in done.out
    assert pvhdbg("show", tmp_path / "run.json", "-c", "memmap").out == (
        pvhdbg("dump", "--stage", "prepare", "-c", "memmap").out
    )


def test_a_question_is_refused_before_a_machine_is_started() -> None:
    done = pvhdbg("dump", "--qemu", "/nowhere/qemu", "-c", "run-to")

    assert (2, "") == (done.status, done.out)
    assert done.err.startswith("pvhdbg: error: usage: run-to STAGE [KERNEL|ADDRESS]\n")
