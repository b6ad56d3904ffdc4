"""What a recording answers, and a start_info that is somewhere else."""

from __future__ import annotations

from pvhdbg.boot.session.recorded import RecordedSession
from pvhdbg.boot.session.resolve import start_info_at
from pvhdbg.boot.stop.stages import STAGES
from pvhdbg.target.recording import Recording
from tests import build


def test_a_start_info_elsewhere_is_followed_to_all_that_it_hands_over() -> None:
    guest = build.linux_guest()
    guest.put(0x50000, build.start_info(nr_modules=1, modlist_paddr=build.MODLIST, cmdline_paddr=0x51000))
    guest.put(0x51000, b"another\0")
    target = Recording(guest.memory.ranges(), guest.registers, guest.symbols)

    seen = start_info_at(target, guest.image, 0x50000)

    assert seen.start_info is not None
    assert seen.cmdline is not None
    assert (0x50000, b"another") == (seen.start_info.at, seen.cmdline.raw)
    assert seen.modules == build.boot().stops[0].modules


def test_a_recording_lacks_the_stages_that_it_did_not_see() -> None:
    boot = build.boot()
    short = RecordedSession(boot._replace(stops=boot.stops[:2]))

    assert [None, None, "not in this recording"] == [short.why_lacking(stage) for stage in STAGES[:3]]
