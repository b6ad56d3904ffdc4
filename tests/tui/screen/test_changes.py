"""Which rows changed since the previous stop, and which rows the findings are about."""

from __future__ import annotations

from pvhdbg.boot.record import compare
from pvhdbg.boot.stop.capture import Capture
from pvhdbg.checks.finding import Finding
from pvhdbg.tui.app import actions
from pvhdbg.tui.draw.frame import rows
from pvhdbg.tui.draw.layout import Size
from pvhdbg.tui.events.events import GuestStopped
from pvhdbg.tui.events.update import update
from pvhdbg.tui.lines import classes
from pvhdbg.tui.screen.state import STOPPED, Run, Screen, StageMark
from tests import build
from tests.tui import screens
from tests.tui.screens import STACK, at, line, styled, text

PARAMS = 0x310D320
SIZE = Size(80, 20)


def changed(**values: int) -> Screen:
    """Return a stop at which start_info has changed."""
    guest = build.linux_guest()
    before = guest.at("entry")
    guest.put(build.START_INFO, build.start_info(nr_modules=1, modlist_paddr=build.MODLIST, **values))
    now = guest.at("entry")
    return screens.of(now, old_values=compare.values_before(before, now))


def test_a_changed_row_has_a_star_and_its_old_value_in_the_detail() -> None:
    screen = changed(flags=3).at(2)

    assert "▸*+0x08 flags" in text(screen)
    assert "* was 0x0" in line(screen, "start_info.flags   u32")
    assert line(screen, "magic").startswith("  +0x00")


def test_only_changed_rows_are_shown_on_request() -> None:
    screen = changed(flags=3)
    alone = screen._replace(only_changes=True)

    assert ["flags", "cmdline_paddr", "memmap_paddr", "memmap_entries", "cmdline"] == [row.name for row in rows(alone)]
    assert "* only changes" in text(alone)


def test_a_view_without_changes_says_so() -> None:
    screen = at("bootparams", "start_info", only_changes=True)

    assert "nothing changed here since the previous stop" in text(screen)


def test_a_new_structure_counts_as_changed_but_has_no_stars() -> None:
    screen = at("prepare", "start_info", only_changes=True)

    assert 10 == len(rows(screen))
    assert "* only changes" == styled(screen, classes.CHANGED, (120, 24)).strip()


def test_a_changed_field_also_marks_the_structure_around_it() -> None:
    handed_over = screens.boot().stops[2]
    guest = build.linux_guest()
    build.page_tables(guest)
    guest.symbols = {"pvh_bootparams": build.KERNEL_MAP + PARAMS}
    guest.put(PARAMS, build.boot_params(build.MAP, hdr__version=0x20D))
    now = guest.at("bootparams")
    screen = screens.of(now, "boot_params", old_values=compare.values_before(handed_over, now))

    assert line(screen, " hdr ").startswith(" *+0x1f1")
    assert line(screen, " version ").startswith(" *+0x206")
    assert line(screen, "realmode_swtch …").startswith(" *+0x208")


def test_only_the_fields_of_a_fold_that_changed_are_shown() -> None:
    build.page_tables(guest := build.linux_guest())
    guest.symbols = {"pvh_bootparams": build.KERNEL_MAP + PARAMS}
    guest.put(PARAMS, build.boot_params(build.MAP, hdr__ext_loader_ver=1))
    before = guest.at("bootparams")
    guest.put(PARAMS, build.boot_params(build.MAP, hdr__ext_loader_ver=0))
    now = guest.at("bootparams")
    screen = screens.of(now, "boot_params", old_values=compare.values_before(before, now), only_changes=True)

    assert ["hdr", "ext_loader_ver"] == [row.name.strip() for row in rows(screen)]


def test_d_selects_the_first_change_and_ends_at_the_next_stop() -> None:
    screen = changed(flags=3).at(4)
    alone = actions.act("changes", screen, SIZE)
    again = actions.act("changes", alone, SIZE)
    moved = update(at("prepare", only_changes=True), GuestStopped(Run(STOPPED, "kernel"), *_stop("kernel")))

    assert (True, "flags") == (alone.only_changes, rows(alone)[alone.position.cursor].name)
    assert (False, "flags") == (again.only_changes, rows(again)[again.position.cursor].name)
    assert not moved.only_changes


def test_at_the_first_stop_d_says_that_there_is_nothing_to_compare_with() -> None:
    first = actions.act("changes", at("entry"), SIZE)

    assert (False, "nothing to compare with: this is the first stop") == (first.only_changes, first.message)


def _stop(stage: str) -> tuple[Capture, tuple[Capture, ...], tuple[StageMark, ...]]:
    screen = at(stage)
    assert screen.now is not None
    return screen.now, screen.history, screen.stages


def test_a_map_entry_is_marked_if_one_of_its_fields_changed() -> None:
    guest = build.linux_guest()
    before = guest.at("entry")
    guest.put(build.MEMMAP, build.memmap([(0xD0000, 0x20000, 2)]))
    now = guest.at("entry")
    screen = screens.of(now, "memory", old_values=compare.values_before(before, now))

    assert line(screen, "[0] ").startswith(" *[0] 0xd0000-0xf0000      128 KiB  ▒ RESERVED")
    assert line(screen, "[1] ").startswith("  [1]")


def test_a_row_shows_sign_and_code_of_its_finding() -> None:
    screen = at("entry", findings=(STACK,))

    assert "+0x10 modlist_paddr   0x7b7c      ▲ PVH207  1 module, 130.6 KiB" == line(screen, "modlist").strip()
    assert "▲ PVH207  " == styled(screen, classes.WARNING).removeprefix(" ▲ 1 warning")


def test_a_finding_about_the_original_is_shown_on_the_row_of_the_copy() -> None:
    assert "▲ PVH207" in line(at("prepare", findings=(STACK,)), "modlist")


def test_a_row_names_its_worst_finding_and_counts_the_other_findings() -> None:
    field = "start_info.magic"
    findings = (
        Finding("PVH901", "info", "", field),
        Finding("PVH101", "error", "", field),
        Finding("PVH207", "warning", "", field),
    )

    assert "✖ PVH101 +2" in line(at("entry", findings=findings), "magic")


def test_a_finding_about_a_part_is_shown_on_the_row_around_it() -> None:
    screen = at("entry", "memory", findings=(Finding("PVH201", "info", "", "memory_map.entries[0].type"),))

    assert "ℹ PVH201  192 KiB" in line(screen, "[0]")  # noqa: RUF001


def test_a_finding_about_a_folded_field_is_shown_on_the_folded_row() -> None:
    screen = at("bootparams", "boot_params", findings=(Finding("PVH301", "error", "", "boot_params.acpi_rsdp_addr"),))

    assert "✖ PVH301" in line(screen, "screen_info …")


def test_a_finding_about_a_structure_is_shown_on_its_first_row() -> None:
    screen = at("entry", findings=(Finding("PVH100", "error", "", "start_info"),))

    assert "✖ PVH100" in line(screen, "magic")


def test_the_tab_of_the_findings_has_the_sign_of_the_worst_finding() -> None:
    findings = (STACK, Finding("PVH101", "error", "", "start_info.magic"))

    assert "5✖findings" in text(at("entry", findings=findings), (120, 40))
    assert "5Xfindings" in text(at("entry", findings=findings, ascii=True), (120, 40))
