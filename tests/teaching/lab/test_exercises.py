"""Every lab can be solved as its solution says, and is not solved by doing nothing.

Most boots are recordings. Those labs whose answer no recording has are checked with real machines.
"""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import textwrap
from pathlib import Path

import pytest

from pvhdbg.boot.record.replay import load
from pvhdbg.cli import main
from pvhdbg.cli.command.teaching import boots
from pvhdbg.cli.command.teaching.lab import EXERCISES
from pvhdbg.guest import ELF
from pvhdbg.teaching import values
from pvhdbg.teaching.defined_boots import FIRST_BOOT
from pvhdbg.teaching.lab import grading, lab_file
from pvhdbg.teaching.lab.lab_file import Lab
from pvhdbg.teaching.values import Boot
from pvhdbg.tui.views.table import VIEWS

LABS = {lab.name: lab for lab in lab_file.read_all(EXERCISES)}
RECORDINGS = Path(__file__).with_name("boots")
PLAIN = boots.CHAPTERS / "boot.json"
SOLVED = {
    "the-wrong-number": RECORDINGS / "the-wrong-number.json",
    "no-map": RECORDINGS / "no-map.json",
    "a-pointer-too-far": boots.CHAPTERS / "died.json",
    "the-old-way": RECORDINGS / "the-old-way.json",
}
"""The boots that solve the labs whose answer is a boot of the teaching guest."""
MACHINES = {"follow-ebx": PLAIN, "an-overlap": RECORDINGS / "an-overlap.json"}
"""The boots of the machines about which the labs ask for values."""
LIVE = ("who-adds-a-range", "paging")
OWN = ("only-under-qemu", "trust-no-pointer")
FENCE = re.compile(r"```diff\n(.*?)```", re.DOTALL)


def boot(path: Path) -> Boot:
    return values.of_document(load(path))


def machine(lab: Lab) -> Boot:
    """Return a boot of the machine, or the recording, that the lab asks about."""
    return boot(lab.folder / lab.recording if lab.recording else MACHINES[lab.name])


@pytest.fixture(autouse=True)
def _state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))


def test_each_lab_is_checked_in_one_way() -> None:
    with_answers = [lab.name for lab in LABS.values() if lab.answers]

    assert sorted(LABS) == sorted([*with_answers, *SOLVED, *LIVE, *OWN])
    assert len(LABS) >= 8


@pytest.mark.parametrize("name", [lab.name for lab in LABS.values() if lab.answers])
def test_the_solution_has_the_answers_and_other_words_are_wrong(name: str) -> None:
    lab = LABS[name]
    subject = machine(lab)
    right = shlex.split(values.filled_in(lab.checks[0], subject, "entry"))

    assert [] == grading.wrong_answers(lab, right, subject)
    for number in range(len(right)):
        wrong = [*right[:number], "1234567", *right[number + 1 :]]
        assert 1 == len(grading.wrong_answers(lab, wrong, subject))


@pytest.mark.parametrize("name", SOLVED)
def test_the_boot_of_the_solution_reaches_all_goals_and_the_unchanged_one_does_not(name: str) -> None:
    solved, plain = load(SOLVED[name]), boot(PLAIN)
    paths = [change.path for change in solved.machine.rewrites]
    options = {word.partition("=")[0] for check in LABS[name].checks for word in shlex.split(check)}

    assert [] == grading.unreached_goals(LABS[name], {FIRST_BOOT: values.of_document(solved)})
    assert grading.unreached_goals(LABS[name], {FIRST_BOOT: plain})
    assert "--protocol" in options or [*paths] == [path for path in paths if path in options]


@pytest.mark.parametrize("name", SOLVED)
def test_no_lab_is_solved_by_the_solution_of_another(name: str) -> None:
    others = {other: boot(path) for other, path in SOLVED.items() if other != name}

    assert [] == [
        other for other, tried in others.items() if not grading.unreached_goals(LABS[name], {FIRST_BOOT: tried})
    ]


@pytest.mark.parametrize("lab", LABS.values(), ids=LABS)
def test_every_value_in_a_solution_exists(lab: Lab) -> None:
    has_values = any("{" in text for text in (FENCE.sub("", lab.solution), *lab.checks))

    if has_values:
        assert "{" not in values.filled_in(lab.solution, machine(lab), "entry")
    assert lab.solution


@pytest.mark.parametrize("name", LIVE)
def test_a_lab_about_the_running_machine(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    lab = LABS[name]
    assert 0 == main(["lab", "start", name])

    assert 0 == main(["lab", "check", *shlex.split(lab.checks[0])])
    assert f"Lab {lab.number} is solved." in capsys.readouterr().out


@pytest.mark.parametrize(("word", "why"), [("pvh_start_xen+0x42", "after it, bit 31"), ("start_kernel+1", "execute")])
def test_another_instruction_is_wrong(word: str, why: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert 0 == main(["lab", "start", "paging"])

    assert 1 == main(["lab", "check", word])
    assert why in capsys.readouterr().out


def test_every_view_that_a_lab_names_is_on_the_screen() -> None:
    texts = [text for lab in LABS.values() for text in (lab.intro, lab.task, lab.solution, *lab.hints)]
    named = [name for text in texts for name in re.findall(r"\bview `(\w+)`", text)]

    assert len(named) >= 4
    assert set() == {*named} - {view.name for view in VIEWS}


def solved_guest(folder: Path, lab: Lab) -> Path:
    """Build a copy of the teaching guest with the lines that the lab's solution adds."""
    diff = FENCE.search(lab.solution)
    assert diff is not None
    call = ["git", "apply", "--unidiff-zero", "-"]
    subprocess.run(call, cwd=folder, check=True, input=textwrap.dedent(diff[1]), text=True)
    subprocess.run(["make", "-s", "-C", str(folder), "guest.elf"], check=True, capture_output=True)
    return folder / "guest.elf"


@pytest.mark.parametrize("name", OWN)
def test_a_kernel_with_the_lines_of_the_solution_solves_the_lab(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lab = LABS[name]
    assert 0 == main(["guest", "new", str(tmp_path / "guest")])
    assert 0 == main(["lab", "start", name])

    assert 0 == main(["lab", "check", str(solved_guest(tmp_path / "guest", lab))])
    assert 1 == main(["lab", "check", str(ELF)])
    assert f"Lab {lab.number} is solved." in capsys.readouterr().out
    stored = json.loads((tmp_path / "state" / "pvhdbg" / "labs.json").read_text("utf-8"))
    assert stored["labs"][name]["solved"]
