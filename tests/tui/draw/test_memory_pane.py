"""Memory drawn to scale."""

from __future__ import annotations

import re

import pytest

from pvhdbg.checks.finding import Finding
from pvhdbg.tui.lines import classes
from pvhdbg.tui.screen.state import Screen
from pvhdbg.views.rows.text import scale_label
from tests import build
from tests.tui import screens
from tests.tui.screens import at, line, lines, styled, text

LARGE = (120, 40)
ALL_SIZES = ((80, 24), (100, 30), LARGE, (200, 60))


def mapped(*ranges: build.Range) -> Screen:
    """Return the memory view of a guest with this memory map."""
    guest = build.linux_guest()
    guest.put(build.START_INFO, build.start_info(memmap_paddr=build.MEMMAP, memmap_entries=len(ranges)))
    guest.put(build.MEMMAP, build.memmap(ranges))
    return screens.of(guest.at("entry"), "memory")


def test_the_strip_below_a_view_shows_all_of_memory() -> None:
    shown = lines(at("prepare"), LARGE)
    start = next(index for index, line in enumerate(shown) if line.startswith("├ memory"))

    assert "k kernel  i initrd  s start_info  l modlist  c cmdline  t map   █ RAM  ▒ RESERVED" in shown[start]
    assert "N NVS  · not listed" in shown[start]
    assert ["0", "640K", "│", "1M", "128M", "256M", "384M", "512M"] == shown[start + 1].strip("│ ").split()
    assert "████████" in shown[start + 2]
    assert "NNN▒" in shown[start + 2]
    assert ["l", "cs", "│", "kkkkk", "i"] == shown[start + 3].strip("│ ").split()
    assert ["t"] == shown[start + 4].strip("│ ").split()


@pytest.mark.parametrize("stage", ["entry", "kernel"])
@pytest.mark.parametrize("width", [100, 110, 120, 140])
def test_below_a_view_the_cells_are_explained_in_all_widths(width: int, stage: str) -> None:
    shown = line(at(stage), "├ memory", (width, 40))

    assert all(words in shown for words in ("k kernel", "█ RAM", "▒ RESERVED", "N NVS", "· not listed"))
    assert ("t map" in shown or "t memory map" in shown) == ("…" not in shown)


@pytest.mark.parametrize("is_ascii", [False, True])
@pytest.mark.parametrize("size", ALL_SIZES)
def test_no_two_labels_of_the_axis_are_the_same(size: tuple[int, int], is_ascii: bool) -> None:
    for stage in ("entry", "e820"):
        for view in ("start_info", "memory") if size[1] >= 30 else ("memory",):
            axis = next(row for row in lines(at(stage, view, ascii=is_ascii), size) if "640K" in row)
            labels = re.findall(r"\b\d+[KMG]?\b", axis.partition("640K")[2].partition("  0")[0])

            assert sorted(set(labels)) == sorted(labels)


@pytest.mark.parametrize("view", ["memory", "start_info"])
def test_a_bar_separates_two_strips_on_all_their_lines(view: str) -> None:
    shown = lines(at("prepare", view), (80, 24) if view == "memory" else LARGE)
    start = next(index for index, line in enumerate(shown) if "640K" in line)
    columns = [line[1:-1].index("│") for line in shown[start : start + 3]]

    assert 1 == len(set(columns))
    assert "1M" == shown[start][columns[0] + 2 :].strip("│ ").split()[0]


def test_a_small_terminal_shows_the_picture_only_in_the_memory_view() -> None:
    assert "├ memory" not in text(at("prepare"))
    assert "640K            │ 1M     128M" in text(at("prepare", "memory"))


def test_letters_that_do_not_fit_are_replaced_by_a_sign() -> None:
    # start_info, the map and the command line share one cell, and there is one line for letters.
    assert "+s" in line(at("prepare", "memory"), "kkkk", (80, 20))


def test_on_a_wide_terminal_the_picture_is_beside_the_table() -> None:
    shown = lines(at("prepare", "memory"), LARGE)

    assert "[0] 0xd0000-0xf0000      128 KiB  N NVS          192 KiB gap" in shown[10]
    assert "(version 1)" in shown[7]
    assert "protocol    memmap" in shown[6]
    assert "640K" in shown[6]
    assert "k kernel  0x1000000-0x3800000  40 MiB" in text(at("prepare", "memory"), LARGE)


def test_on_a_tall_narrow_terminal_the_whole_picture_is_above_the_table() -> None:
    shown = text(at("prepare", "memory"), (100, 60))

    assert "0x1000000-0x3800000    40 MiB" in shown
    assert "[5] 0x0-0x0" in shown


def test_types_look_the_same_in_the_table_and_in_the_picture() -> None:
    screen = at("entry", "memory")

    assert {"N"} == set(styled(screen, classes.ACPI).replace("NVS", "").replace(" ", ""))
    assert "█ RAM" in styled(screen, classes.RAM)


