"""`pvhdbg lab`: the list, the task, the hints and the progress, without a machine."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from pvhdbg.cli import main
from pvhdbg.cli.command.teaching.lab import EXERCISES
from pvhdbg.teaching.lab import lab_file
from tests.teaching.lab.test_lab_file import GOOD

BOOTS = Path(__file__).parents[2] / "teaching" / "lab" / "boots"
LABS = lab_file.read_all(EXERCISES)


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    return tmp_path / "pvhdbg" / "labs.json"


def lab(capsys: pytest.CaptureFixture[str], *words: str, status: int = 0) -> str:
    capsys.readouterr()
    assert status == main(["lab", *words])
    written = capsys.readouterr()
    return written.err if status == 2 else written.out


def test_the_labs_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    lines = lab(capsys).splitlines()

    assert [one.title in line for one, line in zip(LABS, lines, strict=False)] == [True] * len(LABS)
    assert f"0 of {len(LABS)} solved." in lines[-1]


def test_a_lab_is_started_by_number_by_name_or_as_the_next(capsys: pytest.CaptureFixture[str]) -> None:
    assert lab(capsys, "start", "2") == lab(capsys, "start", LABS[1].name)
    assert f"Lab 1: {LABS[0].title}" in lab(capsys, "start")
    assert "> " in lab(capsys, "list")
    assert f'no such lab: "99"\n  hint: use a number from 1 to {len(LABS)}' in lab(capsys, "start", "99", status=2)


def test_three_hints_and_the_solution_are_remembered(capsys: pytest.CaptureFixture[str]) -> None:
    lab(capsys, "start", "9")

    assert ["2 hints left", "1 hint left", "no hints left", "no hints left"] == [
        lab(capsys, "hint").splitlines()[-1].strip("()").partition(":")[0] for _ in range(4)
    ]
    assert "0x140000000" in lab(capsys, "solution")
    assert " 9  Mystery: memory that vanished         started      3 hints, solution seen" in lab(capsys, "progress")


def test_a_solved_lab_is_marked_and_the_next_one_follows(capsys: pytest.CaptureFixture[str], state: Path) -> None:
    lab(capsys, "start", "10")
    wrong = lab(capsys, "check", "0x60000030", "cmdline_paddr", "5", status=1)
    assert "not yet: answer 3 of 3 is not 5\n" == wrong
    assert "Lab 10 is solved." in lab(capsys, "check", "0x60000030", "CMDLINE_PADDR", "0x3fffffc0")
    expected = {"mystery-a-death": {"solved": True, "hints": 0, "solution": False}}
    assert expected == json.loads(state.read_text("utf-8"))["labs"]
    assert f"1 of {len(LABS)} labs solved" in lab(capsys, "progress")
    assert "(you have solved it)" in lab(capsys, "start", "10")


def test_after_the_last_lab_there_is_no_next_one(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    folder = tmp_path / "labs"
    folder.mkdir()
    for name in ("10-mystery-a-death.md", "mystery-death.json"):
        shutil.copyfile(EXERCISES / name, folder / name)
    lab(capsys, "start", "--labs", str(folder))

    assert "all labs are solved" in lab(capsys, "check", "0x60000030", "cmdline_paddr", "0x3fffffc0")
    assert "`pvhdbg lab start N` repeats one." in lab(capsys, "list", "--labs", str(folder))


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (["hint"], "no lab was started"),
        (["check"], "no lab was started"),
        (["list", "1"], "`pvhdbg lab list` takes no arguments"),
        (["start", "1", "2"], "one lab at a time"),
        (["grade", "2"], "`pvhdbg lab grade` takes a lab and files"),
        (["grade", "1", "a.json"], "lab 1 takes words, not files"),
        (["grade", "2", "a.json", "-m", "1G"], "`pvhdbg lab grade` takes no options about the boot"),
        (["grade", "99", "a.json"], 'no such lab: "99"'),
        (["tsart"], "invalid choice: 'tsart'"),
        (["list", "--labs", "/nonexistent"], "/nonexistent: No such file or directory"),
    ],
)
def test_a_mistake_is_one_line(words: list[str], error: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert error in lab(capsys, *words, status=2).splitlines()[0]


def test_the_number_of_answers_is_checked_before_anything_starts(capsys: pytest.CaptureFixture[str]) -> None:
    lab(capsys, "start", "1")
    assert "this lab asks for 3 answers, not 1\n  hint: see `pvhdbg lab start 1`" in lab(capsys, "check", "1", status=2)
    lab(capsys, "start", "13")
    assert "this lab takes one kernel" in lab(capsys, "check", status=2)


def test_a_lab_that_takes_options_rejects_a_word_that_is_not_a_file(capsys: pytest.CaptureFixture[str]) -> None:
    lab(capsys, "start", "4")
    told = lab(capsys, "check", "5", status=2)

    assert "error: 5: no such file, and not an option" in told
    assert "hint: this lab takes options such as --set, or recordings of its boots; see `pvhdbg lab start 4`" in told


def test_a_recording_cannot_be_opened_with_other_boot_data(capsys: pytest.CaptureFixture[str]) -> None:
    lab(capsys, "start", "10")

    assert "this lab is about a recording" in lab(capsys, "open", "--set", "start_info.magic=0", status=2)
    assert "died: triple fault" in lab(capsys, "open")


def test_a_teachers_labs_are_remembered_with_their_folder(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "1-follow-ebx.md").write_text(GOOD, "utf-8")
    lab(capsys, "start", "1", "--labs", str(folder))

    assert "One." in lab(capsys, "hint")
    assert "1 hint" in lab(capsys, "progress", "--labs", str(folder))
    assert "1 hint" not in lab(capsys, "progress")
    (folder / "1-follow-ebx.md").unlink()
    assert "no Markdown files" in lab(capsys, "hint", status=2)


def test_what_a_class_hands_in_is_checked_at_once(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, state: Path
) -> None:
    (tmp_path / "bob\x1b[2J.json").write_text('{"format": 1}', "utf-8")
    names = ["the-wrong-number.json", "no-map.json"]
    files = [*(str(BOOTS / name) for name in names), str(tmp_path / "bob\x1b[2J.json"), str(tmp_path / "none")]
    lines = lab(capsys, "grade", "2", *files, status=1).splitlines()
    alice, other, bob, missing, _, end = (" ".join(line.split()) for line in lines)

    assert alice.endswith("the-wrong-number.json solved")
    assert "no-map.json not yet true: " in other
    assert "\x1b" not in bob
    assert " error: not a pvhdbg recording: format is not" in bob
    assert missing.endswith(" error: not a recording")
    assert f"1 of 4 solve lab 2: {LABS[1].title}" == end
    assert not state.exists()
    assert "1 of 1 solve" in lab(capsys, "grade", "the-wrong-number", files[0])
    assert "error: this lab takes 2 recordings" in lab(capsys, "grade", "12", files[0], status=1)


@pytest.mark.parametrize("stored", ["[]", '{"labs": 1, "current": 1}', '{"labs": {"follow-ebx": {"hints": -1}}}', "{"])
def test_a_damaged_state_file_counts_as_nothing(stored: str, capsys: pytest.CaptureFixture[str], state: Path) -> None:
    state.parent.mkdir()
    state.write_text(stored, "utf-8")

    assert f"0 of {len(LABS)} solved" in lab(capsys)
    lab(capsys, "start", "1")
    assert "Hint 1 of 3" in lab(capsys, "hint")
