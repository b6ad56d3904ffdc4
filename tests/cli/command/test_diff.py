"""`pvhdbg diff` through the command line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pvhdbg.cli import main
from pvhdbg.views.to_json import document_json
from tests import build
from tests.cli.shell import pvhdbg


@pytest.fixture
def run(tmp_path: Path) -> Path:
    path = tmp_path / "run.json"
    path.write_text(document_json.dumps(build.boot()))
    return path


@pytest.fixture
def other(tmp_path: Path) -> Path:
    path = tmp_path / "oth@er.json"
    boot = build.boot()
    path.write_text(document_json.dumps(boot._replace(machine=boot.machine._replace(memory="1G"))))
    return path


def test_a_recording_has_no_differences_from_itself(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert 0 == main(["diff", str(run), str(run), "--exit-code"])
    assert "no differences\n" == capsys.readouterr().out


def test_a_difference_is_exit_status_1_only_with_exit_code(run: Path, other: Path) -> None:
    assert 0 == main(["diff", str(run), str(other)])
    assert 1 == main(["diff", str(run), str(other), "--exit-code"])


def test_two_stages_of_one_recording_can_be_compared(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert 1 == main(["diff", f"{run}@bootparams", f"{run}@kernel", "--exit-code"])
    assert capsys.readouterr().out.startswith("bootparams -> kernel\n")


def test_a_stage_named_on_one_side_applies_to_both(run: Path, other: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert 0 == main(["diff", f"{run}@prepare", str(other), "--exit-code"])
    assert capsys.readouterr().out.startswith("prepare -> prepare\n")


@pytest.mark.parametrize(
    ("suffix", "expected"),
    [("@nowhere", "no such file, and 'nowhere' is not a stage"), ("@died", "stage died is not in this recording")],
)
def test_a_missing_stage_is_exit_status_2(
    run: Path, suffix: str, expected: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert 2 == main(["diff", f"{run}{suffix}", str(run)])

    printed = capsys.readouterr()

    assert "" == printed.out
    assert expected in printed.err
    assert 2 == len(printed.err.splitlines())


def test_a_file_that_is_not_a_recording_is_exit_status_2(tmp_path: Path, run: Path) -> None:
    (tmp_path / "noise").write_bytes(b"\xff{")

    assert 2 == main(["diff", str(run), str(tmp_path / "noise")])
    assert 2 == main(["diff", str(run), str(tmp_path / "missing")])


READERS = "boot data that differs at the entry: until xen_prepare_pvh returns, the guest reads "


def test_recordings_with_the_answers_of_who_say_which_differences_the_guest_reads(tmp_path: Path) -> None:
    values = ("start_info.rsdp_paddr=0", "start_info.reserved=7", "memory_map.entries[0].type=2")
    changed = [word for value in values for word in ("--set", value)]
    (tmp_path / "a").write_text(pvhdbg("who", "--all", "--format", "json").out)
    pvhdbg("dump", *changed, "--stage", "bootparams", "-c", "who --all", "-o", tmp_path / "b")
    done = pvhdbg("diff", tmp_path / "a", tmp_path / "b")
    at = done.out.splitlines().index(f"{READERS}2 of 3 values")

    assert (0, "") == (done.status, done.err)
    assert [
        "start_info.rsdp_paddr: read by init_pvh_bootparams",
        "start_info.reserved: not read",
        "memory_map.entries[0].type: read by map_from_memmap",
    ] == [f"{line.split(':')[0].strip()}:{line.rpartition(':')[2]}" for line in done.out.splitlines()[at + 1 :]]


def test_without_answers_of_who_readers_are_not_reported(run: Path, other: Path) -> None:
    assert READERS not in pvhdbg("diff", run, other).out


def test_recordings_of_two_vmms_without_answers_of_who_say_how_to_get_them(
    tmp_path: Path, run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    document = json.loads(run.read_text())
    document["machine"]["vmm"] = {"name": "firecracker", "version": "", "differs": []}
    (tmp_path / "firecracker").write_text(json.dumps(document))
    assert 0 == main(["diff", str(run), str(run)])
    assert 0 == main(["diff", str(run), str(tmp_path / "firecracker")])

    assert "pvhdbg: note: neither recording says what the guest reads: record them with -c 'who --all'\n" == (
        capsys.readouterr().err
    )
