"""The kernel's structures as text, at stops with and without the memory map, changed and unchanged."""

from __future__ import annotations

import pytest

from pvhdbg.abi.boot_params import BootParams
from pvhdbg.boot.stop.capture import Capture
from pvhdbg.boot.stop.stop import Stop
from pvhdbg.views.report import boot_params_text
from tests import build

STOPS = build.boot().stops
ENTRY, PREPARE, BOOTPARAMS, KERNEL, E820 = range(5)


def without_map(capture: Capture) -> Capture:
    return capture._replace(memory_map=None)


def changed(capture: Capture) -> Capture:
    """Return the capture with another byte in the kernel's boot_params, at acpi_rsdp_addr."""
    assert capture.kernel_boot_params is not None
    raw = bytearray(capture.kernel_boot_params.raw)
    raw[0x70] ^= 1
    return capture._replace(kernel_boot_params=BootParams(bytes(raw), capture.kernel_boot_params.at))


def test_pvh_bootparams_has_the_fields_that_are_set_and_the_map_compared_with_the_vmms() -> None:
    lines = list(boot_params_text.boot_params(Stop(STOPS[BOOTPARAMS], STOPS[:BOOTPARAMS])))

    assert lines[0] == "  struct boot_params pvh_bootparams at 0x310d320"
    assert "    all other fields (except e820_table) are 0" in lines
    assert any(line.split()[1:2] == ["hdr.ramdisk_image"] for line in lines)
    table = next(number for number, line in enumerate(lines) if "pvh_bootparams.e820_table: " in line)
    assert lines[table].endswith("(compared with the memory map: = same, + new, - removed)")
    assert len(lines) - table > len(build.MAP)


@pytest.mark.parametrize("stage", [BOOTPARAMS, E820])
def test_without_the_memory_map_the_kernels_map_is_shown_as_it_is(stage: int) -> None:
    capture = without_map(STOPS[stage])
    show = boot_params_text.boot_params if stage == BOOTPARAMS else boot_params_text.e820_table
    lines = list(show(Stop(capture, ())))
    table = next(number for number, line in enumerate(lines) if "e820_table" in line and "RAM" in line)

    assert "compared" not in lines[table]
    assert any("0x100000" in line and "RAM" in line for line in lines[table + 1 :])


def test_the_kernels_copy_is_compared_with_pvh_bootparams() -> None:
    (line,) = boot_params_text.kernel_boot_params(Stop(STOPS[KERNEL], STOPS[:KERNEL]))

    assert line.endswith(": identical to pvh_bootparams")


def test_a_copy_that_is_as_it_was_at_the_stop_before_is_not_shown_again() -> None:
    again = STOPS[KERNEL]._replace(stage="e820")

    assert [] == list(boot_params_text.kernel_boot_params(Stop(again, STOPS[: KERNEL + 1])))


def test_a_changed_copy_shows_what_differs_and_from_what() -> None:
    head, *rows = boot_params_text.kernel_boot_params(Stop(changed(STOPS[KERNEL]), STOPS[:KERNEL]))
    later = list(boot_params_text.kernel_boot_params(Stop(changed(STOPS[KERNEL]), STOPS[: KERNEL + 1])))

    assert head.endswith(": differs from pvh_bootparams")
    assert ["acpi_rsdp_addr"] == [row.split()[1] for row in rows]
    assert all("0 -> 0x1" in row for row in rows)
    assert later[0].endswith(": differs from boot_params at stage kernel")


def test_a_copy_without_an_original_is_shown_itself() -> None:
    lines = list(boot_params_text.kernel_boot_params(Stop(without_map(STOPS[KERNEL]), ())))

    assert lines[0].startswith("  boot_params at 0x")
    assert ":" not in lines[0]
    assert any(line.startswith("  boot_params.e820_table: ") for line in lines)


@pytest.mark.parametrize(
    ("show", "name"),
    [
        (boot_params_text.boot_params, "pvh_bootparams"),
        (boot_params_text.kernel_boot_params, "boot_params"),
        (boot_params_text.e820_table, "e820_table"),
    ],
)
def test_a_structure_that_was_not_captured_is_one_line(show: object, name: str) -> None:
    assert callable(show)
    (line,) = show(Stop(STOPS[ENTRY], ()))

    assert name in line


def test_a_table_that_was_not_read_completely_says_so() -> None:
    capture = STOPS[E820]._replace(missing={"e820_table": "truncated"})

    assert " (truncated): " in next(boot_params_text.e820_table(Stop(capture, STOPS[:E820])))


def test_without_entries_in_the_table_all_other_fields_are_0() -> None:
    capture = STOPS[BOOTPARAMS]._replace(boot_params=BootParams(build.boot_params([], hdr__version=0x20C), 0))

    assert "    all other fields are 0" in boot_params_text.boot_params(Stop(capture, STOPS[:BOOTPARAMS]))
