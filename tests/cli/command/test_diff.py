"""`pvhdbg diff`, called as a user calls it."""

from __future__ import annotations

from pathlib import Path

import pytest

from pvhdbg.cli import main
from pvhdbg.views.to_json import document_json
from tests import build


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


def test_a_recording_does_not_differ_from_itself(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert 0 == main(["diff", str(run), str(run), "--exit-code"])
    assert "nothing changed\n" == capsys.readouterr().out


def test_the_exit_status_tells_of_a_difference_only_if_asked(run: Path, other: Path) -> None:
    assert 0 == main(["diff", str(run), str(other)])
    assert 1 == main(["diff", str(run), str(other), "--exit-code"])


def test_two_stages_of_one_recording(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert 1 == main(["diff", f"{run}@bootparams", f"{run}@kernel", "--exit-code"])
    assert capsys.readouterr().out.startswith("bootparams -> kernel\n")


def test_a_stage_on_one_side_holds_for_both(run: Path, other: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert 0 == main(["diff", f"{run}@prepare", str(other), "--exit-code"])
    assert capsys.readouterr().out.startswith("prepare -> prepare\n")


@pytest.mark.parametrize(
    ("suffix", "expected"),
    [("@nowhere", "no stage 'nowhere', and no such file"), ("@died", "there is no stage died in it")],
)
def test_a_stage_that_is_not_there_is_the_call_s_fault(
    run: Path, suffix: str, expected: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert 2 == main(["diff", f"{run}{suffix}", str(run)])

    told = capsys.readouterr()

    assert "" == told.out
    assert expected in told.err
    assert 2 == len(told.err.splitlines())


def test_a_file_that_is_no_recording_is_the_call_s_fault(tmp_path: Path, run: Path) -> None:
    (tmp_path / "noise").write_bytes(b"\xff{")

    assert 2 == main(["diff", str(run), str(tmp_path / "noise")])
    assert 2 == main(["diff", str(run), str(tmp_path / "missing")])
