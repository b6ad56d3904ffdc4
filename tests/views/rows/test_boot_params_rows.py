"""What the rows of struct boot_params say about its fields."""

from __future__ import annotations

import pytest

from pvhdbg.abi.boot_params import BootParams
from pvhdbg.views.rows.boot_params_rows import boot_params_rows
from pvhdbg.views.rows.row import Row
from tests import build

CAPTURE = build.boot().stops[2]
RANGES = [(0x100000 * number, 0x1000, 1) for number in range(128)]


def row_of(name: str, ranges: list[build.Range] | None = None, **values: int | bytes) -> Row:
    raw = build.boot_params(ranges or [], **values)
    rows = boot_params_rows(CAPTURE._replace(boot_params=BootParams(raw, 0)))
    return next(row for row in rows if row.path == f"boot_params.{name}")


@pytest.mark.parametrize(
    ("count", "expected"),
    [(0, "at most 128"), (128, "at most 128"), (129, "1 more than the table can hold"), (255, "127 more than the")],
)
def test_a_count_above_the_128_entries_of_the_table_is_excessive(count: int, expected: str) -> None:
    assert row_of("e820_entries", RANGES, e820_entries=count).meaning.startswith(expected)


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (0, 0, "no ramdisk"),
        (build.RAMDISK, 0, "the ramdisk, module 0"),
        (build.RAMDISK + 1, 0, "the ramdisk"),
        (build.RAMDISK, 1, "the ramdisk: not in the memory map"),
        (0, 1, "the ramdisk: not in the memory map"),
    ],
)
def test_the_ramdisk_is_module_0_if_it_has_its_address(low: int, high: int, expected: str) -> None:
    row = row_of("hdr.ramdisk_image", hdr__ramdisk_image=low, ext_ramdisk_image=high)

    assert (expected, low | high << 32 or None) == (row.meaning, row.leads_to)


def test_without_modules_the_ramdisk_is_none_of_them() -> None:
    raw = build.boot_params([], hdr__ramdisk_image=build.RAMDISK)
    for modules in ((), None):
        capture = CAPTURE._replace(modules=modules, boot_params=BootParams(raw, 0))

        assert "the ramdisk" in {row.meaning for row in boot_params_rows(capture)}


def test_sizes_have_both_halves() -> None:
    assert "4.0 GiB" in row_of("hdr.ramdisk_size", hdr__ramdisk_size=0x1000, ext_ramdisk_size=1).meaning


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (0, 0, "no command line"),
        (build.CMDLINE, 0, '"console=ttyS0 earlyprintk=ttyS0"'),
        (build.CMDLINE, 1, "command line: not in the memory map"),
        (build.CMDLINE + 1, 0, "command line"),
    ],
)
def test_the_command_line_is_quoted_if_its_address_is_that_of_the_captured_one(
    low: int, high: int, expected: str
) -> None:
    row = row_of("hdr.cmd_line_ptr", hdr__cmd_line_ptr=low, ext_cmd_line_ptr=high)

    assert (expected, low | high << 32 or None) == (row.meaning, row.leads_to)


@pytest.mark.parametrize("name", ["cmd_line_ptr", "ramdisk_image"])
def test_a_pointer_that_leads_outside_of_the_memory_map_says_so(name: str) -> None:
    row = row_of(f"hdr.{name}", None, **{f"hdr__{name}": 0x23456789})
    inside = row_of(f"hdr.{name}", None, **{f"hdr__{name}": 0x123456})

    assert row.meaning.endswith(": not in the memory map")
    assert "memory" not in inside.meaning


def test_an_rsdp_address_of_0_makes_the_kernel_search() -> None:
    assert row_of("acpi_rsdp_addr").meaning == "0: the kernel searches for the RSDP"
    assert "0: the" not in row_of("acpi_rsdp_addr", acpi_rsdp_addr=0xF0000).meaning


@pytest.mark.parametrize("used", [0, 1, 127, 128])
def test_bytes_after_the_counted_entries_are_one_row(used: int) -> None:
    raw = build.boot_params(RANGES, e820_entries=used)
    rows = boot_params_rows(CAPTURE._replace(boot_params=BootParams(raw, 0)))
    extra = [row for row in rows if row.name.endswith("…")]

    assert [f"[{used}] …"] * (used < 128) == [row.name for row in extra]
    assert all(row.raw == raw[0x2D0 + 20 * used : 0x2D0 + 20 * 128] for row in extra)
