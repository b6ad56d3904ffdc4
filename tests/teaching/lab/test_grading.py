"""A recording that a student hands in is decoded again: what it says about itself does not count."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from pvhdbg.boot.record.document import Document, MachineFacts, Outcome
from pvhdbg.boot.who.answer import Answer, Code, Writer
from pvhdbg.cli import main
from pvhdbg.cli.command.teaching import boots
from pvhdbg.cli.command.teaching.lab import EXERCISES
from pvhdbg.errors import UserError
from pvhdbg.teaching.lab import grading, lab_file
from tests.paths import ROOT
from tests.teaching.lab.test_lab_file import GOOD

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

LABS = {lab.name: lab for lab in lab_file.read_all(EXERCISES)}
PLAIN, DIED = boots.CHAPTERS / "boot.json", boots.CHAPTERS / "died.json"
LINUX = ROOT / "tests/recordings/linux-6.1-pc.json"
Json = dict[str, Any]
CONTRADICTS = "pvhdbg: error: the recording contradicts itself: "
TRIPLE_FAULT = {"how": "triple-fault", "rip": 0, "symbol": "map_from_memmap+0x41", "message": ""}


@pytest.fixture(autouse=True)
def _state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))


@pytest.fixture
def teachers(tmp_path: Path) -> Path:
    """A teacher's folder with one lab, whose goal is a finding, and that one value is 0."""
    folder = tmp_path / "labs"
    folder.mkdir()
    text = GOOD.replace("boot: other = --vmm firecracker\n", "").replace("goal: other: ", "goal: ")
    text = text.replace('outcome.ended == "died"  # it dies', "start_info.magic == 0")
    (folder / "1-lab.md").write_text(text, "utf-8")
    return folder


def handed_in(tmp_path: Path, source: Path, forge: Callable[[Json], object]) -> Path:
    """Change a recording. Return the new file."""
    run = json.loads(source.read_text("utf-8"))
    forge(run)
    path = tmp_path / "handed-in.json"
    path.write_text(json.dumps(run), "utf-8")
    return path


def forge_death(run: Json) -> None:
    run["outcome"].update(ended="died", reached="prepare", died=TRIPLE_FAULT)


def forge_death_without_stop(run: Json) -> None:
    forge_death(run)
    del run["stops"][2:]


def forge_place(run: Json) -> None:
    run["outcome"]["died"].update(symbol="xen_prepare_pvh+0x20", rip=0xFFFFFFFF810005CD)


def forge_rewrite(run: Json) -> None:
    run["machine"]["rewrites"] = [{"path": "start_info.magic", "paddr": 0xF31E0, "before": "78", "after": "00"}]


def forge_decoded(run: Json) -> None:
    finding = {"code": "PVH102", "severity": "error", "message": "forged", "field": None, "at": None}
    for stop in run["stops"]:
        stop["findings"] = [finding]
        if stop.get("start_info"):
            stop["start_info"]["magic"] = 0


def test_an_honest_recording_is_accepted(capsys: pytest.CaptureFixture[str]) -> None:
    assert 0 == main(["lab", "start", "a-pointer-too-far"])

    assert 0 == main(["lab", "check", str(DIED)])
    assert 1 == main(["lab", "check", str(PLAIN)])
    found = "not yet true: the guest dies (found: the guest reached the stage e820, and did not die)\n"
    written = capsys.readouterr().out
    assert found in written
    assert "not yet true: you changed one field (found: 0)" in written


@pytest.mark.parametrize(
    ("forge", "why"),
    [
        (forge_death, "the last stage that it says was reached is not its last stop"),
        (forge_death_without_stop, "it says that the guest died, but has no stop `died`"),
        (forge_rewrite, "the change of start_info.magic is not in its memory at the entry"),
    ],
)
def test_an_end_or_a_change_that_the_stops_do_not_show_is_refused(
    forge: Callable[[Json], object], why: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert 0 == main(["lab", "start", "a-pointer-too-far"])

    assert 2 == main(["lab", "check", str(handed_in(tmp_path, PLAIN, forge))])
    assert capsys.readouterr().err.startswith(CONTRADICTS + why)


def test_the_place_of_a_death_comes_from_the_registers(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert 0 == main(["lab", "start", "the-wrong-number"])

    assert 1 == main(["lab", "check", str(handed_in(tmp_path, DIED, forge_place))])
    found = "not yet true: it dies in the function xen_prepare_pvh itself (found: the guest reached the stage prepare, "
    assert f"{found}and died at 0xffffffff8100036d map_from_memmap+0x41)\n" in capsys.readouterr().out


def test_forged_findings_and_values_do_not_count(
    teachers: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert 0 == main(["lab", "start", "--labs", str(teachers)])
    capsys.readouterr()

    assert 1 == main(["lab", "check", str(handed_in(tmp_path, PLAIN, forge_decoded))])
    assert [
        "not yet true: start_info.magic == 0 (found: start_info.magic is 0x336ec578)",
        'not yet true: "PVH102" in findings (found: findings: PVH126, PVH201, PVH307, PVH340)',
    ] == capsys.readouterr().out.splitlines()


def test_a_recording_of_another_kernel_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert 0 == main(["lab", "start", "the-old-way"])

    assert 2 == main(["lab", "check", str(LINUX)])
    assert "the recording is not of the teaching guest" in capsys.readouterr().err


def test_a_lab_with_two_boots_takes_two_recordings(capsys: pytest.CaptureFixture[str]) -> None:
    assert 0 == main(["lab", "start", "only-under-qemu"])

    assert 2 == main(["lab", "check", str(PLAIN)])
    assert 1 == main(["lab", "check", str(PLAIN), str(boots.CHAPTERS / "firecracker.json")])
    written = capsys.readouterr()
    assert "this lab takes 2 recordings: boot, firecracker, not 1" in written.err
    assert "\nnot yet true: with what Firecracker hands over, it dies (found: the guest " in written.out


@pytest.mark.parametrize(
    ("word", "value", "is_right"),
    [
        ("0x10", 16, True),
        ("16", 16, True),
        ("020", 16, True),
        (" 16UL ", 16, True),
        ("0x11", 16, False),
        ("sixteen", 16, False),
        ("", 16, False),
        ("-16", 16, False),
        ("RAM", "RAM", True),
        ("ram ", "RAM", True),
        ("RAMS", "RAM", False),
        ("1", "RAM", False),
    ],
)
def test_a_word_means_a_number_or_a_text(word: str, value: object, is_right: bool) -> None:
    assert is_right is grading.matches(word, value)


def test_the_last_writer_is_the_answer() -> None:
    lab = LABS["who-adds-a-range"]
    writers = [
        Writer("cpu", Code(0, "f", (), source), "mov", 0, 1, b"", None, "computed") for source in ("a.c:2", "a.c:1")
    ]
    known = Document(
        None, MachineFacts(), (), Outcome(None, "done"), (Answer(str(lab.writer), 0, 1, tuple(writers), ()),)
    )

    assert [] == grading.wrong_writer(lab, ["a.c:2"], known)
    assert ["the answer is not a.c:1"] == grading.wrong_writer(lab, ["a.c:1"], known)
    with pytest.raises(UserError, match="is not known"):
        grading.wrong_writer(lab, ["a.c:2"], known._replace(who=()))
