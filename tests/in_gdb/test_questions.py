"""Each command of the table, asked in gdb and by the shell's -c on the same boot."""

from __future__ import annotations

import json
import re
import shutil
from typing import TYPE_CHECKING, NamedTuple

import pytest

from pvhdbg import guest
from pvhdbg.boot.stop import stages
from pvhdbg.commands import COMMANDS
from pvhdbg.image.facts import read_facts
from pvhdbg.live.qemu.options import qemu_binary
from tests import kernels
from tests.cli.shell import pvhdbg
from tests.in_gdb import stock
from tests.paths import ROOT
from tests.qboot import QBOOT

if TYPE_CHECKING:
    from pathlib import Path

HEADING = re.compile(r"(?:\A|\n\n)== .*\n")
"""Above each answer of the shell, where there are several."""

QUESTIONS = tuple(name for name, each in COMMANDS.items() if "@STAGE" in each.takes and name != "diff")
OTHERS = (
    *("stages", "explain", "explain memmap_paddr", "help", "help start-info", "code 0x1000000", "start-info 0xf31e0"),
    *("dump boot.json", "open boot.json", "info", "open"),
)
AT = {
    "entry": ("start-info $rbx", "code $rip + 1", "info @entry"),
    "prepare": ("diff", "start-info pvh_start_info", "code xen_prepare_pvh", "cpu @entry"),
    "bootparams": (
        "diff",
        "diff entry",
        "bootparams hdr.version e820_entries",
        "memmap @entry",
        "code $rsp - $rsp + 16",
    ),
    "kernel": ("diff", "bootparams hdr", "map @prepare"),
    "e820": ("diff", "diff bootparams", "e820 @kernel", "check @entry"),
}
CHANGING = (
    ("next-stage",),
    ("run-to prepare",),
    ("run-to bootparams",),
    ("set start_info.nr_modules 3", "protocol v0"),
)
"""Asked at the entry, each by itself."""

KERNELS = {
    "teaching": stages.NAMES,
    "6.1": ("prepare", "bootparams", "e820"),
    "6.12": ("entry", "bootparams", "kernel"),
    "6.1-686": ("entry", "prepare", "bootparams", "e820"),
}


class Answers(NamedTuple):
    """By stage and line: gdb's, and the shell's."""

    gdb: dict[str, str]
    shell: dict[str, str]


def lines_at(stage: str) -> tuple[str, ...]:
    """What is asked there."""
    return (*QUESTIONS, *AT[stage], *OTHERS)


def asked_by_shell(folder: Path, kernel: Path, stage: str, lines: tuple[str, ...]) -> list[str]:
    """What `pvhdbg dump` answers."""
    words = [word for line in lines for word in ("-c", line)]
    done = pvhdbg("dump", kernel, "--stage", stage, *words, "--", *QBOOT, cwd=folder)
    assert (0, "") == (done.status, done.err)
    return [each.strip("\n") for each in HEADING.split(done.out)[1:]]


def by_line(stage: str, lines: tuple[str, ...], answers: list[str]) -> dict[str, str]:
    """Answers by what was asked, with its number: something may be asked twice."""
    asked = zip(lines, answers, strict=True)
    return {f"{stage}: {number} {line}": text for number, (line, text) in enumerate(asked)}


def asked_by_both(folder: Path, kernel: Path, of: tuple[str, ...] = stages.NAMES) -> Answers:
    """Go through the stages once in gdb, and to each of them from the shell."""
    ours, shells = folder / "gdb", folder / "shell"
    ours.mkdir()
    shells.mkdir()
    answers = Answers({}, {})
    lines = [f"pvh {line}" for stage in of for line in (f"run-to {stage}", *lines_at(stage))]
    binary = qemu_binary(read_facts(str(kernel)), linux=True)
    with stock.qemu(folder, kernel, binary=binary) as machine:
        told = stock.pvh(ours, machine, *lines, symbols=kernel)
    assert [] == told.errors
    texts = iter(told.texts)
    for stage in of:
        next(texts)
        here = lines_at(stage)
        answers.gdb.update(by_line(stage, here, [next(texts).strip("\n") for _ in here]))
        answers.shell.update(by_line(stage, here, asked_by_shell(shells, kernel, stage, here)))
    return answers


@pytest.fixture(scope="module", params=KERNELS)
def both(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Answers:
    try:
        kernel = guest.ELF if request.param == "teaching" else kernels.vmlinux(request.param)
    except kernels.MissingError as error:
        pytest.skip(str(error))
    return asked_by_both(tmp_path_factory.mktemp("boot"), kernel)


def test_gdb_answers_every_question_as_the_shell_does_at_every_stage(both: Answers) -> None:
    assert both.shell == both.gdb


def test_every_command_of_the_table_is_asked_in_gdb_and_in_the_shell() -> None:
    asked = {line.split()[0] for stage in stages.NAMES for line in lines_at(stage)}
    changing = {line.split()[0] for lines in CHANGING for line in lines}

    assert set(COMMANDS) == asked | changing


@pytest.mark.parametrize("lines", CHANGING, ids=", ".join)
def test_what_moves_or_changes_the_machine_says_in_gdb_what_it_says_in_the_shell(
    lines: tuple[str, ...], tmp_path: Path
) -> None:
    with stock.qemu(tmp_path, guest.ELF) as machine:
        asked = ("run-to entry", *lines, "info", "check")
        told = stock.pvh(tmp_path, machine, *(f"pvh {line}" for line in asked), symbols=guest.ELF)

    assert [] == told.errors
    assert asked_by_shell(tmp_path, guest.ELF, "entry", asked[1:]) == [text.strip("\n") for text in told.texts[1:]]


def test_a_recording_written_in_gdb_is_the_one_that_the_shell_writes(tmp_path: Path) -> None:
    with stock.qemu(tmp_path, guest.ELF) as machine:
        told = stock.pvh(tmp_path, machine, "pvh run-to e820", "pvh dump gdb.json", symbols=guest.ELF)
    done = pvhdbg("dump", guest.ELF, "-o", "shell.json", "--", *QBOOT, cwd=tmp_path)

    assert ([], 0) == (told.errors, done.status)
    gdbs, shells = (json.loads((tmp_path / name).read_text()) for name in ("gdb.json", "shell.json"))
    assert {**shells, "machine": gdbs["machine"]} == gdbs
    assert shells["machine"]["qemu"] == gdbs["machine"]["qemu"]


@pytest.mark.parametrize("name", COMMANDS)
def test_a_recording_that_is_open_answers_in_gdb_as_in_the_shell(name: str, tmp_path: Path) -> None:
    shutil.copy(ROOT / "tests/recordings/teaching-guest.json", tmp_path / "boot.json")
    line = COMMANDS[name].example
    told = stock.gdb(tmp_path, f"source {stock.SCRIPT}", "pvh open boot.json", f"pvh {line}")
    done = pvhdbg("show", "boot.json", "-c", line, cwd=tmp_path)

    if told.errors:
        assert done.err.startswith(f"pvhdbg: error: {told.errors[0].partition(' (')[0]}\n")
    else:
        assert done.out == told.last
