"""A guest that runs on, and then panics or halts for good, is stopped, and the user's breakpoints stay."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from pvhdbg import guest
from pvhdbg.boot.record.document import HALTED, PANICKED, TIMED_OUT
from pvhdbg.live.back.going_back import RewindableDebuggee
from pvhdbg.live.debuggee.own_machine import OwnMachine
from pvhdbg.live.gdb import breakpoints
from tests import tiny
from tests.live.runs import rewindable
from tests.qboot import QBOOT

NO_RAM = ["memory_map.entries[4].type=2"]
"""What `--set` changes so that a guest that qboot boots has no RAM above 1 MiB."""

NO_MAP = "memmap=exactmap memmap=16M@0"
"""A command line with which Linux panics: the memory of the kernel is not in its map."""


@pytest.fixture
def own() -> Iterator[OwnMachine]:
    with OwnMachine() as machine:
        yield machine


def resume(debuggee: RewindableDebuggee, how: str) -> str:
    """Resume the guest with F5 or by a typed line. Return what gdb prints."""
    printed: list[str] = []
    debuggee.machine.gdb.on_text = printed.append
    if how == "F5":
        debuggee.resume("continue")
    else:
        debuggee.console(how, lambda: None)
    return "".join(printed)


@pytest.mark.parametrize("how", ["F5", "continue", 'python gdb.execute("continue")'])
def test_a_guest_that_halts_for_good_is_stopped_and_can_go_back(own: OwnMachine, how: str) -> None:
    debuggee = rewindable(own, guest.ELF, NO_RAM, args=QBOOT)
    debuggee.load_symbols()
    debuggee.console("hbreak *0x10", lambda: None)
    known = breakpoints.read(own.gdb)
    printed = resume(debuggee, how)
    ended = debuggee.session.ended

    assert ended is not None
    assert ended.watched is not None
    assert HALTED == ended.watched.ended
    assert ("panic: the memory map has no RAM above 1 MiB", "halting") == ended.watched.serial[-2:]
    assert (ended.watched.symbol or "").startswith("halt+")
    assert ended == debuggee.session.document().outcome
    assert known == breakpoints.read(own.gdb)
    assert "SIGINT" not in printed

    assert "prepare" == debuggee.back(None).stage
    assert debuggee.session.ended is None


def test_a_halt_on_the_way_to_a_stage_names_the_stage(own: OwnMachine, tmp_path: Path) -> None:
    kernel = tmp_path / "halting.elf"
    kernel.write_bytes(tiny.halting())
    debuggee = rewindable(own, kernel, [])
    position = debuggee.to_stage("bootparams")
    ended = debuggee.session.ended

    assert "the guest halted with interrupts disabled on the way to stage bootparams" == position.remark
    assert ended is not None
    assert ended.watched is not None
    assert (TIMED_OUT, "bootparams", HALTED) == (ended.ended, ended.waited_for, ended.watched.ended)


@pytest.mark.parametrize("console", ["earlyprintk=ttyS0", ""])
def test_a_panic_is_noticed_with_and_without_a_console(own: OwnMachine, debian_vmlinux: Path, console: str) -> None:
    debuggee = rewindable(own, debian_vmlinux, [], append=f"{NO_MAP} {console}", memory="128M")
    for address in (0x10, 0x20, 0x30, 0x40):  # as many as KVM has
        debuggee.console(f"hbreak *{address:#x}", lambda: None)
    known = breakpoints.read(own.gdb)
    resume(debuggee, "F5")
    ended = debuggee.session.ended

    assert ended is not None
    assert ended.watched is not None
    assert PANICKED == ended.watched.ended
    assert "Invalid user supplied memory map" == ended.watched.message
    assert (ended.watched.symbol or "").startswith(("e820__finish_early_params+", "early_panic+"))
    assert bool(ended.watched.serial) == bool(console)
    assert known == breakpoints.read(own.gdb)
    assert "prepare" == debuggee.back(None).stage


def test_a_guest_in_real_mode_was_not_reset(own: OwnMachine, tmp_path: Path) -> None:
    kernel = tmp_path / "real.elf"
    kernel.write_bytes(tiny.halting_in_real_mode())
    debuggee = rewindable(own, kernel, [])
    debuggee.resume("continue")
    position = debuggee.position()

    assert "real16" == position.capture.cpu_mode
    assert ["entry", "prepare"] == [capture.stage for capture in debuggee.journey.history]
    assert [] == debuggee.journey.take_news()
    assert "16-bit instructions" == debuggee.code_at_rip("real16").title
    assert "prepare" == debuggee.back(None).stage
