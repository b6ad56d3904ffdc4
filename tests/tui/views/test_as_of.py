"""A view whose data the displayed stop no longer has shows the last captured data, marked as such."""

from __future__ import annotations

from typing import Any

import pytest

from pvhdbg.boot.stop.stages import CAPTURE_KEYS
from pvhdbg.live.debuggee.code import Code, CodeLine
from pvhdbg.tui.app import actions
from pvhdbg.tui.draw import whole_view
from pvhdbg.tui.draw.layout import BELOW, Size
from pvhdbg.tui.lines import classes
from pvhdbg.tui.lines.line import plain
from pvhdbg.tui.screen import state
from pvhdbg.tui.screen.state import Log, Run, Screen
from pvhdbg.tui.views import shown, table
from tests.tui.screens import SIZES, STACK, at, drawn, lines, text

SIZE = Size(80, 24 - BELOW)
CODE = (CodeLine("int main(void)", None, 1, current=True),)


def dead(view: str, **fields: Any) -> Screen:  # noqa: ANN401 - a Screen's fields
    """Return the screen after QEMU was killed: nothing can be read any more."""
    here = at("e820", view)
    assert here.now is not None
    lost: dict[str, Any] = dict.fromkeys(CAPTURE_KEYS)
    missing = {**dict.fromkeys(CAPTURE_KEYS, "not read where the guest died"), "rip": "the machine is gone"}
    registers = dict.fromkeys(here.now.registers)
    died = here.now._replace(stage="died", rip=None, cpu_mode="unknown", registers=registers, missing=missing, **lost)
    run = Run(state.DEAD, "qemu-signal", how="QEMU was killed by SIGKILL")
    return here._replace(now=died, history=(*here.history, died), run=run, old_values={}, **fields)


@pytest.mark.parametrize("size", [*SIZES, (100, 30)])
@pytest.mark.parametrize(("view", "words"), [("start_info", "0x336ec578"), ("modules", "cmdline_paddr")])
def test_data_that_is_no_longer_valid_is_shown_dimmed_as_of_its_last_stage(
    view: str, words: str, size: tuple[int, int]
) -> None:
    screen = at("kernel", view, focus=state.VIEW)
    row = next(line for line in drawn(screen, *size) if words in plain(line))
    now = next(line for line in drawn(screen._replace(view="boot_params"), *size) if "e820_entries" in plain(line))

    assert " as of bootparams" in text(screen, size)
    assert "detail, as of bootparams" in text(screen, size)
    assert any(classes.OLD in style for style, _ in row), row
    assert not any(classes.OLD in style for style, _ in now)
    assert "shown:" not in text(screen, size)


@pytest.mark.parametrize("view", ["start_info", "modules", "memory", "boot_params", "cpu", "paging"])
@pytest.mark.parametrize("ascii_signs", [False, True])
def test_no_view_is_empty_when_the_machine_is_gone(view: str, ascii_signs: bool) -> None:
    stage = "bootparams" if view in ("start_info", "modules") else "e820"
    screen, alive = dead(view, ascii=ascii_signs), at(stage, view)

    assert f"as of {stage}" in lines(screen)[3]
    assert len(shown.rows(screen)) == len(shown.rows(alive)) > 0
    assert "-  not read" not in text(screen, (120, 40))


def test_the_log_and_the_code_are_those_of_the_last_stage_when_the_machine_is_gone() -> None:
    log = dead("log", log=Log(why="the machine is gone"), log_by_stage={"e820": Log(("[    0.000000] memory",))})
    code = dead("code", code=Code(why="the machine is gone"), code_by_stage={"e820": Code("setup.c", CODE)})
    scrolled = actions.act("first", log._replace(focus=state.VIEW), SIZE)

    assert "as of e820" in text(log)
    assert "[    0.000000] memory" in text(log)
    assert "[    0.000000] memory" in text(scrolled)
    assert "as of e820" in text(code)
    assert "int main(void)" in text(code)


def test_a_stop_whose_code_is_not_read_yet_does_not_show_the_code_of_another_stage() -> None:
    screen = at("prepare", "code", code_by_stage={"entry": Code("entry.S", CODE)})

    assert "as of" not in text(screen)
    assert "int main(void)" not in text(screen)


def test_the_findings_and_changes_are_those_of_the_shown_stage() -> None:
    screen = at("kernel", "start_info")
    marked = screen._replace(boot_findings=at("prepare", findings=(STACK,)).boot_findings)
    of_prepare = marked._replace(history=marked.history[:2] + marked.history[-1:])

    assert "PVH207" in text(of_prepare)
    assert "PVH207" not in text(marked)
    assert () == shown.rows(screen._replace(only_changes=True))
    assert "nothing changed here since the previous stop" in text(screen._replace(only_changes=True))


def test_enter_follows_a_pointer_of_an_earlier_stage_to_the_data_of_that_stage() -> None:
    screen = at("kernel", "start_info", focus=state.VIEW)
    names = [row.name for row in shown.rows(screen)]
    followed = actions.act("follow", screen.at(names.index("modlist_paddr")), SIZE)

    assert ("modules", "bootparams") == (followed.view, table.shown(followed).as_of(followed))


def test_the_copied_view_and_the_strip_of_memory_name_the_stage() -> None:
    screen = at("kernel", "start_info")

    assert whole_view.lines(screen)[0].startswith("as of bootparams")
    assert "memory  as of bootparams " in text(screen, (120, 40))
    assert "memory  as of" not in text(at("e820"), (120, 40))
