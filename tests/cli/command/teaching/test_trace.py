"""`pvhdbg trace` on a real machine: gdb, which steps another one, sees the same registers and memory."""

from __future__ import annotations

import gzip
import re
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from pvhdbg import guest
from pvhdbg.boot.record import trace as traces
from pvhdbg.boot.record.replay import load
from pvhdbg.tui.app.start import recording_screen
from pvhdbg.tui.events.steps import show_step
from pvhdbg.tui.screen.step_shown import step_shown
from tests.cli.shell import PATIENCE, pvhdbg
from tests.in_gdb import stock
from tests.qboot import QBOOT
from tests.traces import shipped

if TYPE_CHECKING:
    from pathlib import Path

    from pvhdbg.boot.record.document import Document

ENTRY, REPEATED = 0x1000000, 9
"""The entry, and the number of the step that copies start_info with `rep movsl`."""
COPIED = 56
SHOWN = (
    "rip",
    "rax",
    "rbx",
    "rcx",
    "rdx",
    "rsi",
    "rdi",
    "rbp",
    "rsp",
    "eflags",
    "cs",
    "ss",
    "ds",
    "es",
    "cr0",
    "cr3",
    "cr4",
)
_VALUE = re.compile(r"(\w+) +(0x[0-9a-f]+)")


@pytest.fixture(scope="module")
def traced(tmp_path_factory: pytest.TempPathFactory) -> Document:
    """Return the recording of the teaching guest's way to prepare: 25 instructions, of which one is repeated."""
    path = tmp_path_factory.mktemp("trace") / "trace.json"
    done = pvhdbg("trace", "--stage", "prepare", "-o", path, "--", *QBOOT)

    assert (0, f"wrote {path}: 25 instructions from entry to prepare; it reached its last stage\n") == (
        done.status,
        done.out,
    )
    return load(path)


def test_gdb_steps_through_the_same_registers_and_memory(traced: Document, tmp_path: Path) -> None:
    trace = traced.trace
    assert trace is not None
    behind = trace.code[trace.steps[REPEATED + 1].code].rip
    show = f"info registers {' '.join(SHOWN)}"
    lines = [f"hbreak *{ENTRY:#x}", "continue", "delete", show]
    for index in range(len(trace.steps)):
        # QEMU 7.2 stops gdb between two repetitions.
        lines += [f"thbreak *{behind:#x}", "continue"] if index == REPEATED else ["stepi"]
        lines.append(show)
    copy = trace.steps[REPEATED].stores[0]
    with stock.qemu(tmp_path, guest.ELF) as machine:
        answers = stock.gdb(tmp_path, f"target remote {machine.where}", *lines, f"x/{COPIED}xb {copy.paddr:#x}").answers

    shown = [dict(_VALUE.findall(answer.text or "")) for answer in answers if (answer.text or "").startswith("rip ")]
    first = traced.stops[0].registers
    for index, registers in enumerate(shown[:-1]):
        ours = trace.registers_at(first, index)
        assert {name: int(registers[name], 16) for name in SHOWN} == {name: ours[name] for name in SHOWN}, index
    assert len(trace.steps) + 1 == len(shown)
    assert copy.data == bytes(
        int(byte, 16) for line in (answers[-1].text or "").splitlines() for byte in line.split()[1:]
    )


def test_the_last_stop_has_the_registers_after_the_last_step(traced: Document) -> None:
    trace = traced.trace
    assert trace is not None
    entry, prepare = traced.stops
    end = trace.registers_at(entry.registers, len(trace.steps))

    assert (traces.DONE, {"entry": 0, "prepare": 25}) == (trace.ended, dict(trace.stops))
    assert {name: prepare.registers[name] for name in SHOWN[1:]} == {name: end[name] for name in SHOWN[1:]}
    info = prepare.pvh_start_info
    assert info is not None
    assert (info.at, bytes(info.raw)) == (trace.steps[REPEATED].stores[0].paddr, trace.steps[REPEATED].stores[0].data)


SCRIPT = """
import os, runpy, signal, sys
from pvhdbg.boot.record import trace
from pvhdbg.live.observe.tracer import Tracer
trace.MAX_STEPS, trace.MAX_STORED, at, sys.argv[1:] = *map(int, sys.argv[1:4]), sys.argv[4:]
step_once = Tracer.step_once
def interrupted(self):
    if len(self.steps) == at:
        os.kill(os.getpid(), signal.SIGINT)
    return step_once(self)
Tracer.step_once = interrupted
runpy.run_module("pvhdbg", run_name="__main__")
"""


@pytest.mark.parametrize(
    ("limits", "ended", "stages"),
    [
        ((1 << 20, 1 << 26, 400), traces.STOPPED, ["entry", "prepare"]),
        ((12, 1 << 26, -1), traces.STEPS, ["entry"]),
        ((1 << 20, 50, -1), traces.SIZE, ["entry"]),
    ],
    ids=["ctrl-c", "steps", "bytes"],
)
def test_a_trace_that_ends_early_keeps_what_was_recorded(
    tmp_path: Path, limits: tuple[int, int, int], ended: str, stages: list[str]
) -> None:
    """What it keeps is how the trace begins that comes with pvhdbg: the same instructions, registers and stores."""
    path = tmp_path / "trace.json"
    last = () if ended == traces.STOPPED else ("--stage", "prepare")
    command = ["env", "--default-signal=INT", sys.executable, "-c", SCRIPT, *map(str, limits), "trace", *last, "-o"]
    done = subprocess.run([*command, path], check=False, capture_output=True, text=True, timeout=PATIENCE)
    document = load(path)
    trace, whole = document.trace, shipped().trace
    assert trace is not None
    assert whole is not None

    assert (ended, stages) == (trace.ended, list(trace.stops)), done.stderr
    assert traces.ENDS[ended].split(",")[0].split(" has ")[0] in done.stdout
    assert [whole.code[step.code] for step in whole.steps[: len(trace.steps)]] == [
        trace.code[step.code] for step in trace.steps
    ]
    if document.machine.qemu == shipped().machine.qemu:
        assert [step[1:] for step in whole.steps[: len(trace.steps)]] == [step[1:] for step in trace.steps]
    screen = recording_screen(document, path.name)
    assert len(trace.steps) - 1 == step_shown(show_step(screen, len(trace.steps) - 1))
    assert "the end of the trace" in show_step(screen, len(trace.steps)).message


def test_the_trace_that_comes_with_pvhdbg_is_written_without_a_machine(tmp_path: Path) -> None:
    path = tmp_path / "trace.json"

    assert f"wrote {path}: see it with `pvhdbg show --tui {path}`\n" == pvhdbg("trace", "--recorded", "-o", path).out
    assert gzip.decompress(guest.TRACE.read_bytes()).decode().rstrip() == path.read_text("utf-8").rstrip()
    assert 2 == pvhdbg("trace", "--recorded", "--stage", "e820", "-o", path).status
    whole = shipped().trace
    assert whole is not None
    assert {"entry": 0, "prepare": 25, "bootparams": 5578, "kernel": 5588, "e820": 47719}.keys() == whole.stops.keys()


def test_what_cannot_be_traced_is_refused_before_anything_starts(tmp_path: Path) -> None:
    path = tmp_path / "trace.json"

    assert "can't be used with --xen" in pvhdbg("trace", "--xen", "-o", path).err
    assert "can't be used with --accel kvm" in pvhdbg("trace", "--accel", "kvm", "-o", path).err
    assert not path.exists()
