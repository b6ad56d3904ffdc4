"""The detail lines: where people learn."""

from __future__ import annotations

import pytest

from pvhdbg.live.debuggee.code import Code, CodeLine
from pvhdbg.tui.app import actions
from pvhdbg.tui.draw.frame import rows
from pvhdbg.tui.draw.layout import BELOW
from pvhdbg.tui.lines import classes
from pvhdbg.tui.screen import state
from pvhdbg.tui.screen.state import BootFinding, Bytes, Screen
from tests import build
from tests.tui import screens
from tests.tui.screens import STACK, at

LARGE = (120, 40)


def detail(screen: Screen, size: tuple[int, int] = LARGE) -> list[str]:
    """The lines of that pane."""
    shown = screens.lines(screen, size)
    first = next(index for index, each in enumerate(shown) if " detail " in each) + 1
    last = next(index for index, each in enumerate(shown) if each.startswith(("└", "╚")))
    return [each.strip("│║ ") for each in shown[first:last]]


def whole(screen: Screen) -> str:
    return " ".join(detail(screen)).strip()


def test_a_field_tells_its_type_place_and_bytes() -> None:
    assert (
        "pvh_start_info.memmap_paddr   u64 at +0x28 = 0x310d308   bytes 20 fc 0e 00 00 00 00 00"
        == detail(at("prepare").at(7))[0]
    )


def test_a_field_tells_what_it_is_who_writes_and_who_reads_it_and_the_source() -> None:
    told = whole(at("prepare").at(7))

    assert "Enter: go to 0xefc20." in told
    assert "direct map, which ends at 1 GiB" in told
    assert "Written by the VMM" in told
    assert "read by init_pvh_bootparams" in told
    assert told.endswith("Source: Xen xen/include/public/arch-x86/hvm/start_info.h.")


@pytest.mark.parametrize("view", ["start_info", "modules", "boot_params", "cpu"])
def test_every_row_has_something_to_tell(view: str) -> None:
    screen = at("bootparams", view, unfolded=True)
    silent = [each.path for at, each in enumerate(rows(screen)) if len(detail(screen.at(at))[1]) < 20]

    assert [] == silent


def test_the_line_at_rip_tells_of_the_stage_and_no_other_does() -> None:
    code = Code("main.c", (CodeLine("{", None, 130), CodeLine("call();", None, 131, current=True)))
    here = at("prepare", "code", code=code)
    where = here.run._replace(kind=state.STOPPED, where="breakpoint")

    assert "line 131 RIP is here. The first instruction of xen_prepare_pvh. Before: " in whole(here.at(1))
    assert "line 130" == whole(here.at(0))
    assert "line 131 RIP is here." == whole(here._replace(run=where).at(1))


def test_where_there_are_no_modules_it_is_told_what_modules_are() -> None:
    guest = build.linux_guest()
    guest.put(build.START_INFO, build.start_info())

    told = whole(screens.of(guest.at("entry"), "modules"))

    assert "A module: a file that the VMM loaded next to the kernel." in told
    assert "Written by the VMM" in told


def test_at_80x24_there_is_one_line_and_it_begins_with_what_is_new() -> None:
    screen = at("entry", findings=(STACK,), old_values={"start_info.modlist_paddr": 0}).at(4)

    assert ["modlist_paddr   * was 0x0   ▲ PVH207 warning: modlist_paddr: on the firmware…"] == detail(screen, (80, 24))


def test_who_goes_to_the_view_gets_three_lines_at_80x24() -> None:
    assert 3 == len(detail(at("entry", focus=state.VIEW), (80, 24)))


def test_a_long_text_ends_in_a_sign_that_there_is_more_and_how_to_get_it() -> None:
    screen = at("bootparams", "boot_params")

    assert detail(screen)[-1].endswith("…")
    assert "├ detail   F2: 2 more lines ─" in screens.text(screen, LARGE)
    assert "├ detail   F2: all 10 lines ─" in screens.text(screen)


