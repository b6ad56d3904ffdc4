"""What each view shows."""

from __future__ import annotations

import pytest

from pvhdbg.abi.boot_params import BootParams
from pvhdbg.abi.layout import Struct
from pvhdbg.abi.start_info import ModlistEntry, StartInfo
from pvhdbg.boot.record.document import DONE, PANICKED, Document, Outcome, Watched
from pvhdbg.boot.stop.capture import MISSING_STAGE
from pvhdbg.checks.finding import ERROR, INFO
from pvhdbg.live.debuggee.code import Code, CodeLine
from pvhdbg.tui.draw.frame import rows
from pvhdbg.tui.events import events
from pvhdbg.tui.events.update import update
from pvhdbg.tui.lines import classes
from pvhdbg.tui.lines.signs import signs
from pvhdbg.tui.screen import state
from pvhdbg.tui.screen.state import BootFinding, Bytes, Log, Run
from tests import build
from tests.tui import screens
from tests.tui.screens import at, line, lines, pages, text

BOOTS = screens.documents()
LINUXES = [document for document in BOOTS if any(stop.boot_params for stop in document.stops)]
WITH_MODULES = [document for document in BOOTS if document.stops[0].modules]


def names(of: type[Struct]) -> list[str]:
    """Return the names of all fields, with those of nested structures."""
    field_names = []
    for field in of.FIELDS:
        field_names.append(field.name)
        inner = field.__get__(of(bytes(of.SIZE)), of)
        if isinstance(inner, Struct):
            field_names += names(type(inner))
    return field_names


@pytest.mark.parametrize("document", BOOTS)
def test_every_field_of_start_info_is_shown_at_80x24(document: Document) -> None:
    shown = text(at("entry", "start_info", document))

    assert [] == [field.name for field in StartInfo.FIELDS if f" {field.name} " not in shown]


@pytest.mark.parametrize("document", WITH_MODULES)
def test_every_field_of_a_module_is_shown(document: Document) -> None:
    shown = "".join(pages(at("entry", "modules", document)))

    assert [] == [field.name for field in ModlistEntry.FIELDS if f" {field.name} " not in shown]


@pytest.mark.parametrize("document", LINUXES)
def test_every_field_of_boot_params_is_shown_when_unfolded(document: Document) -> None:
    shown = "".join(pages(at("bootparams", "boot_params", document, unfolded=True)))

    assert [] == [name for name in names(BootParams) if f" {name} " not in shown and f" {name}\n" not in shown]


@pytest.mark.parametrize("document", BOOTS)
def test_every_entry_of_the_map_is_shown(document: Document) -> None:
    shown = "".join(pages(at("entry", "memory", document)))
    memory_map = document.stops[0].memory_map

    assert memory_map
    ranges = [f"{entry.addr:#x}-{entry.addr + entry.size:#x}" for entry in memory_map.entries]
    assert [] == [entry_range for entry_range in ranges if entry_range not in shown]


def test_start_info_shows_the_kernels_copy_if_there_is_one() -> None:
    entry, prepare = at("entry"), at("prepare")

    assert "struct hvm_start_info at 0xf31e0" == line(entry, "struct").strip()
    assert "pvh_start_info at 0x310d2e0, an identical copy of start_info at 0xf31e0" in text(prepare)
    assert "start_info.magic" == rows(entry)[0].path
    assert "pvh_start_info.magic" == rows(prepare)[0].path


def test_start_info_ends_with_the_command_line() -> None:
    assert 'cmdline         "console=ttyS0 earlyprintk=ttyS0"' == line(at("entry"), " cmdline  ").strip()


def test_for_data_that_is_not_valid_yet_the_first_valid_stage_is_shown() -> None:
    assert "pvh_bootparams  -  not valid before stage bootparams" in text(at("prepare", "boot_params"))


def test_boot_params_are_pvh_bootparams_and_later_the_kernels_copy() -> None:
    assert "pvh_bootparams at 0x310d320, a struct boot_params" in text(at("bootparams", "boot_params"))
    assert "boot_params at 0x32ba460, the kernel's copy of pvh_bootparams" in text(at("kernel", "boot_params"))


def test_boot_params_is_a_tree_with_zero_fields_folded() -> None:
    shown = lines(at("bootparams", "boot_params"), (120, 40))

    assert "+0x1f1 hdr                              setup header: PVH sets 5 fields" in shown[9]
    assert "+0x206   version            0x20c       2.12" in shown[11]
    assert "9 fields, all 0: setup_sects to header" in shown[10]


