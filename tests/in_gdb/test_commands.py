"""Each command of the table, in gdb and with the shell's -c, on the same boot."""

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
"""The shell's heading above each of several answers."""

AT_A_STAGE = tuple(name for name, command in COMMANDS.items() if "@STAGE" in command.takes and name != "diff")
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
"""Commands that run or change the machine. Each line gets its own boot, stopped at the entry."""
REFUSED = {
    "who start_info.magic": "`who` boots the guest again, so it needs a machine that pvhdbg starts",
    "back": "can't go back: only pvhdbg's screen takes snapshots (start `pvhdbg KERNEL` on a terminal)",
}
"""Commands that need pvhdbg's own machine, and their error in gdb."""

KERNELS = {
    "teaching": stages.NAMES,
    "6.1": ("prepare", "bootparams", "e820"),
    "6.12": ("entry", "bootparams", "kernel"),
    "6.1-686": ("entry", "prepare", "bootparams", "e820"),
}


class Answers(NamedTuple):
    """Answers in gdb and in the shell, by stage and line."""

    gdb: dict[str, str]
    shell: dict[str, str]


def lines_at(stage: str) -> tuple[str, ...]:
    """Return the lines to run at a stage."""
    return (*AT_A_STAGE, *AT[stage], *OTHERS)


def run_in_shell(folder: Path, kernel: Path, stage: str, lines: tuple[str, ...]) -> list[str]:
    """Return the answers of `pvhdbg dump -c`."""
    words = [word for line in lines for word in ("-c", line)]
    done = pvhdbg("dump", kernel, "--stage", stage, *words, "--", *QBOOT, cwd=folder)
    assert (0, "") == (done.status, done.err)
    return [answer.strip("\n") for answer in HEADING.split(done.out)[1:]]


def by_line(stage: str, lines: tuple[str, ...], answers: list[str]) -> dict[str, str]:
    """Return the answers by stage, number of the line, and line. The number is there because a line may occur twice."""
    pairs = zip(lines, answers, strict=True)
    return {f"{stage}: {number} {line}": text for number, (line, text) in enumerate(pairs)}


def run_in_both(folder: Path, kernel: Path, names: tuple[str, ...] = stages.NAMES) -> Answers:
    """Run through all stages once in gdb. In the shell, start again for each stage."""
    gdb_folder, shell_folder = folder / "gdb", folder / "shell"
    gdb_folder.mkdir()
    shell_folder.mkdir()
    answers = Answers({}, {})
    lines = [f"pvh {line}" for stage in names for line in (f"run-to {stage}", *lines_at(stage))]
    binary = qemu_binary(read_facts(str(kernel)), linux=True)
    with stock.qemu(folder, kernel, binary=binary) as machine:
        output = stock.pvh(gdb_folder, machine, *lines, symbols=kernel)
    assert [] == output.errors
    texts = iter(output.texts)
    for stage in names:
        next(texts)
        here = lines_at(stage)
        answers.gdb.update(by_line(stage, here, [next(texts).strip("\n") for _ in here]))
        answers.shell.update(by_line(stage, here, run_in_shell(shell_folder, kernel, stage, here)))
    return answers


@pytest.fixture(scope="module", params=KERNELS)
def both(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Answers:
    try:
        kernel = guest.ELF if request.param == "teaching" else kernels.vmlinux(request.param)
    except kernels.MissingError as error:
        pytest.skip(str(error))
    return run_in_both(tmp_path_factory.mktemp("boot"), kernel)


def test_gdb_gives_the_same_answers_as_the_shell_at_every_stage(both: Answers) -> None:
    assert both.shell == both.gdb


def test_every_command_of_the_table_is_tested() -> None:
    tested = {line.split()[0] for stage in stages.NAMES for line in lines_at(stage)}
    changing = {line.split()[0] for lines in CHANGING for line in lines}

    assert set(COMMANDS) == tested | changing | {line.split()[0] for line in REFUSED}


def test_a_command_that_needs_pvhdbgs_own_machine_says_so_in_gdb(tmp_path: Path) -> None:
    with stock.qemu(tmp_path, guest.ELF) as machine:
        lines = ("run-to entry", *REFUSED)
        output = stock.pvh(tmp_path, machine, *(f"pvh {line}" for line in lines), symbols=guest.ELF)

    assert [*REFUSED.values()] == output.errors


@pytest.mark.parametrize("lines", CHANGING, ids=", ".join)
def test_a_command_that_runs_or_changes_the_machine_answers_alike_in_gdb_and_in_the_shell(
    lines: tuple[str, ...], tmp_path: Path
) -> None:
    with stock.qemu(tmp_path, guest.ELF) as machine:
        all_lines = ("run-to entry", *lines, "info", "check")
        output = stock.pvh(tmp_path, machine, *(f"pvh {line}" for line in all_lines), symbols=guest.ELF)

    assert [] == output.errors
    assert run_in_shell(tmp_path, guest.ELF, "entry", all_lines[1:]) == [text.strip("\n") for text in output.texts[1:]]


def test_gdb_and_the_shell_write_the_same_recording(tmp_path: Path) -> None:
    with stock.qemu(tmp_path, guest.ELF) as machine:
        output = stock.pvh(tmp_path, machine, "pvh run-to e820", "pvh dump gdb.json", symbols=guest.ELF)
    done = pvhdbg("dump", guest.ELF, "-o", "shell.json", "--", *QBOOT, cwd=tmp_path)

    assert ([], 0) == (output.errors, done.status)
    in_gdb, in_shell = (json.loads((tmp_path / name).read_text()) for name in ("gdb.json", "shell.json"))
    for stop in (*in_gdb["stops"], *in_shell["stops"]):  # gdb has no access to the serial console
        stop["missing"].pop("serial", None)
        stop["serial"] = None
    assert {**in_shell, "machine": in_gdb["machine"]} == in_gdb
    assert in_shell["machine"]["qemu"] == in_gdb["machine"]["qemu"]


@pytest.mark.parametrize("name", COMMANDS)
def test_an_open_recording_answers_alike_in_gdb_and_in_the_shell(name: str, tmp_path: Path) -> None:
    shutil.copy(ROOT / "tests/recordings/teaching-guest.json", tmp_path / "boot.json")
    line = COMMANDS[name].example
    output = stock.gdb(tmp_path, f"source {stock.SCRIPT}", "pvh open boot.json", f"pvh {line}")
    done = pvhdbg("show", "boot.json", "-c", line, cwd=tmp_path)

    if output.errors:
        assert done.err.startswith(f"pvhdbg: error: {output.errors[0].partition(' (')[0]}\n")
    else:
        assert done.out == output.last
