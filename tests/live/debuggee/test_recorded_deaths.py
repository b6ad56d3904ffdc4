"""However the guest is run to its death, the session records the death as `pvhdbg dump` does."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from pvhdbg.boot.stop import stages
from pvhdbg.errors import GuestError
from pvhdbg.image.load import open_kernel
from pvhdbg.live.debuggee.debuggee import Debuggee
from pvhdbg.views.to_json import document_json
from tests import tiny

if TYPE_CHECKING:
    from pathlib import Path

    from tests.live.conftest import Boot


@pytest.fixture
def debuggee(boot: Boot, tmp_path: Path) -> Debuggee:
    """A guest that dies in xen_prepare_pvh, stopped there."""
    path = tmp_path / "dying.elf"
    path.write_bytes(tiny.dying(name="dying"))
    machine = boot(path)
    assert machine.qemu is not None
    kernel = open_kernel(str(path), machine.folder)
    machine.target.symbols = kernel.symbols
    debuggee = Debuggee(machine, kernel, machine.qemu.options, 30)
    debuggee.to_first_stop()
    return debuggee


def outcome(debuggee: Debuggee) -> Any:  # noqa: ANN401 - JSON
    return json.loads(document_json.dumps(debuggee.session.document()))["outcome"]


@pytest.mark.parametrize("how", ["F6", "F5", "prompt"])
def test_a_death_that_a_user_reaches_is_recorded_like_one_of_dump(
    debuggee: Debuggee, boot: Boot, tmp_path: Path, how: str
) -> None:
    headless = boot(tmp_path / "dying.elf")
    assert headless.qemu is not None
    headless.target.symbols = debuggee.machine.target.symbols
    dumped = Debuggee(headless, debuggee.kernel, headless.qemu.options, 30)
    dumped.session.run(stages.NAMES[-1])
    if how == "F6":
        debuggee.next_stage()
    elif how == "F5":
        debuggee.resume("continue")
    else:
        debuggee.console("continue", lambda: None)

    assert "died" == outcome(dumped)["ended"]
    assert tiny.DIES_AT == outcome(dumped)["died"]["rip"]
    assert outcome(dumped) == outcome(debuggee)
    assert ["entry", "prepare", "died"] == [stop.stage for stop in debuggee.session.document().stops]


def test_a_death_stays_recorded_when_the_user_tries_to_go_on(debuggee: Debuggee) -> None:
    debuggee.resume("continue")
    before = outcome(debuggee)
    with pytest.raises(GuestError, match="the guest is dead"):
        debuggee.next_stage()

    assert before == outcome(debuggee)
    assert "died" == before["ended"]
