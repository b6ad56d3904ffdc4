"""The screen of a trace: keys, the slider and the mouse."""

from __future__ import annotations

from functools import cache

import pytest

from pvhdbg import commands
from pvhdbg.boot.record.trace import Trace
from pvhdbg.boot.session.recorded import RecordedSession
from pvhdbg.tui.app import actions, mouse
from pvhdbg.tui.app.app import Tui
from pvhdbg.tui.app.selection import selected_row
from pvhdbg.tui.app.start import recording_screen
from pvhdbg.tui.draw import frame, targets
from pvhdbg.tui.draw.keys import IN_TRACE, impossible_now
from pvhdbg.tui.draw.layout import Size
from pvhdbg.tui.events.steps import show_step
from pvhdbg.tui.lines.line import plain
from pvhdbg.tui.screen import code_at
from pvhdbg.tui.screen.state import OUTPUT, Screen
from pvhdbg.tui.screen.step_shown import step_shown
from pvhdbg.tui.views import table
from tests.traces import shipped
from tests.tui.apps import shown
from tests.tui.screens import OURS

SIZE = Size(120, 38)
COPY, PREPARE, BOOTPARAMS = 9, 25, 5578


@cache
def start() -> Screen:
    return recording_screen(shipped(), "trace.json")


def after(*keys: str, screen: Screen | None = None) -> Screen:
    shown = screen or start()
    for key in keys:
        shown = actions.act(key, shown, SIZE)
    return shown


def lines(screen: Screen, size: Size = SIZE) -> list[str]:
    return [plain(line) for line in frame.frame(screen, *size)]


def test_left_and_right_go_by_instruction_and_every_view_follows() -> None:
    shown = after(*["later"] * (COPY + 1))
    capture = shown.capture
    assert capture is not None
    state, _, following, changed = lines(shown)[:4]

    assert "0x1000021 pvh_start_xen+0x21" in state
    assert "movl $0x100b020, %esp" in following
    assert "rcx 0xe → 0x0" in changed
    assert capture.registers["rcx"] == 0
    assert [line.source for line in code_at.code(shown).lines if line.current] == ["entry.S:45"]
    assert COPY == step_shown(after("earlier", screen=shown))
    assert "this is the first instruction" in after("earlier").message
    assert "this is the end" in after("continue", "later").message


def test_a_stage_in_the_trace_is_the_captured_one() -> None:
    shown = after("later-stage")

    assert (None, PREPARE, "prepare") == (shown.moment, step_shown(shown), shown.capture and shown.capture.stage)
    assert after("later", "earlier", screen=shown).capture is shown.capture
    assert PREPARE + 1 == step_shown(after("later", screen=shown))
    assert shown.capture is after("later", "earlier-stage", screen=shown).capture
    assert BOOTPARAMS == step_shown(after("later", "later-stage", screen=shown))


def test_f10_leaves_loops_and_steps_over_calls() -> None:
    at_call = after("later-stage", "later", "later")
    behind = after("next", screen=at_call)

    assert (27, 5416) == (step_shown(at_call), step_shown(behind))
    assert behind.capture is not None
    assert at_call.capture is not None
    assert at_call.capture.registers["rsp"] == behind.capture.registers["rsp"]
    assert 5416 == step_shown(after("later", "finish", screen=at_call))
    assert not impossible_now(start()) & set(IN_TRACE)


def test_w_goes_back_to_the_stores_to_the_selected_row() -> None:
    shown = actions.choose(after("continue"), table.BY_NAME["boot_params"])
    shown = show_step(shown, BOOTPARAMS)
    row = next(index for index, row in enumerate(frame.rows(shown)) if row.path == "boot_params.e820_entries")
    first = selected_row.back_to_store(shown.at(row))

    assert (5558, 5447) == (step_shown(first), step_shown(selected_row.back_to_store(first)))
    assert first.moment is not None
    assert first.moment.next is not None
    assert first.moment.next.text.startswith("movb %al")


def test_boot_params_fill_in_step_by_step() -> None:
    """The page is known once the guest has cleared it; then each store shows."""
    captures = [show_step(start(), step).capture for step in (5430, 5500, BOOTPARAMS - 1, BOOTPARAMS)]
    counts = [capture and capture.boot_params and capture.boot_params.e820_entries for capture in captures]

    assert [None, 6, 7, 7] == counts