def test_a_module_shows_its_range_and_the_address_of_its_command_line() -> None:
    shown = text(at("entry", "modules"))

    assert "struct hvm_modlist_entry[1] at 0x7b7c" in shown
    assert "[0]              0x1fddf000-0x1fdffabc  the ramdisk" in shown
    assert "cmdline_paddr  0x0                    no command line" in shown


def test_without_modules_the_view_says_why() -> None:
    guest = build.linux_guest()
    guest.put(build.START_INFO, build.start_info())

    assert "no modules: nr_modules is 0" in text(screens.of(guest.at("entry"), "modules"))


def test_the_list_of_findings_shows_code_stage_and_message() -> None:
    screen = at("prepare", "findings", findings=(screens.STACK,))

    assert "1 finding so far: 1 at prepare" == line(screen, "1 finding").partition("*")[0].strip()
    assert "▸ ▲ PVH207  prepare  modlist_paddr: on the firmware's stack" in text(screen)
    assert "no findings" in text(screen._replace(boot_findings=()))


def test_the_heading_of_the_findings_counts_those_at_the_end() -> None:
    ending = screens.STACK._replace(code="PVH913", field="outcome.watched")
    entries = tuple(
        BootFinding(finding, (stage,), is_new=finding is ending, is_current=stage == "e820")
        for finding, stage in ((ending, "e820"), (screens.STACK, "prepare"))
    )
    screen = at("e820", "findings", boot_findings=entries)
    both = screen._replace(boot_findings=(*entries, BootFinding(screens.STACK, ("e820",))))

    assert "2 findings so far: 1 at the end (1 new *), 1 only at earlier stops" in text(screen, (120, 40))
    assert "3 findings so far: 1 at e820 and 1 at the end (1 new *), 1 only at earlier stops" in text(both, (120, 40))


def test_findings_after_a_stage_are_not_findings_at_that_stage() -> None:
    capture = build.boot().stops[1]
    between = capture._replace(missing={**capture.missing, MISSING_STAGE: "after prepare, at no stage"})
    entries = (
        BootFinding(screens.STACK, ("prepare",), is_new=True),
        BootFinding(screens.STACK._replace(code="PVH201"), ("prepare",), is_current=False),
    )
    screen = at("prepare", "findings", boot_findings=entries, now=between)

    assert "2 findings so far: 1 after prepare (1 new *), 1 only at earlier stops" in text(screen, (120, 40))
    assert "PVH207  here     start_info.modlist_paddr" in text(screen, (120, 40))
    assert "PVH201  prepare  start_info.modlist_paddr" in text(screen, (120, 40))
    assert "Found here, after prepare." in text(screen, (120, 40))
    assert "Found at prepare; not at the displayed stop." in text(screen.at(1), (120, 40))


def test_a_serial_console_without_output_leads_to_the_log() -> None:
    screen = at("e820", "serial", log=Log(("[    0.000000] Linux version 6.1", "panic")))
    watched = Watched(PANICKED, 100, None, None, "VFS")
    ended = screen._replace(outcome=Outcome("e820", DONE, watched=watched))

    assert "the guest has written nothing yet; its log (view log) has 2 lines" in text(screen)
    assert "the guest has written nothing; its log (view log) has 2 lines" in text(ended)
    assert line(ended._replace(log=Log()), "the guest has").strip().endswith("written nothing")


@pytest.mark.parametrize("field", ["start_info.cmdline_paddr", "pvh_start_info.cmdline_paddr"])
def test_a_defect_of_the_command_line_is_also_on_the_pointer_that_linux_made_from_it(field: str) -> None:
    wrong = screens.STACK._replace(code="PVH108", severity=ERROR, field=field)
    screen = at("bootparams", "boot_params", findings=(wrong,))
    harmless = at("bootparams", "boot_params", findings=(wrong._replace(severity=INFO),))
    sign = signs(screen.ascii).findings[ERROR]

    assert f"{sign} PVH108" in line(screen, " cmd_line_ptr ", (120, 40))
    assert f"│4{sign}boot_params│" in text(screen, (120, 40))
    assert "PVH108" not in line(harmless, " cmd_line_ptr ", (120, 40))
    assert f"4{sign}" not in text(at("entry", "boot_params", findings=(wrong,)), (120, 40))


