"""How the panes share the terminal."""

from __future__ import annotations

import pytest

from pvhdbg.live.debuggee.code import Code, CodeLine
from pvhdbg.tui.app import actions
from pvhdbg.tui.draw.detail import last_top
from pvhdbg.tui.draw.frame import visible
from pvhdbg.tui.draw.layout import BELOW, Size, layout
from pvhdbg.tui.screen import state
from tests.tui import screens
from tests.tui.screens import at, lines, text

OUTPUT = tuple(f"line {number}" for number in range(100))
CODE = Code("enlighten.c", tuple(CodeLine(f"call_{number}();", None, number, number == 20) for number in range(60)))
SIZES = ((80, 24), (100, 30), (120, 40), (160, 48), (200, 60))


@pytest.mark.parametrize("size", SIZES)
def test_the_output_has_as_many_lines_as_were_printed(size: tuple[int, int]) -> None:
    shown = [layout(at("prepare", output=OUTPUT[:count]), size[0], size[1] - BELOW).output for count in (0, 1, 2, 3)]

    assert [0, 1, 2, 3] == shown
    assert "└ gdb ─" in lines(at("prepare"), size)[-2]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("view", screens.VIEWS)
def test_the_panes_do_not_move_with_the_selected_row(view: str, size: tuple[int, int]) -> None:
    plans = {layout(at("bootparams", view).at(row), size[0], size[1] - BELOW) for row in range(20)}

    assert 1 == len(plans)


def test_lines_that_the_view_does_not_fill_go_to_the_detail_and_then_to_the_output() -> None:
    short, long = (layout(at("prepare", "modules", output=OUTPUT[:count]), 80, 22) for count in (0, 100))

    assert (8, 0) == (short.detail, short.output)
    assert 5 == long.view - 1
    assert (8, 3) == (long.detail, long.output)


def test_a_long_view_gets_the_lines_that_the_output_does_not_fill() -> None:
    with_output, without = (layout(at("bootparams", "boot_params", output=shown), 80, 22) for shown in (OUTPUT, ()))

    assert with_output.output == without.view - with_output.view > 0


@pytest.mark.parametrize("size", [(160, 48), (200, 60)])
@pytest.mark.parametrize("is_ascii", [False, True])
def test_from_160_columns_the_structure_the_code_and_the_registers_are_side_by_side(
    size: tuple[int, int], is_ascii: bool
) -> None:
    shown = text(at("prepare", code=CODE, ascii=is_ascii), size)
    row = next(line for line in shown.splitlines() if "magic" in line)

    assert "0x336ec578" in row
    assert "call_" in row
    assert " cpu " in lines(at("prepare", code=CODE), size)[4]
    assert "rsp" in shown
    assert "call_20" in shown
    assert "call_20" not in text(at("prepare", code=CODE), (159, 48))


@pytest.mark.parametrize(
    ("view", "beside"), [("code", ["cpu"]), ("cpu", ["code", "start_info"]), ("bytes", ["code"]), ("log", ["code"])]
)
def test_no_view_is_shown_twice_and_hex_and_text_have_more_columns(view: str, beside: list[str]) -> None:
    assert beside == [pane.view.name for pane in layout(at("prepare", view, code=CODE), 160, 46).beside]


def test_at_200x60_the_lines_under_a_short_structure_show_other_views() -> None:
    shown = text(at("prepare", "modules", code=CODE, findings=(screens.STACK,), serial=("Linux version",)), (200, 60))

    assert "0x336ec578" in shown
    assert screens.STACK.message in shown
    assert "Linux version" in shown
    assert 10 > sum(not line.strip(" │|║") for line in shown.splitlines())


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("is_ascii", [False, True])
def test_z_zooms_the_pane_with_the_focus_and_shows_all_panes_again(size: tuple[int, int], is_ascii: bool) -> None:
    inner = Size(size[0], size[1] - BELOW)
    start = at("bootparams", "boot_params", focus=state.VIEW, output=OUTPUT, ascii=is_ascii)
    zoomed = actions.zoom(start)

    assert "Z: show all panes" in text(zoomed, size)
    assert visible(zoomed, *inner) > visible(start, *inner)
    assert "line 99" in text(zoomed._replace(focus=state.OUTPUT), size)
    assert "line 90" in text(zoomed._replace(focus=state.OUTPUT), size)
    assert "Source: " in text(zoomed._replace(focus=state.DETAIL), size)
    assert text(start, size) == text(actions.zoom(zoomed), size)


