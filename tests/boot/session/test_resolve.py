"""Capture a start_info that is not at the address in EBX, and find the log of a recording."""

from __future__ import annotations

from pvhdbg.boot.record.document import DONE, Outcome, Watched
from pvhdbg.boot.session.recorded import RecordedSession
from pvhdbg.boot.session.resolve import kernel_log_of, start_info_at
from pvhdbg.target.recording import Recording
from tests import build
from tests.boot.log.ring import Ring, guest_with


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
    assert {**guest.registers, "rbx": 0x50000} == capture.registers


def test_the_log_of_a_recording_is_read_from_its_memory_or_is_what_was_kept_at_the_end_of_the_run() -> None:
    ring = Ring().add(b"in memory")
    guest = guest_with(ring)
    run = build.boot()
    with_memory = run.stops[0]._replace(memory=guest.memory.ranges(), symbols=guest.symbols)
    watched = Watched("console", 1, None, None, log=("[    0.000000] kept",))
    session = RecordedSession(
        run._replace(stops=(with_memory, *run.stops[1:]), outcome=Outcome("e820", DONE, watched=watched))
    )

    assert ["in memory"] == [line.text for line in kernel_log_of(session, with_memory).lines]
    assert ["kept"] == [line.text for line in kernel_log_of(session, run.stops[-1]).lines]
    assert "not captured at stage kernel" == kernel_log_of(session, run.stops[3]).missing
