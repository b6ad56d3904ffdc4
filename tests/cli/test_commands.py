"""`-c LINE`: commands that run on a recording or on a machine."""

from __future__ import annotations

from pathlib import Path

import pytest

from pvhdbg.cli import main
from pvhdbg.views.to_json import document_json
from tests import build
from tests.cli import patient
from tests.cli.shell import pvhdbg


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    path = tmp_path / "boot.json"
    path.write_text(document_json.dumps(build.boot()))
    return path


def test_only_the_output_of_the_command_is_printed(recording: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert 0 == main(["show", str(recording), "-c", "cmdline @entry"])
    assert "at 0xefcb0, 31 bytes\n  console=ttyS0 earlyprintk=ttyS0\n" == capsys.readouterr().out


def test_the_output_of_several_commands_has_headings_and_empty_lines_between(
    recording: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert 0 == main(["show", str(recording), "-c", "cmdline @entry", "--command", "help map"])
    lines = capsys.readouterr().out.splitlines()

    assert ["== cmdline @entry", "at 0xefcb0, 31 bytes"] == lines[:2]
    assert ["", "== help map", "map [@STAGE]"] == lines[3:6]


def test_an_unknown_command_is_exit_status_2(recording: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert 2 == main(["show", str(recording), "-c", "nonsense"])
    assert "" == capsys.readouterr().out


def test_a_command_runs_at_the_last_stage_reached(tmp_path: Path) -> None:
    done = pvhdbg("dump", "--stage", "prepare", "-c", "info", "-c", "code", "-o", tmp_path / "run.json")

    assert (0, "") == (done.status, done.err)
    assert done.out.startswith("== info\nprepare: ")
    assert "%rsp, %rbp" in done.out
    assert pvhdbg("show", tmp_path / "run.json", "-c", "memmap").out == (
        pvhdbg("dump", "--stage", "prepare", "-c", "memmap").out
    )


def test_an_invalid_command_is_rejected_before_qemu_starts() -> None:
    done = pvhdbg("dump", "--qemu", "/nowhere/qemu", "-c", "run-to")

    assert (2, "") == (done.status, done.out)
    assert done.err.startswith("pvhdbg: error: usage: run-to STAGE [KERNEL|ADDRESS]\n")


def test_the_output_before_a_failed_command_is_printed_and_the_exit_status_is_2(
    recording: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert 2 == main(["show", str(recording), "-c", "cmdline @entry", "-c", "code nosuch", "-c", "info"])
    printed = capsys.readouterr()

    assert "== cmdline @entry\nat 0xefcb0, 31 bytes\n  console=ttyS0 earlyprintk=ttyS0\n" == printed.out
    assert "pvhdbg: error: no symbol nosuch\n" == printed.err


def test_run_to_a_stage_that_times_out_is_exit_status_1(waiting: Path) -> None:
    words = ("--stage", "entry", "-c", "run-to prepare", "-c", "stages")
    done = patient.in_time(
        lambda seconds: pvhdbg("dump", waiting, "--timeout", str(seconds), *words), lambda done: "== stages" in done.out
    )

    assert 1 == done.status
    assert "timed out waiting for stage prepare" in done.out
    assert "== stages" in done.out
    assert done.err.startswith("pvhdbg: error: timed out waiting for stage prepare, rip 0x1000")


def test_an_unknown_symbol_is_exit_status_2() -> None:
    done = pvhdbg("dump", "--stage", "entry", "-c", "cmdline", "-c", "code nosuch")

    assert 2 == done.status
    assert done.out.startswith("== cmdline\nat 0x")
    assert "pvhdbg: error: no symbol nosuch\n" == done.err


def test_the_output_is_text_but_can_be_combined_with_a_json_file(tmp_path: Path) -> None:
    refused = pvhdbg("dump", "--format", "json", "-c", "cmdline")
    done = pvhdbg("dump", "--format", "json", "--stage", "entry", "-c", "cmdline", "-o", tmp_path / "boot.json")

    assert (2, "") == (refused.status, refused.out)
    assert "pvhdbg: error: --format json: the output of -c is text\n" in refused.err
    assert 0 == done.status
    assert done.out.startswith("at 0x")
    assert main(["show", str(tmp_path / "boot.json"), "-c", "cmdline"]) == 0
