"""Capture a start_info that is not at the address in EBX."""

from __future__ import annotations

from pvhdbg.boot.session.resolve import start_info_at
from pvhdbg.target.recording import Recording
from tests import build


def test_a_start_info_at_another_address_is_read_with_everything_that_it_points_to() -> None:
    guest = build.linux_guest()
    guest.put(0x50000, build.start_info(nr_modules=1, modlist_paddr=build.MODLIST, cmdline_paddr=0x51000))
    guest.put(0x51000, b"another\0")
    target = Recording(guest.memory.ranges(), guest.registers, guest.symbols)

    capture = start_info_at(target, guest.image, 0x50000)

    assert capture.start_info is not None
    assert capture.cmdline is not None
    assert (0x50000, b"another") == (capture.start_info.at, capture.cmdline.raw)
    assert capture.modules == build.boot().stops[0].modules
