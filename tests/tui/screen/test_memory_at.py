"""What kind of memory is at an address. QEMU reads zeros where there is no memory. They must not look like data."""

from __future__ import annotations

import pytest

from pvhdbg.target.monitor import Region
from pvhdbg.tui.screen import memory_at, state
from pvhdbg.tui.screen.state import Bytes, Screen
from tests.tui.screens import at, line, text

THERE = (Region(0, 0xA0000, "ram", "pc.ram"), Region(0xFEC00000, 0xFEC01000, "i/o", "ioapic"))
LAST = 0x20000000


def shown(paddr: int, regions: tuple[Region, ...] | None = THERE) -> Screen:
    return at("prepare", "bytes", bytes=Bytes(paddr, bytes(32), regions=regions))


@pytest.mark.parametrize(
    ("paddr", "words"),
    [
        (0x1000, "map: RAM; machine: RAM (pc.ram)"),
        (0xF0000, "map: RESERVED; machine: no memory, reads as 0"),
        (0xA0000, "map: not listed; machine: no memory, reads as 0"),
        (LAST, "map: beyond all RAM; machine: no memory, reads as 0"),
        (0xFEC00000, "map: beyond all RAM; machine: a device (ioapic)"),
    ],
)
def test_the_map_and_the_machine_both_describe_an_address(paddr: int, words: str) -> None:
    assert words == memory_at.describe(shown(paddr), paddr)


def test_without_a_machine_only_the_map_describes_an_address() -> None:
    assert "map: beyond all RAM" == memory_at.describe(shown(LAST, None), LAST)


def test_without_map_and_machine_there_is_no_description() -> None:
    screen = Screen(state.Title("vmlinux", ""), view="bytes", bytes=Bytes(0x1000, bytes(16)))

    assert "" == memory_at.describe(screen, 0x1000)


def test_memory_other_than_ram_is_named_above_the_bytes_even_at_80_columns() -> None:
    assert (
        "0x20000000 physical   map: beyond all RAM; machine: no memory, reads as 0"
        == line(shown(LAST), "phys").partition("*")[0].strip()
    )
    assert "0x1000 physical" == line(shown(0x1000), "physical").partition("*")[0].strip()


def test_addresses_without_memory_are_not_drawn_as_zero_bytes() -> None:
    assert "-- -- -- no memory" in text(shown(LAST))
    assert "00 00 00" not in text(shown(LAST))
    assert "no memory" not in text(shown(LAST, None))


def test_the_heading_describes_the_selected_row() -> None:
    assert "map: beyond all RAM" in line(shown(LAST - 16).at(1), "physical")
    assert "map: beyond all RAM" not in line(shown(LAST - 16), "physical")