def test_at_the_prompt_all_panes_are_shown_even_if_one_is_zoomed() -> None:
    screen = at("prepare", output=OUTPUT)

    assert text(screen) == text(screen._replace(zoomed=True))


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("view", ["serial", "log"])
def test_a_view_of_text_has_no_detail_pane_and_tab_skips_it(view: str, size: tuple[int, int]) -> None:
    screen = at("prepare", view, focus=state.VIEW)

    assert "├ detail" not in text(screen, size)
    assert state.OUTPUT == actions.act("focus-next", screen, Size(size[0], size[1] - BELOW)).focus
    assert len(lines(screen, size)) == size[1] - 1


@pytest.mark.parametrize("size", SIZES)
def test_a_zoomed_view_with_few_rows_keeps_the_detail_of_the_selected_row(size: tuple[int, int]) -> None:
    screen = at("prepare", "modules", focus=state.VIEW, zoomed=True)

    assert "Enter: go to" in text(screen, size)
    assert size[1] - 1 == len(lines(screen, size))


def test_a_row_that_is_too_long_continues_on_the_next_line_if_there_is_room() -> None:
    words = " ".join(f"word{number}" for number in range(30))
    screen = at("prepare", "findings", findings=(screens.STACK._replace(message=words),), focus=state.VIEW, zoomed=True)
    shown = text(screen)

    assert [] == [word for word in words.split() if shown.count(word) < 2]
    assert 1 == shown.count("▸")


def test_the_detail_and_the_memory_have_no_more_lines_than_they_need() -> None:
    plan = layout(at("prepare", focus=state.VIEW), 200, 58)

    assert (8, 4) == (plan.detail, plan.strip)


@pytest.mark.parametrize("size", SIZES)
def test_the_detail_with_the_focus_has_no_empty_lines_while_the_view_lacks_some(size: tuple[int, int]) -> None:
    inner = Size(size[0], size[1] - BELOW)
    for row in range(4):
        screen = at("bootparams", "boot_params", focus=state.DETAIL).at(row)
        plan, needed = layout(screen, *inner), last_top(screen, size[0] - 2, 0)

        assert plan.detail <= max(needed, 8)
        assert 0 == plan.output


@pytest.mark.parametrize("size", SIZES)
def test_pvhdbgs_own_answers_take_two_lines_from_the_views(size: tuple[int, int]) -> None:
    answers = tuple(f"pvhdbg: back by one instruction {number}" for number in range(12))
    shown = [
        layout(at("bootparams", "boot_params", output=output), size[0], size[1] - BELOW).output
        for output in ((*answers, ""), (*answers[:1], ""), (*OUTPUT[:1], *answers))
    ]

    assert [2, 1, 3] == shown
    assert answers[-1] in text(at("bootparams", "boot_params", output=answers), size)


def test_lines_that_are_too_few_for_all_long_rows_go_to_the_first_ones() -> None:
    words = " ".join(f"word{number}" for number in range(14))
    found = tuple(screens.STACK._replace(code=f"PVH20{number}", message=f"{number} {words}") for number in range(6))
    shown = text(at("prepare", "findings", findings=found, focus=state.VIEW), (80, 24)).partition("├ detail")[0]

    assert (2, 4) == (shown.count("word13"), shown.count("…"))
