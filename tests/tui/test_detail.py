"""The detail lines: where people learn."""

from __future__ import annotations

import pytest

from pvhdbg.tui import classes, state
from pvhdbg.tui.frame import rows
from pvhdbg.tui.state import Bytes, Screen
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
    assert "direct map, which reaches 1 GiB" in told
    assert "Written by the VMM" in told
    assert "read by init_pvh_bootparams" in told
    assert told.endswith("Source: Xen xen/include/public/arch-x86/hvm/start_info.h.")


@pytest.mark.parametrize("view", [state.START_INFO, state.MODULES, state.BOOT_PARAMS, state.CPU])
def test_every_row_has_something_to_tell(view: int) -> None:
    screen = at("bootparams", view, unfolded=True)
    silent = [each.path for at, each in enumerate(rows(screen)) if len(detail(screen.at(at))[1]) < 20]

    assert [] == silent


def test_at_80x24_there_is_one_line_and_it_begins_with_what_is_new() -> None:
    screen = at("entry", findings=(STACK,), before={"start_info.modlist_paddr": 0}).at(4)

    assert ["modlist_paddr   * was 0x0   ▲ PVH207 warning: modlist_paddr: on the firmware…"] == detail(screen, (80, 24))


def test_who_goes_to_the_view_gets_three_lines_at_80x24() -> None:
    assert 3 == len(detail(at("entry", focus=state.VIEW), (80, 24)))


def test_a_long_text_ends_in_a_sign_that_there_is_more() -> None:
    assert detail(at("bootparams", state.BOOT_PARAMS))[-1].endswith("…")


def test_a_finding_comes_first_and_whole() -> None:
    long = STACK._replace(message="word " * 40)
    told = detail(at("prepare", state.FINDINGS, findings=(long,)))

    assert told[0].startswith("▲ PVH207 warning: word word")
    assert 40 == " ".join(told).count("word")
    assert any("start_info.modlist_paddr" in each for each in told)


def test_a_register_tells_its_bits_by_name() -> None:
    screen = at("entry", state.CPU)
    cr0 = next(index for index, each in enumerate(rows(screen)) if each.name == "cr0")

    assert "PE: protected mode. ET: always 1 on today's CPUs." in whole(screen.at(cr0))


def test_a_run_of_zero_fields_is_told_by_name() -> None:
    assert "All 0 (z: one by one): screen_info, apm_bios_info, _pad2" in whole(at("bootparams", state.BOOT_PARAMS))


def test_the_whole_command_line_is_told() -> None:
    screen = at("entry").at(10)

    assert '"console=ttyS0 earlyprintk=ttyS0"' in detail(screen)


def test_bytes_tell_which_fields_they_are() -> None:
    copy = screens.boot().stops[1].pvh_start_info

    assert copy
    assert copy.at
    screen = at("prepare", state.BYTES, bytes=Bytes(copy.at, copy.raw)).at(1)
    assert "Here: pvh_start_info.modlist_paddr, pvh_start_info.cmdline_paddr." in whole(screen)
    assert "Enter: go to 0x7b7c." in whole(screen)


def test_bytes_of_nothing_that_is_known_tell_nothing() -> None:
    assert "0x500" == whole(at("prepare", state.BYTES, bytes=Bytes(0x500, bytes(32))))


def test_the_old_value_is_in_the_colour_of_changes_too() -> None:
    screen = at("entry", before={"start_info.magic": 0x11})

    assert "* was 0x11" in screens.styled(screen, classes.CHANGED)
