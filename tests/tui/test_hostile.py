"""Guests, files and programs that try to break the screen."""

from __future__ import annotations

import pytest

from pvhdbg.boot.stop.capture import Capture
from pvhdbg.checks.finding import Finding
from pvhdbg.live.debuggee.code import Code, CodeLine
from pvhdbg.tui.screen import state
from pvhdbg.tui.screen.state import Bytes, Entry, Popup, Run, StageMark, Title
from tests import build
from tests.tui import screens
from tests.tui.screens import SIZES, VIEWS

EVIL = "\x1b[2J\x9b31m\r\n\x07\u202e\u200b日本\U0001f600\x00" * 3
TOO_MANY = 16384
LONGEST = 65536


NOISES = {"random": None, "all ones": 0xFF, "all zeros": 0}


def large() -> Capture:
    """Return a guest that reaches every limit: map entries, modules, and a command line of escape sequences."""
    guest = build.linux_guest()
    guest.put(0x8000000, build.memmap([(at << 20, 0x110000, 1 + at % 20) for at in range(TOO_MANY)]))
    guest.put(0xA000000, b"\x1b[2J" * (LONGEST // 4) + b"\0")
    guest.put(0xB000000, build.modlist(*((at << 12, 1 << 63, 0xA000000, 1 << 40) for at in range(16))))
    fields = {
        "nr_modules": 16,
        "modlist_paddr": 0xB000000,
        "cmdline_paddr": 0xA000000,
        "memmap_paddr": 0x8000000,
        "memmap_entries": TOO_MANY,
    }
    guest.put(build.START_INFO, build.start_info(**fields))
    return guest.at("entry")


@pytest.mark.parametrize("noise", NOISES)
@pytest.mark.parametrize("stage", ["prepare", "bootparams", "e820"])
def test_a_guest_full_of_noise_fills_the_screen_exactly(stage: str, noise: str) -> None:
    capture = build.capture_target(build.RandomTarget(1, NOISES[noise]), stage)
    for view in VIEWS:
        for size in ((60, 16), SIZES[-1]):  # the smallest and the largest
            screens.check(screens.of(capture, view, unfolded=view == "boot_params").at(3), size)


def test_a_guest_that_reaches_every_limit_is_shown() -> None:
    capture = large()
    for view in VIEWS:
        for size in (SIZES[0], SIZES[-1]):
            for cursor in (0, 10, TOO_MANY):
                screens.check(screens.of(capture, view).at(cursor), size)

    assert f"[{TOO_MANY - 1}]" in screens.text(screens.of(capture, "memory").at(TOO_MANY + 9))


@pytest.mark.parametrize("size", SIZES)
def test_control_characters_and_wide_characters_are_escaped_everywhere(size: tuple[int, int]) -> None:
    evil = Finding(EVIL, "error", EVIL, EVIL, 1 << 70)
    screen = screens.at(
        "prepare",
        title=Title(EVIL, EVIL),
        run=Run(state.DEAD, EVIL, how=EVIL, rip=1 << 64, symbol=EVIL),
        stages=(StageMark(EVIL, EVIL),),
        findings=(evil, evil._replace(field="start_info.magic"), evil._replace(field="", at=None)),
        old_values={"pvh_start_info.magic": EVIL, "": 1, EVIL: EVIL},
        code=Code(EVIL, (CodeLine(EVIL, 1 << 64), CodeLine(EVIL, None, 9, True, True))),
        bytes=Bytes((1 << 64) - 8, bytes(range(256)), (1 << 64) - 8, EVIL, (0, 1 << 70)),
        serial=(EVIL,) * 30,
        output=(EVIL,) * 30,
        symbols=EVIL,
        message=EVIL,
        queued=10**30,
    )
    for view in VIEWS:
        screens.check(screen._replace(view=view), size)
    screens.check(screen._replace(entry=Entry(EVIL, EVIL)), size)
    screens.check(screen._replace(popup=Popup(EVIL, -1)), size)
    screens.check(screen._replace(popup=Popup("chain", -1, (EVIL,) * 30, 28)), size)


def test_escape_sequences_in_the_command_line_are_escaped() -> None:
    assert r"\x1b[2J\x1b[2J" in screens.text(screens.of(large()), (120, 40))


def test_cursors_and_scroll_positions_out_of_range_are_harmless() -> None:
    for view in VIEWS:
        for number in (-(1 << 70), -1, 1 << 70):
            screen = screens.at("prepare", view, output_top=number, text_tops={view: number}, serial=("a",) * 9)
            screens.check(screen.at(number, number), (80, 24))
