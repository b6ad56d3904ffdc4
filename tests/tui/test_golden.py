"""Whole screens as text. After an intended change, update the files with `python -m tests.tui.test_golden`."""

from __future__ import annotations

from pathlib import Path

import pytest

from pvhdbg.checks.finding import Finding
from pvhdbg.live.debuggee.code import Code, CodeLine
from pvhdbg.live.instructions.next_instruction import Access, NextInstruction
from pvhdbg.tui.screen import state
from pvhdbg.tui.screen.state import Run, Screen
from tests.tui import screens
from tests.tui.screens import STACK, at

FOLDER = Path(__file__).parent / "golden"
SOURCE = (
    "void __init xen_prepare_pvh(void)",
    "{",
    "\tu32 msr = xen_cpuid_base();",
    "\tbool xen_guest = !!msr;",
    "",
    "\tif (pvh_start_info.magic != XEN_HVM_START_MAGIC_VALUE)",
    "\t\tBUG();",
)
CODE = Code(
    "arch/x86/platform/pvh/enlighten.c",
    tuple(CodeLine(line, None, number, number == 120, number == 125) for number, line in enumerate(SOURCE, 119)),
)
FINDINGS = (
    STACK,
    Finding("PVH205", "info", "memory_map.entries[5]: an empty range", "memory_map.entries[5]", 0xEFC98),
)
OUTPUT = ("(gdb) p/x pvh_start_info.magic", "$1 = 0x336ec578", "")
CALL = NextInstruction(
    0xFFFFFFFF8305A1FF,
    "callq 0xffffffff8106b730",
    (Access(0x3112360, 8, is_read=False, is_written=True, data=bytes(8)),),
)
HERE = at("prepare", findings=FINDINGS, code=CODE, output=OUTPUT, next=CALL)

SCREENS: dict[str, tuple[Screen, tuple[int, int]]] = {
    "start_info": (HERE, (80, 24)),
    "start_info-large": (HERE.at(7), (120, 40)),
    "memory": (HERE._replace(view="memory"), (120, 40)),
    "past-ascii": (at("e820", past=0, ascii=True, focus=state.VIEW), (80, 24)),
    "died": (
        HERE._replace(
            view="findings",
            run=Run(state.DEAD, how="triple-fault", rip=0xFFFFFFFF8305A2B3, symbol="xen_prepare_pvh+0xb4"),
        ),
        (80, 24),
    ),
    "boot_params": (at("bootparams", "boot_params", findings=FINDINGS, focus=state.VIEW).at(5), (80, 24)),
}


@pytest.mark.parametrize("name", SCREENS)
def test_the_screen_is_unchanged(name: str) -> None:
    assert (FOLDER / f"{name}.txt").read_text() == screens.text(*SCREENS[name]) + "\n"


def draw() -> None:
    FOLDER.mkdir(exist_ok=True)
    for name, (screen, size) in SCREENS.items():
        (FOLDER / f"{name}.txt").write_text(screens.text(screen, size) + "\n")


if __name__ == "__main__":
    draw()
