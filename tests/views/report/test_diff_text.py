"""Differences as lines of text."""

from __future__ import annotations

from pvhdbg.abi.boot_params import BootParams
from pvhdbg.abi.e820 import BootE820Entry
from pvhdbg.boot.record.compare import Absent, Change, compare_runs
from pvhdbg.boot.stop.capture import Text
from pvhdbg.image.facts import Note, Segment
from pvhdbg.views.report import diff_text
from tests import build


def test_two_stops_show_the_changes_and_one_line_with_what_is_unchanged() -> None:
    stops = build.boot().stops

    assert [
        "prepare -> bootparams",
        "  pvh_bootparams: absent -> struct boot_params at 0x310d320",
        '  address_kind: "kernel" -> "identity"',
        "  registers.rip: 0xffffffff8305a1ff -> 0x10008cb",
        "unchanged: start_info, pvh_start_info, cmdline, modules, memory_map, cpu_mode",
    ] == diff_text.captures(stops[1], stops[2]).splitlines()


def test_a_copy_is_compared_with_its_original() -> None:
    before, after = build.boot().stops[2:4]
    assert after.kernel_boot_params is not None
    raw = bytearray(after.kernel_boot_params.raw)
    raw[0x210] = 0x90

    lines = diff_text.captures(before, after._replace(kernel_boot_params=BootParams(bytes(raw)))).splitlines()

    assert "  (boot_params is compared with pvh_bootparams: one is a copy of the other)" == lines[1]
    assert "  boot_params.hdr.type_of_loader: 0xb0 (QEMU) -> 0x90 (Xen)" in lines


def test_two_runs_are_compared_stage_by_stage() -> None:
    run = build.boot()
    other = run._replace(machine=run.machine._replace(memory="1G"), stops=run.stops[:4])

    assert [
        "machine:",
        '  machine.memory: "512M" -> "1G"',
        "stage e820:",
        "  stage: reached -> never reached",
        "unchanged: kernel, outcome",
        "unchanged stages: entry, prepare, bootparams, kernel",
    ] == diff_text.documents(compare_runs(run, other)).splitlines()


def test_segments_and_notes_of_two_kernels_are_compared_as_text() -> None:
    run = build.boot()
    assert run.kernel is not None
    more = run.kernel._replace(
        segments=(*run.kernel.segments, Segment(0x4000000, 0, 1, 0x1000)),
        notes=(*run.kernel.notes, Note("X\x1b", 7, b"")),
    )
    lines = diff_text.documents(compare_runs(run, run._replace(kernel=more))).splitlines()
    segment, note = len(run.kernel.segments), len(run.kernel.notes)

    assert f"  kernel.segments[{segment}]: absent -> 0x4000000-0x4001000" in lines
    assert f"  kernel.notes[{note}]: absent -> X\\x1b 7" in lines


def test_equal_runs_have_no_differences() -> None:
    assert "no differences\n" == diff_text.documents(compare_runs(build.boot(), build.boot()))


def test_types_have_names_counts_are_decimal_and_addresses_are_hex() -> None:
    field = BootE820Entry.type

    assert "memory_map.entries[0].type: 1 (RAM) -> 42 (unknown)" == diff_text.line(
        Change("memory_map.entries[0].type", 1, 42, (field,))
    )
    assert "memory_map.nr_entries: 9 -> 10" == diff_text.line(Change("memory_map.nr_entries", 9, 10))
    assert "memory_map.paddr: 0x9 -> 0xa" == diff_text.line(Change("memory_map.paddr", 9, 10))


def test_a_table_or_an_entry_that_only_one_side_has_is_absent_on_the_other() -> None:
    kernel, e820 = build.boot().stops[3:5]
    assert e820.e820_table is not None
    shorter = e820._replace(e820_table=e820.e820_table._replace(nr_entries=1, entries=e820.e820_table.entries[:1]))

    assert "  e820_table: absent -> 5 entries, 511.6 MiB of RAM" in diff_text.captures(kernel, e820).splitlines()
    assert [
        "  e820_table: 1 entry -> 5 entries",
        "  e820_table[1]: absent -> 0x9fc00-0xd0000 RESERVED",
    ] == diff_text.captures(shorter, e820).splitlines()[1:3]


def test_control_bits_are_named() -> None:
    assert "registers.cr0: 0x11 (PE | ET) -> 0x80000011 (PE | ET | PG)" == diff_text.line(
        Change("registers.cr0", 0x11, 0x80000011)
    )
    assert "registers.cr4: 0x0 (none set) -> 0x20 (PAE)" == diff_text.line(Change("registers.cr4", 0, 0x20))


def test_long_byte_strings_are_shown_from_the_first_difference() -> None:
    assert "p, starting at byte 100: 01 00 -> 02 00" == diff_text.line(
        Change("p", b"\0" * 100 + b"\1\0", b"\0" * 100 + b"\2\0")
    )
    assert "p: 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00… -> 01" == diff_text.line(Change("p", b"\0" * 17, b"\1"))


def test_a_guests_string_is_escaped() -> None:
    before = build.boot().stops[0]
    after = before._replace(cmdline=Text(1, b"\x1b[2J\n"))

    text = diff_text.captures(before, after)

    assert r'-> "\x1b[2J\x0a"' in text
    assert "\x1b" not in text


def test_a_long_list_of_changes_is_cut_and_shows_how_many_are_left() -> None:
    stops = [build.capture_target(build.RandomTarget(seed), "bootparams") for seed in (1, 2)]

    lines = diff_text.captures(*stops).splitlines()

    assert [] != [line for line in lines if line.startswith("  … and ")]
    assert len(lines) < 10 * diff_text.MOST


def test_every_kind_of_value_is_shown_on_one_line() -> None:
    run = build.boot()
    values = [run.kernel, *run.stops[0][5:10], run.stops[2].boot_params, run.stops[4].e820_table, Absent("why")]
    assert run.kernel is not None

    lines = [diff_text.line(Change("x", value, value)) for value in (*values, run.kernel.segments[0], 2.5)]

    assert [] == [line for line in lines if "NamedTuple" in line or "object at" in line or "Segment(" in line]
