import pytest

from pvhdbg.abi.cpu import CPU_MODES, REGISTERS
from pvhdbg.boot.stop.capture import Capture
from pvhdbg.target.base import NO_MONITOR
from pvhdbg.views.rows.cpu_rows import CHANGING, MODES, changed_bits, cpu_rows, mode_words, with_changed_bits
from pvhdbg.views.rows.row import Row
from tests import build


def entry_capture() -> Capture:
    return build.boot().stops[0]


def row_named(capture: Capture, name: str) -> Row:
    return next(row for row in cpu_rows(capture) if row.name == name)


def test_every_cpu_mode_has_a_description() -> None:
    assert set(CPU_MODES) == set(MODES)


@pytest.mark.parametrize(
    ("registers", "mode", "words"),
    [
        ({"cr0": 0x11}, "protected32", "32-bit protected mode, paging off"),
        ({"cr0": 0x80000011, "cr4": 0x20, "efer": 0x500}, "long64", "64-bit long mode, paging on (4 levels)"),
        ({"cr0": 0x80000011, "cr4": 0x1020, "efer": 0x500}, "long64", "64-bit long mode, paging on (5 levels)"),
        ({"cr0": 0x80000011, "cr4": 0x20, "efer": 0}, "pae32", "32-bit protected mode, paging on (3 levels)"),
        ({"cr0": 0x80000011, "cr4": 0, "efer": 0}, "paged32", "32-bit protected mode, paging on (2 levels)"),
        ({"cr0": 0x80000011, "cr4": None, "efer": 0}, "unknown", "unknown CPU mode, paging on"),
        ({"cr0": None}, "long64", "64-bit long mode, paging unknown"),
    ],
)
def test_the_description_of_the_mode_counts_the_levels_of_page_tables(
    registers: dict[str, int | None], mode: str, words: str
) -> None:
    capture = entry_capture()._replace(cpu_mode=mode, registers={"cr3": 0x1000, **registers})

    assert words == mode_words(capture)


def test_every_captured_register_is_shown() -> None:
    rows = cpu_rows(entry_capture())
    shown = " ".join(f"{row.path} {row.meaning}" for row in rows)
    plain = {name for name in REGISTERS if "." not in name}

    assert plain <= {row.path.removeprefix("registers.") for row in rows}
    assert all(f"registers.{name}.base" in shown for name in ("gdtr", "idtr"))


def test_control_bits_are_shown_by_name() -> None:
    bootparams = build.boot().stops[2]

    assert ("PE | ET | PG", "PAE", "LME | LMA") == (
        row_named(bootparams, "cr0").meaning,
        row_named(bootparams, "cr4").meaning,
        row_named(bootparams, "efer").meaning,
    )


def test_the_bits_of_control_registers_that_changed_are_named() -> None:
    entry, _, bootparams, *_ = build.boot().stops
    rows = {
        name: with_changed_bits(row_named(bootparams, name), entry.registers[name]).meaning
        for name in ("cr0", "cr4", "efer", "eflags", "rbx")
    }

    assert ("+PG; PE | ET | PG", "+PAE; PAE", "+LME +LMA; LME | LMA") == tuple(rows[name] for name in CHANGING)
    assert "+" not in rows["eflags"] + rows["rbx"]
    assert "+PE -PG -0x100000000" == changed_bits("cr0", 0x180000000, 1)
    assert "" == with_changed_bits(row_named(entry, "efer"), 0).meaning


def test_a_segment_and_its_descriptor_from_the_monitor_are_one_row() -> None:
    row = row_named(entry_capture(), "cs")

    assert ("0x8", "32-bit code, base 0x0, limit 0xffffffff, flags 0xcf9b00") == (row.value, row.meaning)


def test_without_a_monitor_segments_tables_and_a20_show_the_reason() -> None:
    guest = build.linux_guest()
    guest.without_monitor()
    capture = guest.at("entry")

    assert ("0x8", NO_MONITOR) == (row_named(capture, "cs").value, row_named(capture, "cs").meaning)
    assert {("-", NO_MONITOR)} == {
        (row_named(capture, name).value, row_named(capture, name).meaning) for name in ("gdtr", "idtr", "tr", "a20")
    }


def test_a_register_with_a_physical_address_can_be_followed() -> None:
    first, _, bootparams, *_ = build.boot().stops

    assert (build.START_INFO, "start_info") == (row_named(first, "rbx").leads_to, row_named(first, "rbx").meaning)
    assert (0x1000850, build.TABLES) == (row_named(first, "rip").leads_to, row_named(bootparams, "cr3").leads_to)
    assert row_named(build.boot().stops[1], "rip").leads_to is None
