"""The frame of every kind of screen: its size, its characters, its style classes."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from prompt_toolkit.utils import get_cwidth

from pvhdbg.checks.finding import Finding
from pvhdbg.live.debuggee.code import Code, CodeLine
from pvhdbg.tui.draw.frame import clamp, frame, output_visible, visible
from pvhdbg.tui.lines import classes
from pvhdbg.tui.lines.line import length, plain
from pvhdbg.tui.lines.signs import UNICODE
from pvhdbg.tui.screen import state
from pvhdbg.tui.screen.state import Bytes, Entry, Popup, Run, Screen, StageMark
from pvhdbg.views.rows.picture_text import SIGNS
from tests.tui import screens
from tests.tui.screens import SIZES, STACK, VIEWS

CODE = Code(
    "instructions",
    (
        CodeLine('/* a comment */ call("a string", 1);', None, 8, path="main.c"),
        CodeLine("lgdtl  0x1002018 <gdt_pointer>", 0xFF8),
        *(CodeLine(f"mov %rax,{n}", 0x1000 + n, None, n == 9, n == 3) for n in range(48)),
    ),
)
MEMORY = Bytes(0x1000, bytes(range(256)) * 4, 0xFFFFFFFF81001004, "_text", (0x1004, 0x100C))
FINDINGS = (
    STACK,
    Finding("PVH202", "error", "two types", "memory_map.entries[3].type", 0xEFC80),
    Finding("PVH901", "info", "true and harmless", "start_info.rsdp_paddr"),
)


ALL_SIZES = (*SIZES, (60, 16), (93, 31))


def everywhere() -> Iterator[tuple[Screen, tuple[int, int]]]:
    """Yield every view of every stage of every boot, with a size: each view has each size, in one boot or another."""
    for number, document in enumerate(screens.documents()):
        for stop in document.stops:
            for at, view in enumerate(VIEWS):
                screen = screens.at(stop.stage, view, document, findings=FINDINGS, code=CODE, bytes=MEMORY)
                yield screen, ALL_SIZES[(number + at) % len(ALL_SIZES)]


def screen_kinds() -> Iterator[Screen]:
    """Yield one screen of every kind."""
    here = screens.at(
        "prepare", findings=FINDINGS, code=CODE, bytes=MEMORY, serial=("Linux",), output=("(gdb) p 1", "$1 = 1")
    )
    yield Screen(here.title)
    yield from (here._replace(view=view) for view in VIEWS)
    yield from (here._replace(focus=focus) for focus in (state.PROMPT, state.VIEW, state.OUTPUT))
    yield from (here._replace(run=Run(kind, "kernel", how="triple-fault")) for kind in classes.RUNS)
    yield from (here._replace(popup=Popup(kind)) for kind in ("help", "quit", "palette", "panel"))
    yield here._replace(popup=Popup("panel", steps=("cr0",)))
    yield from (here._replace(entry=Entry(kind, "words")) for kind in ":/")
    yield here._replace(past=0, message="no", queued=2, only_changes=True, symbols=state.LOADING, ascii=True)
    yield here._replace(past=0, message="no", queued=1, output_top=0, view="cpu")
    yield from (here._replace(focus=focus, zoomed=True) for focus in (state.VIEW, state.DETAIL, state.OUTPUT))
    yield here._replace(stages=(*here.stages, StageMark("late", state.LACKING)))
    yield here._replace(tour=screens.tour(), focus=state.CARD)
    yield here._replace(tour=screens.tour()._replace(is_answered=True))
    yield here._replace(tour=screens.tour()._replace(is_hidden=True))
    yield screens.at("e820", "memory")
    yield screens.at("e820")


def test_every_view_of_every_stage_fills_the_screen_exactly_in_documented_classes() -> None:
    classes_drawn = {name for screen in screen_kinds() for size in SIZES for name in screens.styles(screen, size)}
    for screen, size in everywhere():
        drawn = screens.drawn(screen, *size)
        classes_drawn |= screens.styles_of(drawn)

        assert ({size[0]}, size[1] - 1) == ({length(line) for line in drawn}, len(drawn))
    unusual = {
        "class:memory.acpi",
        "class:memory.bad",
        "class:memory.overlap",
        "class:memory.persistent",
        "class:too-small",
        "class:empty",
    }

    assert {f"class:{name}" for name in classes.CLASSES} - unusual == classes_drawn - unusual


def test_every_kind_of_screen_fills_any_size_exactly() -> None:
    for screen in screen_kinds():
        for size in (
            (1, 3),
            (20, 5),
            (59, 40),
            (60, 15),
            (60, 16),
            (61, 17),
            (80, 24),
            (110, 30),
            (199, 36),
            (300, 100),
        ):
            drawn = screens.drawn(screen, *size)

            assert ({size[0]}, size[1] - 1) == ({length(line) for line in drawn}, len(drawn))


def test_every_drawn_character_is_one_cell_wide() -> None:
    drawn = {character for screen in screen_kinds() for character in screens.text(screen, (120, 40))} - {"\n"}

    assert {1} == {get_cwidth(character) for character in drawn}


def test_every_unicode_sign_is_one_cell_wide() -> None:
    signs = "".join(map(str, (*UNICODE.box, *UNICODE.past_box, *UNICODE[2:12])))
    signs += "".join(sign for table in (UNICODE.runs, UNICODE.stages, UNICODE.findings) for sign in table.values())
    signs += "".join(sign for pair in SIGNS.values() for sign in pair)

    assert {1} == set(map(get_cwidth, signs))


def test_ascii_mode_draws_only_ascii() -> None:
    every_screen = (*screen_kinds(), *(screen for screen, _ in everywhere()))
    screens_drawn = (screens.text(screen._replace(ascii=True)) for screen in every_screen)
    drawn = {character for text in screens_drawn for character in text}

    assert {"\n", *map(chr, range(0x20, 0x7F))} >= drawn


def test_a_terminal_that_is_too_small_shows_the_size_it_needs() -> None:
    lines = screens.lines(screens.at("prepare"), (59, 16))

    assert "too small: 59x16, needs 60x16" == lines[0].strip()
    assert {""} == {line.strip() for line in lines[1:14]}


@pytest.mark.parametrize("size", SIZES)
def test_the_selected_row_is_always_visible(size: tuple[int, int]) -> None:
    width, height = size[0], size[1] - 2
    for cursor in (0, 5, 20, 10_000):
        screen = clamp(screens.at("bootparams", "boot_params", unfolded=True).at(cursor, 7), width, height)
        shown = range(screen.position.top, screen.position.top + visible(screen, width, height))

        assert screen.position.cursor in shown
        assert 1 == sum(plain(line).startswith("│▸") for line in frame(screen, width, height))


def test_a_cursor_out_of_range_is_moved_to_the_first_or_last_row() -> None:
    screen = screens.at("prepare", "start_info")

    assert (0, 10) == (clamp(screen.at(-5), 80, 22).position.cursor, clamp(screen.at(99), 80, 22).position.cursor)


def test_scrolling_back_to_the_end_follows_the_end_again() -> None:
    output = tuple(map(str, range(100)))
    screen = screens.at("prepare", output=output, serial=output, view="serial", popup=Popup("help", 1000))
    shown = output_visible(screen, 80, 22)
    ends = clamp(screen._replace(output_top=100 - shown, text_tops={"serial": 99}), 80, 22)
    within = clamp(screen._replace(output_top=99 - shown, text_tops={"serial": -3}), 80, 22)

    assert (None, None) == (ends.output_top, ends.text_top)
    assert (99 - shown, 0) == (within.output_top, within.text_top)
    assert ends.popup
    assert 0 < ends.popup.top < 1000


def test_the_pane_with_the_focus_gets_more_room() -> None:
    screen = screens.at("prepare", output=tuple(map(str, range(100))))
    shares = [
        (visible(focused, 80, 22), output_visible(focused, 80, 22))
        for focused in (screen._replace(focus=focus) for focus in (state.PROMPT, state.VIEW, state.OUTPUT))
    ]

    assert [(10, 3), (10, 2), (4, 11)] == shares