def test_a_boot_without_a_memory_map_says_so_and_has_the_finding_on_the_row_of_its_protocol() -> None:
    guest = build.linux_guest()
    guest.put(build.START_INFO, build.start_info(version=0))
    wrong = screens.STACK._replace(code="PVH102", severity=ERROR, field="start_info.version")
    screen = screens.of(guest.at("entry"), "memory", findings=(wrong,))

    assert "the VMM passed no memory map" in text(screen)
    assert f"{signs(screen.ascii).findings[ERROR]} PVH102" in line(screen, "protocol ")


def test_code_marks_rip_and_breakpoints() -> None:
    instructions = tuple(CodeLine(f"nop {at}", 0x1000 + at, None, at == 30, at == 31) for at in range(48))
    screen = at("prepare", "code", code=Code("instructions, as gdb reads them", instructions))

    assert "instructions, as gdb reads them" == line(screen, "as gdb").partition("*")[0].strip()
    assert "▸ ▶0x101e  nop 30" == line(screen, "nop 30").strip()
    assert "● 0x101f  nop 31" == line(screen, "nop 31").strip()


def test_without_code_the_view_says_why() -> None:
    assert "no monitor" in text(at("entry", "code", code=Code(why="no monitor")))


def test_source_is_shown_with_line_numbers() -> None:
    source = (CodeLine("if (x)", None, 9), CodeLine("\treturn;", None, 10, True))
    shown = text(at("prepare", "code", code=Code("enlighten.c", source)))

    assert "   9  if (x)" in shown
    assert "▸ ▶   10      return;" in shown


def test_selected_bytes_are_in_brackets() -> None:
    screen = at("prepare", "bytes", bytes=Bytes(0x1000, b"0123456789abcdefXYZ", None, "", (0x1004, 0x1006)))

    assert "▸0x1000  30 31 32 33[34 35]36 37 38 39 61 62 63 64 65 66  0123456789abcdef" == line(screen, "30 31")
    assert "0x1010  58 59 5a                                         XYZ" == line(screen, "58 59").strip()
    assert "[34 35]" == screens.styled(screen, classes.BYTES_SELECTED)


def test_a_selection_across_two_rows_of_bytes_is_marked_in_both() -> None:
    shown = lines(at("prepare", "bytes", bytes=Bytes(0x1000, bytes(48), None, "", (0x100E, 0x1012))))

    assert "00 00[00 00] ...." in shown[4]
    assert " 0x1010 [00 00]00 00" in shown[5]


def test_bytes_show_the_virtual_address_too_if_it_fits() -> None:
    # The requested address is that of the selected bytes; rows start at multiples of 16.
    memory = Bytes(0x2000, bytes(32), 0xFFFFFFFF81002008, "_text", (0x2008, 0x2010))
    screen = at("prepare", "bytes", bytes=memory)

    assert "0x2010  0xffffffff81002010 " in text(screen, (120, 40))
    assert "0x2008 physical, 0xffffffff81002008 virtual   _text" in text(screen)
    assert "0xffffffff81002010" not in text(screen)


def test_enter_on_bytes_follows_the_selected_pointer() -> None:
    data = bytes(12) + (0xF31E0).to_bytes(8, "little") + bytes(12)
    screen = at("prepare", "bytes", bytes=Bytes(0x2000, data, None, "", (0x200C, 0x2014)))

    assert [0xF31E0, 0xF31E0 >> 32 or None] == [row.leads_to for row in rows(screen)]


def test_only_a_number_that_can_be_the_address_of_memory_is_a_pointer() -> None:
    values = (0x1336EC578, 1, 0xF31E0, 0x20000000)
    data = b"".join(value.to_bytes(8, "little") + bytes(8) for value in values)
    screen = at("prepare", "bytes", bytes=Bytes(0x2000, data))

    assert [None, None, 0xF31E0, None] == [row.leads_to for row in rows(screen)]
    assert "Enter" not in text(screen)


def test_unreadable_memory_says_why() -> None:
    assert "nothing there" in text(at("entry", "bytes", bytes=Bytes(0x1000, None, why="nothing there")))


def test_the_cpus_mode_is_spelled_out() -> None:
    shown = "".join(pages(at("entry", "cpu"), (120, 40)))

    assert "cpu mode   protected32  32-bit protected mode, paging off" in shown
    assert "cr0        0x11         PE | ET" in shown
    assert "cs         0x8          32-bit code, base 0x0, limit 0xffffffff, flags 0xcf9b00" in shown


def test_the_serial_console_follows_its_end_and_wraps_long_lines() -> None:
    serial = (*(f"line {n}" for n in range(30)), "x" * 77 + "end", "")
    shown = lines(at("prepare", "serial", serial=serial))

    assert "serial console, 32 lines, following the end" in shown[3]
    assert ["line 29", "x" * 77, "end"] == [line.strip("│ ") for line in shown[18:21]]


