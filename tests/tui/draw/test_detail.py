"""The detail pane, which explains the selected row."""

from __future__ import annotations

from typing import Any

import pytest

from pvhdbg.live.debuggee.code import Code, CodeLine
from pvhdbg.tui.app import actions
from pvhdbg.tui.draw.frame import rows
from pvhdbg.tui.draw.layout import BELOW, Size
from pvhdbg.tui.lines import classes
from pvhdbg.tui.screen import state
from pvhdbg.tui.screen.state import BootFinding, Bytes, Screen
from pvhdbg.tui.views import table
from tests import build
from tests.tui import screens
from tests.tui.screens import STACK, at

LARGE = (120, 40)


def detail(screen: Screen, size: tuple[int, int] = LARGE) -> list[str]:
    """Return the lines of the pane."""
    shown = screens.lines(screen, size)
    first = next(index for index, line in enumerate(shown) if " detail " in line) + 1
    last = next(index for index, line in enumerate(shown) if line.startswith(("└", "╚")))
    return [line.strip("│║ ") for line in shown[first:last]]


def whole(screen: Screen) -> str:
    return " ".join(detail(screen)).strip()


def test_the_detail_of_a_field_starts_with_type_address_and_bytes() -> None:
    assert (
        "pvh_start_info.memmap_paddr   u64 at +0x28 = 0x310d308   bytes 20 fc 0e 00 00 00 00 00"
        == detail(at("prepare").at(7))[0]
    )


def test_the_detail_of_a_field_explains_it_and_names_writer_reader_and_source() -> None:
    explained = whole(at("prepare").at(7))

    assert "Enter: go to 0xefc20." in explained
    assert "direct map, which ends at 1 GiB" in explained
    assert "Written by the VMM" in explained
    assert "read by init_pvh_bootparams" in explained
    assert explained.endswith("Source: Xen xen/include/public/arch-x86/hvm/start_info.h.")


@pytest.mark.parametrize("view", ["start_info", "modules", "boot_params", "cpu"])
def test_every_row_has_an_explanation(view: str) -> None:
    screen = at("bootparams", view, unfolded=True)
    unexplained = [row.path for index, row in enumerate(rows(screen)) if len(detail(screen.at(index))[1]) < 20]

    assert [] == unexplained


def test_only_the_line_at_rip_explains_the_stage() -> None:
    code = Code("main.c", (CodeLine("{", None, 130), CodeLine("call();", None, 131, current=True)))
    here = at("prepare", "code", code=code)
    where = here.run._replace(kind=state.STOPPED, where="breakpoint")

    assert "line 131 RIP is here. The first instruction of xen_prepare_pvh. Before: " in whole(here.at(1))
    assert "line 130" == whole(here.at(0))
    assert "line 131 RIP is here." == whole(here._replace(run=where).at(1))


def test_without_modules_the_detail_explains_modules() -> None:
    guest = build.linux_guest()
    guest.put(build.START_INFO, build.start_info())

    explained = whole(screens.of(guest.at("entry"), "modules"))

    assert "A module: a file that the VMM loaded next to the kernel." in explained
    assert "Written by the VMM" in explained


OUTPUT = tuple(f"line {number}" for number in range(9))
"""Enough output to fill its pane."""


def test_a_detail_of_one_line_starts_with_the_news() -> None:
    old_values = {"start_info.modlist_paddr": 0}
    screen = at("entry", findings=(STACK,), old_values=old_values, output=OUTPUT, focus=state.OUTPUT).at(4)

    assert ["modlist_paddr   * was 0x0   ▲ PVH207 warning: modlist_paddr: on the firmware…"] == detail(screen, (80, 24))


@pytest.mark.parametrize("view", [view.name for view in table.VIEWS if not view.text])
def test_at_80x24_the_lines_below_the_view_explain_the_selected_row(view: str) -> None:
    drawn = detail(at("prepare", view, findings=(STACK,), output=OUTPUT), (80, 24))

    assert len(drawn) >= 3
    assert 2 <= sum(bool(line.strip()) for line in drawn) or view in ("code", "bytes")


def test_at_80x24_the_detail_has_four_lines_if_the_view_has_the_focus() -> None:
    assert 4 == len(detail(at("entry", focus=state.VIEW, output=OUTPUT), (80, 24)))


def test_a_cut_detail_ends_in_a_sign_and_names_the_key_that_shows_the_rest() -> None:
    screen = at("bootparams", "boot_params")

    assert detail(screen, (80, 24))[-1].endswith("…")
    assert "├ detail   F2: 4 more lines ─" in screens.text(screen)
    assert "├ detail   F2: show all 7 lines ─" in screens.text(screen._replace(focus=state.OUTPUT))


FILLED: dict[str, Any] = {
    "findings": (STACK, STACK._replace(code="PVH205", severity="info")),
    "code": Code("main.c", (CodeLine("{", None, 130), CodeLine("call();", None, 131, current=True))),
    "bytes": Bytes(build.START_INFO, bytes(range(56)), selected=(build.START_INFO, build.START_INFO + 4)),
}
"""What the views show that have no rows otherwise."""