def test_overlaps_and_gaps_are_shown_in_the_table_and_in_the_picture() -> None:
    screen = mapped((0, 0x80000, 1), (0x40000, 0x20000, 2), (0x100000, 0x100000, 1))

    assert "128 KiB overlap" in line(screen, "[1] ")
    assert "512 KiB gap before" in line(screen, "[2] ")
    assert "!" in styled(screen, classes.OVERLAP)
    assert "·" in styled(screen, classes.GAP)


def test_a_type_without_a_name_is_shown_by_its_number() -> None:
    screen = mapped((0, 0x80000, 42), (0x80000, 0x80000, 5))

    assert "? unknown (42)" in line(screen, "[0] ")
    assert "U UNUSABLE" in line(screen, "[1] ")
    assert "U" in styled(screen, classes.BAD)


def test_at_e820_the_kernels_table_is_above_the_memory_map() -> None:
    shown = "".join(screens.pages(at("e820", "memory")))

    assert "e820_table at 0x32bc000: 5 entries, 511.6 MiB of RAM" in shown
    assert "[1] 0x9fc00-0xd0000      193 KiB  ▒ RESERVED     + new" in shown
    assert "[4] 0x100000-0x20000000  511 MiB  █ RAM          = same" in shown
    assert shown.index("+ new") < shown.index("memory map, as captured at bootparams") < shown.index("[5] 0x0-0x0")


def test_the_changes_only_view_omits_the_earlier_memory_map() -> None:
    shown = "".join(screens.pages(at("e820", "memory", only_changes=True)))

    assert "+ new" in shown
    assert "memory map, as captured" not in shown


def test_at_the_kernel_stage_the_picture_shows_the_earlier_memory_map() -> None:
    shown = text(at("kernel", "memory"))

    assert "as of bootparams  memory map (memmap): 6 entries" in shown
    assert "NNN▒" in shown


def test_a_guest_without_start_info_has_an_empty_picture() -> None:
    shown = text(screens.of(build.Guest().at("entry"), "memory"), LARGE)

    assert "memory_map  -  " in shown
    assert "··········" in shown


def test_memory_above_4g_is_a_third_strip() -> None:
    screen = mapped((0, 0x80000000, 1), (1 << 32, 1 << 32, 1))._replace(view="cpu")

    labels = [label for label in line(screen, "640K", LARGE).split() if label in ("1M", "2G", "4G", "8G")]
    assert ["1M", "2G", "4G", "8G"] == labels


def test_the_sign_for_letters_that_do_not_fit_is_explained_if_it_is_drawn() -> None:
    assert "+ several" in line(at("prepare", "memory"), "k kernel", (80, 20))
    assert "+ several" in line(at("prepare"), "k kernel", (100, 32))
    assert "+ several" not in text(at("prepare"), LARGE)


def test_a_map_of_huge_ranges_is_below_the_picture_so_that_its_types_are_not_cut() -> None:
    shown = text(mapped((0xFFFFFFFF00000000, 0xFFFFFFFFFFFFFFF0, 2), (0, 0x9FC00, 1)), LARGE)

    assert "▒ RESERVED" in shown
    assert "0x1fffffffefffffff0" in shown


def test_zeros_that_are_read_where_the_machine_has_no_memory_are_not_shown() -> None:
    absent = Finding("PVH212", "error", "the map's 6 entries cannot be read (no memory)", "memory_map.paddr")
    shown = text(at("prepare", "memory", findings=(absent,)), (120, 40))

    assert "no memory there: all bytes read as 0" in shown
    assert "6 entries, which cannot be read" in shown
    assert "[0]" not in shown
    assert "[0]" in text(at("prepare", "memory"), (120, 40))


def test_an_address_just_above_a_round_one_has_a_short_label() -> None:
    assert "1G+0x90" == scale_label(0x40000090)
    assert "0x40001090" == scale_label(0x40001090)
    assert "0x90090" == scale_label(0x90090)


def test_the_address_of_a_map_that_cannot_be_read_is_not_cut() -> None:
    absent = Finding("PVH212", "error", "the map's 6 entries cannot be read (no memory)", "memory_map.paddr")

    assert "0xefc20  ✖ PVH212" in text(at("prepare", "memory", findings=(absent,)), (80, 24))


def test_what_is_not_listed_is_explained_even_if_there_is_little_room() -> None:
    assert " · not listed   k kernel  i initrd " in line(at("prepare", "memory"), "k kernel")
    assert " . not listed   k kernel  i initrd " in line(at("prepare", "memory", ascii=True), "k kernel")


def test_a_module_past_every_strip_is_named_as_not_drawn() -> None:
    guest = build.linux_guest()
    guest.put(build.MODLIST, build.modlist((0x3000000000, 4096, 0, 0)))
    shown = text(screens.of(guest.at("entry")), LARGE)

    assert "not drawn: initrd" in shown
    assert "i initrd" not in shown