def test_the_serial_console_can_be_scrolled() -> None:
    screen = at("prepare", "serial", serial=tuple(f"line {n}" for n in range(300)), text_tops={"serial": 7})

    assert "serial console, from line 8 of 300" in text(screen)
    assert "line 7" == lines(screen)[4].strip("│ ")


def test_the_log_follows_its_end_and_has_the_lines_of_the_displayed_stop() -> None:
    logs = {"entry": Log(("[    0.000000] at the entry",)), "e820": Log(tuple(f"line {n}" for n in range(300)))}
    screen = at("e820", "log", log=logs["e820"], log_by_stage=logs)

    assert "the kernel's log, 300 lines, following the end" in lines(screen)[3]
    assert "line 299" in text(screen)
    assert "from line 8" in lines(screen._replace(text_tops={"log": 7}))[3]
    assert "[    0.000000] at the entry" == line(screen._replace(past=0), "at the entry").strip()
    assert "as of entry  the kernel's log, 1 line" in text(screen._replace(past=1))
    assert "not captured at stage entry" in text(screen._replace(past=0, log_by_stage={}))
    assert "unknown layout" in text(screen._replace(log=Log(why="unknown layout"), log_by_stage={}))


def test_the_log_that_was_read_belongs_to_the_stage_and_a_restart_forgets_it() -> None:
    first, second = Log(("first",)), Log(("first", "second"))
    screen = update(update(at("kernel", "log"), events.LogRead(first, "kernel")), events.LogRead(second))
    restarted = update(screen, events.MachineStarted(screen.title, None, (), is_own_machine=True))

    assert (second, {"kernel": first}) == (screen.log, screen.log_by_stage)
    assert (Log(), {}) == (restarted.log, restarted.log_by_stage)


def test_gdb_output_is_above_the_prompt_without_side_borders() -> None:
    shown = lines(at("prepare", output=("(gdb) p 1", "$1 = 1", "")))

    assert ["(gdb) p 1", "$1 = 1"] == [line.rstrip() for line in shown[-3:-1]]


def test_the_title_of_scrolled_gdb_output_shows_the_position() -> None:
    screen = at("prepare", output=tuple(f"line {n}" for n in range(5000)), output_top=1234)
    shown = lines(screen)

    assert "└ gdb from line 1235 of 5000 ─" in shown[-5]
    assert "line 1234" == shown[-4].strip()
    assert "line 4999" == lines(screen._replace(output_top=None))[-2].strip()


def test_while_the_guest_runs_views_are_dimmed_and_labeled_with_the_last_stop() -> None:
    screen = at("prepare", run=Run(state.RUNNING, since=100.0), clock=112.9)

    assert "▶ running 12 s" in text(screen)
    assert "as of the last stop" in text(screen)
    assert "magic" in screens.styled(screen, classes.OLD)
    assert "" == screens.styled(screen._replace(run=at("prepare").run), classes.OLD)


def test_a_past_stage_has_another_frame_and_a_label() -> None:
    past, now = at("e820", past=0), at("e820")

    assert "past: captured at entry" in text(past)
    assert "║▸ +0x00 magic" in text(past)
    assert "[entry ●]" in text(past)
    assert "║" not in text(now)
    assert "past:" not in text(now)


def test_the_serial_console_is_always_live() -> None:
    shown = text(at("e820", "serial", past=0))

    assert "│ now  serial" in shown
    assert "║" not in shown


def test_on_a_wide_terminal_the_code_is_beside_the_view() -> None:
    code = Code("enlighten.c", (CodeLine("memcpy(a, b)", None, 9, True),))
    shown = text(at("prepare", code=code), (200, 60))

    assert "magic           0x336ec578  correct" in shown
    assert "▶    9  memcpy(a, b)" in shown
    assert "┬ code ─" in shown
    assert "┬ code ─" not in text(at("prepare", "code", code=code), (200, 60))


def test_before_the_first_stop_the_view_says_what_it_waits_for() -> None:
    blank = at("entry")._replace(now=None, history=(), run=Run())

    assert "the guest is running to its first stop" in text(blank)
    assert "waiting for gdb and QEMU to start: microvm" in text(blank._replace(stages=()))
    assert "nothing captured yet" in text(blank._replace(run=Run(state.ENDED)))
    assert "… starting" in text(blank)