@pytest.mark.parametrize("size", screens.SIZES)
@pytest.mark.parametrize("view", [view for view in screens.VIEWS if not table.BY_NAME[view].text])
def test_all_of_the_detail_can_be_read_by_paging_down(view: str, size: tuple[int, int]) -> None:
    inner = Size(size[0], size[1] - BELOW)
    screen = at("bootparams", view, **FILLED)

    assert rows(screen)
    for row in range(len(rows(screen))):
        reader = screen.at(row)._replace(focus=state.DETAIL)
        shown = [*detail(reader, size)]
        while (further := actions.act("page-down", reader, inner)).detail_top > reader.detail_top:
            assert further.position.cursor == row
            shown += detail(further, size)
            reader = further
        visible = {line.rstrip(" …") for line in shown}

        assert [] == [line for line in all_lines(reader, size) if line and line.rstrip(" …") not in visible]


def all_lines(screen: Screen, size: tuple[int, int]) -> list[str]:
    """Return all lines of the detail, as on a terminal with very many lines."""
    return detail(screen, (size[0], 400))


def test_the_title_says_which_lines_of_the_detail_are_visible() -> None:
    long = STACK._replace(code="PVH999", field="", message="word " * 400)
    reader = at("prepare", "findings", findings=(long,))._replace(focus=state.DETAIL)
    further = actions.act("last", reader, Size(80, 22))

    assert "detail   lines 1-10 of 29   Up/Down: scroll   F2: with links" in screens.text(reader)
    assert "detail   lines 20-29 of 29" in screens.text(further)
    assert "detail   lines 19-28 of 29" in screens.text(actions.act("up", further, Size(80, 22)))


def test_scrolling_past_the_end_of_the_detail_selects_the_next_row() -> None:
    size = Size(120, 38)
    reader = at("prepare")._replace(focus=state.DETAIL)
    below = actions.act("down", reader, size)

    assert (state.DETAIL, 1) == (below.focus, below.position.cursor)
    assert 0 == actions.act("up", below, size).position.cursor


def test_the_detail_of_another_row_starts_at_its_first_line() -> None:
    long = STACK._replace(code="PVH999", field="", message="word " * 400)
    reader = at("prepare", "findings", findings=(long,))._replace(focus=state.DETAIL)
    further = actions.act("page-down", reader, Size(80, 22))

    assert further.detail_top > 0
    assert 0 == actions.act("view start_info", further, Size(80, 22)).detail_top


def test_the_detail_of_a_finding_names_the_stages_that_have_it() -> None:
    entry = BootFinding(STACK, ("entry", "prepare"))
    screen = at("kernel", "findings", boot_findings=(entry, entry._replace(is_current=False)))

    assert "Found at entry, prepare." in whole(screen)
    assert "Found at entry, prepare; not at the displayed stop." in whole(screen.at(1))


def test_the_detail_of_a_finding_starts_with_its_whole_message() -> None:
    long = STACK._replace(message="word " * 40)
    drawn = detail(at("prepare", "findings", findings=(long,)))

    assert drawn[0].startswith("▲ PVH207 warning: word word")
    assert 40 == " ".join(drawn).count("word ")
    assert any("start_info.modlist_paddr" in line for line in drawn)


def test_the_detail_of_a_register_names_the_bits_that_are_set() -> None:
    screen = at("entry", "cpu")
    cr0 = next(index for index, row in enumerate(rows(screen)) if row.name == "cr0")

    assert "PE: protected mode. ET: always 1 on current CPUs." in whole(screen.at(cr0))


def test_the_detail_of_a_folded_row_names_its_fields() -> None:
    assert "All 0 (z: unfold): screen_info, apm_bios_info, _pad2" in whole(at("bootparams", "boot_params").at(0))


def test_the_detail_of_the_command_line_shows_all_of_it() -> None:
    words = '"console=ttyS0 earlyprintk=ttyS0"'

    assert any(words in line for line in detail(at("entry").at(10)))


def test_the_detail_of_bytes_names_the_fields_in_them() -> None:
    copy = screens.boot().stops[1].pvh_start_info

    assert copy
    assert copy.at
    screen = at("prepare", "bytes", bytes=Bytes(copy.at, copy.raw)).at(1)
    assert "Fields here: pvh_start_info.modlist_paddr, pvh_start_info.cmdline_paddr." in whole(screen)
    assert "Enter: go to 0x7b7c." in whole(screen)


def test_the_detail_of_bytes_without_fields_only_describes_the_memory() -> None:
    assert "0x500 Memory map: RAM." == whole(at("prepare", "bytes", bytes=Bytes(0x500, bytes(32))))


def test_the_detail_of_bytes_names_the_kernels_symbol_at_the_selected_ones() -> None:
    image = screens.boot().kernel
    assert image is not None
    segment = image.segments[0]
    start = segment.paddr + 0x10
    bytes_of = Bytes(start, bytes(32), name="xen_prepare_pvh", selected=(start + 4, start + 9))
    screen = at("prepare", "bytes", bytes=bytes_of)

    assert f"Kernel: xen_prepare_pvh at {segment.vaddr + 0x14:#x}." in whole(screen)
    assert f"Kernel: link address {segment.vaddr + 0x20:#x}." in whole(screen.at(1))


def test_the_old_value_has_the_style_of_changes() -> None:
    screen = at("entry", old_values={"start_info.magic": 0x11})

    assert "* was 0x11" in screens.styled(screen, classes.CHANGED)