@pytest.mark.parametrize("size", screens.SIZES)
@pytest.mark.parametrize("view", screens.VIEWS)
def test_who_goes_to_the_detail_can_read_all_of_it(view: str, size: tuple[int, int]) -> None:
    inner = actions.Size(size[0], size[1] - BELOW)
    for row in range(len(rows(at("bootparams", view)))):
        reader = actions.act("read", at("bootparams", view).at(row), inner)
        seen = [*detail(reader, size)]
        while (further := actions.act("page-down", reader, inner)).detail_top > reader.detail_top:
            assert further.position.cursor == row
            seen += detail(further, size)
            reader = further
        read = {each.rstrip(" …") for each in seen}

        assert [] == [each for each in told(reader, size) if each and each.rstrip(" …") not in read]


def told(screen: Screen, size: tuple[int, int]) -> list[str]:
    """All the lines that there are to read, on a terminal as high as it takes."""
    return detail(screen, (size[0], 400))


def test_the_detail_says_which_of_its_lines_are_shown() -> None:
    long = STACK._replace(message="word " * 400)
    reader = actions.act("read", at("prepare", "findings", findings=(long,)), actions.Size(80, 22))
    further = actions.act("last", reader, actions.Size(80, 22))

    assert "detail   lines 1-10 of 37, Up and Down: the others   F2: back" in screens.text(reader)
    assert "detail   lines 28-37 of 37" in screens.text(further)
    assert "detail   lines 27-36 of 37" in screens.text(actions.act("up", further, actions.Size(80, 22)))


def test_who_reads_on_beyond_the_end_gets_to_the_next_row() -> None:
    size = actions.Size(120, 38)
    reader = actions.act("read", at("prepare"), size)
    below = actions.act("down", reader, size)

    assert (state.DETAIL, 1) == (below.focus, below.position.cursor)
    assert 0 == actions.act("up", below, size).position.cursor


def test_another_row_is_read_from_its_beginning() -> None:
    long = STACK._replace(message="word " * 400)
    reader = actions.act("read", at("prepare", "findings", findings=(long,)), actions.Size(80, 22))
    further = actions.act("page-down", reader, actions.Size(80, 22))

    assert further.detail_top > 0
    assert 0 == actions.act("view start_info", further, actions.Size(80, 22)).detail_top


def test_a_finding_says_at_which_stages_it_was_made() -> None:
    noted = BootFinding(STACK, ("entry", "prepare"))
    screen = at("kernel", "findings", boot_findings=(noted, noted._replace(is_current=False)))

    assert "Found at entry, prepare." in whole(screen)
    assert "Found at entry, prepare; not at the stage that is shown." in whole(screen.at(1))


def test_a_finding_comes_first_and_whole() -> None:
    long = STACK._replace(message="word " * 40)
    told = detail(at("prepare", "findings", findings=(long,)))

    assert told[0].startswith("▲ PVH207 warning: word word")
    assert 40 == " ".join(told).count("word ")
    assert any("start_info.modlist_paddr" in each for each in told)


def test_a_register_tells_its_bits_by_name() -> None:
    screen = at("entry", "cpu")
    cr0 = next(index for index, each in enumerate(rows(screen)) if each.name == "cr0")

    assert "PE: protected mode. ET: always 1 on current CPUs." in whole(screen.at(cr0))


def test_a_run_of_zero_fields_is_told_by_name() -> None:
    assert "All 0 (z: one by one): screen_info, apm_bios_info, _pad2" in whole(at("bootparams", "boot_params"))


def test_the_whole_command_line_is_told() -> None:
    screen = at("entry").at(10)

    assert '"console=ttyS0 earlyprintk=ttyS0"' in detail(screen)


def test_bytes_tell_which_fields_they_are() -> None:
    copy = screens.boot().stops[1].pvh_start_info

    assert copy
    assert copy.at
    screen = at("prepare", "bytes", bytes=Bytes(copy.at, copy.raw)).at(1)
    assert "Here: pvh_start_info.modlist_paddr, pvh_start_info.cmdline_paddr." in whole(screen)
    assert "Enter: go to 0x7b7c." in whole(screen)


def test_bytes_of_nothing_that_is_known_tell_where_they_lie_alone() -> None:
    assert "0x500 Memory map: RAM." == whole(at("prepare", "bytes", bytes=Bytes(0x500, bytes(32))))


def test_the_old_value_is_in_the_colour_of_changes_too() -> None:
    screen = at("entry", old_values={"start_info.magic": 0x11})

    assert "* was 0x11" in screens.styled(screen, classes.CHANGED)