def test_enter_on_a_writer_that_who_printed_goes_to_its_step() -> None:
    answer = commands.run(RecordedSession(shipped()), "who boot_params.e820_entries").splitlines()
    shown = start()._replace(output=("(pvh) who …", *answer, ""), focus=OUTPUT)
    listed = after("follow", screen=shown)
    second = after("popup-link-down", "popup-link-down", screen=listed)

    assert "step 5,447: movb %al, 0x14154(%rip)" in "\n".join(lines(second))
    assert 5447 == step_shown(after("popup-follow", screen=second))
    assert 5558 == step_shown(after("popup-link-down", "popup-follow", screen=listed))
    assert "boot_params" == after("popup-follow", screen=listed).view
    assert shown.past == after("popup-link-down", "popup-follow", "back", screen=listed).past
    place = next((row, line.index("step 5,447")) for row, line in enumerate(lines(listed)) if "step 5,447" in line)
    assert (5447, "") == _clicked(listed, place[1], place[0])


def _clicked(screen: Screen, column: int, row: int) -> tuple[int | None, str]:
    clicked, action = mouse.click(screen, SIZE, (column, row))
    return step_shown(after(action, screen=clicked)), clicked.message


@pytest.mark.parametrize("is_ascii", [False, True])
@pytest.mark.parametrize("width", [80, 120, 200])
def test_the_slider_shows_the_step_and_a_click_moves_it(width: int, is_ascii: bool) -> None:
    size = Size(width, 38)
    shown = show_step(start(), 20_000)._replace(ascii=is_ascii)
    timeline = lines(shown, size)[1]
    sign = "#" if is_ascii else "◆"

    assert timeline.index("kernel") < timeline.index(sign) < timeline.index("e820")
    assert "20,000" in timeline
    target = targets.at(shown, *size, timeline.index(sign), 1)
    assert target is not None
    assert targets.STEP == target.kind
    moved, _ = mouse.click(shown, size, (timeline.index(sign), 1))
    assert abs((step_shown(moved) or 0) - 20_000) < {80: 20_000, 120: 7_500, 200: 2_000}[width]


def test_a_recording_without_a_trace_has_no_steps() -> None:
    screen = recording_screen(shipped()._replace(trace=None), "boot.json")

    assert screen.trace is None
    assert "this recording has no trace" in show_step(screen, 5).message


def test_hostile_traces_are_drawn_and_cannot_control_the_terminal() -> None:
    found = shipped().trace
    assert found is not None
    code = tuple(
        code._replace(text="\x1b[2J\u202e%cs", symbol="\x9b", source="\n:9", rip=(1 << 64) - 1 - index % 3)
        for index, code in enumerate(found.code)
    )
    for trace in (
        found._replace(code=code, steps=found.steps[:40], stops={"entry": 0, "prepare": 0, "e820": 40}),
        Trace("steps", {"entry": 0, "bootparams": 1, "prepare": 2}, code, found.steps[:2]),
        Trace("steps", {"entry": 0}, found.code, found.steps[:1]),
        Trace("done", {"prepare": 0}, (found.code[0]._replace(text=""),), (found.steps[0],) * 3),
    ):
        screen = recording_screen(shipped()._replace(trace=trace), "trace.json")
        for key in (
            "later",
            "next",
            "view code",
            "finish",
            "view cpu",
            "earlier",
            "later-stage",
            "continue",
            "earlier",
        ):
            screen = actions.act(key, screen, SIZE)
            assert set("".join(lines(screen))) <= OURS, key


def test_keys_and_typed_steps_on_a_terminal() -> None:
    with shown(lambda: Tui(start(), answer=str), (120, 40)) as tui:
        tui.wait("step 0 of 47,719")
        tui.keys("Right")
        tui.wait("step 1 of 47,719")
        tui.keys(":", "0x100b040", "Enter")
        tui.wait("0x100b040 was not captured")
        tui.keys("Esc", "trace 10", "Enter")
        tui.wait("step 10 of 47,719")
        tui.wait("78 c5 6e 33 01")
        tui.keys("pvh trace 47,719", "Enter")
        tui.wait("step 47,719 of 47,719")
        tui.keys("trace 47720", "Enter")
        tui.wait("this is the end of the trace")
        tui.keys("F8")
        tui.until(lambda: step_shown(tui.screen) == 5_579 or tui.screen.moment is None)

    assert tui.error is None
