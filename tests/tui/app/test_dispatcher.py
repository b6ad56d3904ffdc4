"""What keys ask of the machine."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, cast

import pytest

from pvhdbg.tui.app.dispatcher import Dispatcher
from pvhdbg.tui.screen import state
from pvhdbg.tui.screen.state import Run
from tests.tui.screens import at

if TYPE_CHECKING:
    from pvhdbg.tui.app.dispatcher import Ui


@pytest.mark.parametrize(
    ("stage", "kind", "expected"),
    [
        ("prepare", state.RUNNING, ["to the next stage"]),
        ("e820", state.RUNNING, ["no stages left: the guest runs on"]),
        ("e820", state.STOPPED, ["to the next stage"]),
    ],
)
def test_f6_does_not_interrupt_a_running_guest_that_has_no_stages_left(
    stage: str, kind: str, expected: list[str]
) -> None:
    done: list[str] = []
    worker = SimpleNamespace(next_stage=lambda: done.append("to the next stage"))
    ui = SimpleNamespace(screen=at(stage, run=Run(kind)), worker=worker, say=done.append, leave=None)
    Dispatcher(cast("Ui", ui), None).act("next-stage")

    assert expected == done
