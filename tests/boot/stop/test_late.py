"""Data that memory may no longer hold is compared with the kernel's copies before it is shown."""

from __future__ import annotations

import pytest

from pvhdbg.boot.stop import stages
from pvhdbg.boot.stop.late import read_held, read_late
from pvhdbg.target.recording import Recording
from tests import build
from tests.build import CMDLINE, MEMMAP, MODLIST, VARIABLES, Guest

ALL = len(stages.NAMES)
HELD = ("pvh_start_info", "cmdline", "modules", "memory_map", "boot_params", "kernel_boot_params", "e820_table")


@pytest.fixture
def guest() -> Guest:
    """Return a Linux that has passed all stages, with everything still in memory."""
    return build.booted_guest()


def held(guest: Guest, passed: int | None = ALL) -> list[str]:
    """Return the keys of the data that is shown."""
    target = Recording(guest.memory.ranges(), guest.registers, guest.symbols)
    capture = read_late(target, stages.UNSEEN, guest.image, passed)
    assert all(getattr(capture, key) is not None or capture.missing[key] for key in stages.CAPTURE_KEYS)
    return [key for key in stages.CAPTURE_KEYS if getattr(capture, key) is not None]


def why_missing(guest: Guest, key: str) -> str:
    """Return why the data is not shown after all stages."""
    target = Recording(guest.memory.ranges(), guest.registers, guest.symbols)
    return read_late(target, stages.UNSEEN, guest.image, ALL).missing[key]


def test_everything_but_start_info_is_shown_if_memory_still_holds_it(guest: Guest) -> None:
    assert list(HELD) == held(guest)


def test_after_the_entry_ebx_is_believed_only_if_it_points_to_the_magic() -> None:
    guest = build.linux_guest()
    believed = held(guest, 1)
    guest.registers["rbx"] = 0x1000

    assert ["start_info", "cmdline", "modules", "memory_map"] == believed
    assert [] == held(guest, 1)


@pytest.mark.parametrize(
    ("address", "data", "lost"),
    [
        (VARIABLES["pvh_start_info"], b"\xcc" * 56, {"pvh_start_info", "modules", "memory_map"}),
        (CMDLINE, b"\1\2\3 no text\0", {"cmdline"}),
        (MEMMAP, b"\xff" * 24, {"memory_map"}),
        (MODLIST, bytes(32), {"modules"}),
        (VARIABLES["pvh_bootparams"], b"\xcc" * 4096, {"boot_params"}),
        (VARIABLES["boot_params"], bytes(4096), {"kernel_boot_params"}),
    ],
)
def test_what_was_overwritten_is_not_shown(guest: Guest, address: int, data: bytes, lost: set[str]) -> None:
    guest.put(address, data)

    assert lost == set(HELD) - set(held(guest))


def test_a_kernel_that_was_not_booted_via_pvh_is_named_as_the_reason(guest: Guest) -> None:
    guest.put(VARIABLES["pvh_start_info"], bytes(56))
    freed = why_missing(guest, "pvh_start_info")
    guest.put(VARIABLES["boot_params"] + 0x202, b"HdrS")

    assert freed == "its magic is 0x0: the kernel never filled it in, or has freed its init memory"
    assert "not booted via PVH" in why_missing(guest, "pvh_start_info")


def test_a_setup_header_does_not_hide_a_start_info_that_is_intact(guest: Guest) -> None:
    guest.put(VARIABLES["boot_params"] + 0x202, b"HdrS")

    assert "pvh_start_info" in held(guest)


def test_without_a_copy_in_the_kernel_the_data_of_the_vmm_is_not_shown(guest: Guest) -> None:
    for name in ("pvh_bootparams", "boot_params"):
        guest.put(VARIABLES[name], bytes(4096))

    assert ["pvh_start_info", "e820_table"] == held(guest)


def test_if_the_stage_is_unknown_data_of_zeros_is_not_decoded(guest: Guest) -> None:
    guest.put(VARIABLES["boot_params"], bytes(4096))

    assert "kernel_boot_params" not in held(guest, None)


def test_a_recording_reads_what_was_held_again(guest: Guest) -> None:
    target = Recording(guest.memory.ranges(), guest.registers, guest.symbols)
    capture = read_late(target, stages.DIED, guest.image, ALL)
    recorded = Recording(capture.memory, capture.registers, capture.symbols)
    again = read_held(recorded, stages.DIED, guest.image, HELD)

    assert [getattr(capture, key) for key in HELD] == [getattr(again, key) for key in HELD]
