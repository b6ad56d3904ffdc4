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
from pvhdbg.cli.command.manual import PAGES_DIR
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
SET_BEFORE = 'pvh_map_source = "the memmap table"'
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


@pytest.mark.parametrize(
    ("word", "why"),
    [("pvh_start_xen+0x42", "(found: registers.cr0 @ after >> 31 & 1 is 0)"), ("start_kernel+1", "execute")],
)
def test_another_instruction_is_wrong(word: str, why: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert 0 == main(["lab", "start", "paging"])

    assert 1 == main(["lab", "check", word])
    assert why in capsys.readouterr().out


def texts(lab: Lab) -> str:
    return " ".join(" ".join((lab.intro, lab.task, lab.solution, *lab.hints)).split())


def test_every_view_and_key_that_a_lab_names_is_on_the_screen() -> None:
    text = " ".join(map(texts, LABS.values()))
    named = re.findall(r"\bview `(\w+)`(?: \(key (\w)\))?", text)
    keys = {key: view.name for view in VIEWS for key in view.key}

    assert len(named) >= 4
    assert [] == [(name, key) for name, key in named if (keys[key] != name if key else name not in keys.values())]
    assert {"F6", "F11"} == {*re.findall(r"\bF\d+\b", text)}


FACTS = {
    "who-adds-a-range": {
        "from 0xd0000, in two entries": "memory_map.entries[2].addr == 0xd0000",
        "only the end": "memory_map.entries[1].addr + memory_map.entries[1].size == 0xa0000",
        "one more entry": "boot_params.e820_entries @ bootparams - start_info.memmap_entries == 1",
        "RESERVED, from 0xa0000": "boot_params.e820_table[6].addr @ bootparams == 0xa0000",
        "to 0x100000": "boot_params.e820_table[6].size @ bootparams == 0x60000",
    },
    "follow-ebx": {"the lower half of RBX": "registers.rbx == start_info.paddr"},
    "an-overlap": {
        "ACPI, 16 MiB at 0x8000000": "memory_map.entries[1].addr == 0x8000000",
        "RESERVED, 16 MiB at 0x8800000": "memory_map.entries[3].size == 0x1000000",
        "RAM from 1 MiB to 512 MiB": "memory_map.entries[4].addr + memory_map.entries[4].size == 0x20000000",
    },
    "mystery-lost-memory": {"wrong": '"PVH401" in findings'},
    "mystery-a-death": {
        "which pointer of start_info is wrong": '"PVH902" in findings',
        "48 bytes after": "registers.cr2 @ died - 0xffff888000000000 - start_info.modlist_paddr == 48",
        "passed two modules": "start_info.nr_modules == 2",
    },
    "mystery-a-count": {
        "`memmap_entries` is 258": "start_info.memmap_entries == 258",
        "in entry 4": "memory_map.entries[4].type == 1",
        "has one more": "boot_params.e820_table[2].addr @ bootparams == 0xa0000",
    },
}
"""What labs say about their machines, and what must be true for it."""


@pytest.mark.parametrize("name", FACTS)
def test_what_a_lab_says_about_its_machine_is_true(name: str) -> None:
    lab = LABS[name]
    subject = boot(PLAIN) if lab.name in LIVE else machine(lab)

    assert [] == [said for said in FACTS[name] if said not in texts(lab)]
    assert [] == [why for fact in FACTS[name].values() if (why := values.why_false(fact, subject, "entry"))]


@pytest.mark.parametrize("lab", LABS.values(), ids=LABS)
def test_the_manual_and_the_text_before_the_hints_do_not_have_the_solution(lab: Lab) -> None:
    seen = f"{(PAGES_DIR / 'labs.md').read_text('utf-8')} {lab.title} {lab.about} {lab.intro} {lab.task}"

    assert [] == [check for check in lab.checks if check in seen]
    if lab.words and not lab.asks_instruction and lab.writer is None:
        given = shlex.split(values.filled_in(lab.checks[0], machine(lab), "entry"))
        assert f"lab check {' '.join(given)}" not in seen
    changed = {match[1] for check in lab.checks for match in re.finditer(r"--set (\S+?)=", check)}
    assert [] == [path for path in changed if path in seen or path.rpartition(".")[2] in f"{lab.title} {lab.about}"]


def test_a_guest_that_halts_too_early_is_not_waited_for_and_its_last_lines_are_shown(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without `--timeout`, pvhdbg would wait for 30 s."""
    assert 0 == main(["guest", "new", str(tmp_path / "guest")])
    source = tmp_path / "guest" / "pvh.c"
    text = source.read_text("utf-8")
    early = "if (pvh_start_info.memmap_paddr >= DIRECT_MAP_SIZE) return;"
    source.write_text(text.replace(SET_BEFORE, f"{early} {SET_BEFORE}", 1), "utf-8")
    subprocess.run(["make", "-s", "-C", str(source.parent), "guest.elf"], check=True, capture_output=True)
    assert 0 == main(["lab", "start", "trust-no-pointer"])

    assert 1 == main(["lab", "check", "--timeout", "600", str(source.parent / "guest.elf")])
    written = capsys.readouterr().out
    assert "found: the guest reached the stage kernel, and then: the guest halted at " in written
    assert written.endswith(" halting\n")
    assert "boot bad: the last lines on the serial console:\n" in written
    assert re.search(r"memory map: from exception 14 at 0x\w+, error code 0x0, cr2 0x0\n", written)


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
