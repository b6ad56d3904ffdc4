"""A mistake in a lab's file is one line with the file and the line."""

from __future__ import annotations

import re
import textwrap
from typing import TYPE_CHECKING

import pytest

from pvhdbg.boot.record.replay import load
from pvhdbg.cli import main
from pvhdbg.cli.command.manual import PAGES_DIR
from pvhdbg.cli.command.teaching import boots
from pvhdbg.errors import UserError
from pvhdbg.teaching import values
from pvhdbg.teaching.lab import grading, lab_file

if TYPE_CHECKING:
    from pathlib import Path

GOOD = """\
---
title: A lab
about: one line
options: --set start_info.magic=0
boot: other = --vmm firecracker
---
What it is about.

## Task
goal: outcome.ended == "died"  # it dies
goal: other: "PVH102" in findings

Do it.

## Hint

One.

## Hint

Two.

## Hint

Three.

## Solution
check: --set start_info.magic=1

So.
"""
MISTAKES = {
    ("title: A lab\n", ""): ":1: title is missing",
    ("about: one line", "color: red"): ":3: unknown key: color",
    ("options: --set start", "options: '--set start"): ":4: not options: No closing quotation",
    ("other = --vmm firecracker", "--vmm firecracker"): ":5: not a boot",
    ("boot: other = --vmm firecracker\n", ""): ":10: unknown boot: other",
    ("about: one line", "kernel: mine"): ":3: unknown kernel",
    ("about: one line", "recording: ../x.json"): ":3: no such recording in the lab's folder: ../x.json",
    ("about: one line", "recording: none.json"): ":3: no such recording in the lab's folder: none.json",
    ("## Task\n", "## Job\n"): ":9: unknown section: Job",
    ("## Hint\n\nTwo.\n", ""): ":1: 2 sections `## Hint` instead of 3",
    ("## Hint\n\nTwo.\n", "## Hint\n\nTwo.\n\n## Hint\n\nMore.\n"): ":27: 4 sections `## Hint` instead of 3",
    ("Two.\n", ""): ":19: no text below `## Hint`",
    ("goal: outcome", "aim: outcome"): ":10: unknown key: aim",
    ("other: ", "third: "): ":11: unknown boot: third",
    ("outcome.ended ==", "outcom.ended =="): ":10: unknown name: outcom",
    ('outcome.ended == "died"', "outcome.ended"): ":10: not a comparison: outcome.ended",
    ('"PVH102" in findings', "__import__('os')"): ":11: not a comparison: __import__('os')",
    ('"PVH102" in findings', "eval == 1"): ":11: unknown name: eval",
    ('"PVH102" in findings', "1 == ("): ":11: not an expression: 1 == (",
    ("goal: outcome", "answer: start_info.paddr\ngoal: outcome"): ":9: several kinds of answers",
    ('goal: outcome.ended == "died"  # it dies\ngoal: other: "PVH102" in findings\n', ""): ":9: nothing to check",
    ("check: --set start_info.magic=1\n", ""): ":1: the solution has no check",
}
FORBIDDEN = {
    "--qemu /bin/sh": "the lab's options: --qemu",
    "--gdb /bin/sh": "the lab's options: --gdb",
    "--mi-log /tmp/x": "the lab's options: --mi-log",
    "-i ../../secret": "the lab's options: no such file in the lab's folder: ../../secret",
    "--labs /": "the lab's options: --labs",
    "--no-such-option": "the lab's options: unrecognized arguments: --no-such-option",
    "-- -drive file=/etc/passwd": "the lab's options: not an option: -drive",
    "hint": "the lab's options: not an option: hint",
    "--help": "the lab's options: an option that only prints something",
    "--vmm-list": "the lab's options: an option that only prints something",
}


def read(folder: Path, text: str) -> lab_file.Lab:
    (folder / "1-lab.md").write_text(text, "utf-8")
    return lab_file.read_all(folder)[0]


def test_a_lab_has_what_its_file_says(tmp_path: Path) -> None:
    lab = read(tmp_path, GOOD)

    assert ("lab", "A lab", "one line", "What it is about.", "Do it.") == (
        lab.name,
        lab.title,
        lab.about,
        lab.intro,
        lab.task,
    )
    assert (("One.", "Two.", "Three."), ("--set start_info.magic=1",)) == (lab.hints, lab.checks)
    assert [("boot", "it dies"), ("other", '"PVH102" in findings')] == [(goal.boot, goal.words) for goal in lab.goals]
    assert {"other": ("--vmm", "firecracker")} == lab.boots


@pytest.mark.parametrize(("old", "new"), MISTAKES)
def test_a_mistake_is_reported_with_its_line(old: str, new: str, tmp_path: Path) -> None:
    assert 1 == GOOD.count(old)
    with pytest.raises(UserError) as caught:
        read(tmp_path, GOOD.replace(old, new))

    assert str(caught.value).startswith(f"{tmp_path}/1-lab.md{MISTAKES[old, new]}")


@pytest.mark.parametrize("options", FORBIDDEN)
def test_a_lab_from_anyone_starts_only_a_machine(
    options: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    folder = tmp_path / "labs"
    folder.mkdir()
    (folder / "1-lab.md").write_text(GOOD.replace("--set start_info.magic=0", options), "utf-8")
    assert 0 == main(["lab", "start", "1", "--labs", str(folder)])

    assert 2 == main(["lab", "check"])
    assert f"pvhdbg: error: {folder}/1-lab.md:1: {FORBIDDEN[options]}" in capsys.readouterr().err


def test_the_lab_in_the_manual_works(tmp_path: Path) -> None:
    block = re.search(r"(?m)^    ---\n(?:    .*\n|\n)*?    Both are.*\n", (PAGES_DIR / "teach.md").read_text("utf-8"))
    assert block is not None
    lab = read(tmp_path, textwrap.dedent(block[0]))
    boot = values.of_document(load(boots.CHAPTERS / "boot.json"))
    right = values.filled_in(lab.checks[0], boot, "entry").split()

    assert ("-a", "console=ttyS0 lesson=1") == lab.options
    assert [] == grading.wrong_answers(lab, right, boot)
    assert 2 == len(grading.wrong_answers(lab, ["1", "2"], boot))


def test_options_of_the_student_may_be_before_the_action(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The lab's options are not inserted between an option and its value."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    folder = tmp_path / "labs"
    folder.mkdir()
    (folder / "1-lab.md").write_text(GOOD.replace("--set start_info.magic=0", "-i missing"), "utf-8")
    assert 0 == main(["lab", "--labs", str(folder), "start", "1"])

    assert 2 == main(["lab", "--labs", str(folder), "check"])
    assert f"pvhdbg: error: {folder}/missing: No such file or directory" in capsys.readouterr().err
