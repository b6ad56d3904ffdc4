"""The worker without a machine: what it does when a step back is refused."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NoReturn

import pytest

from pvhdbg.errors import GuestError, UserError
from pvhdbg.tui.events.events import Message
from pvhdbg.tui.machine.worker import Worker
from pvhdbg.tui.screen.state import Title

if TYPE_CHECKING:
    from pvhdbg.tui.events.events import Event


class Running:
    """Stands for a Debuggee that runs on."""

    def __init__(self, *, is_own_machine: bool = True) -> None:
        self.is_own_machine = is_own_machine
        self.resumed: list[str] = []

    def resume(self, verb: str) -> str:
        self.resumed.append(verb)
        return "stopped again"

    def console(self, line: str, _more: object) -> str:
        return f"gdb ran {line}"


def test_a_guest_that_ran_on_runs_on_if_going_back_is_refused() -> None:
    events: list[Event] = []
    worker, debuggee = Worker(Title("kernel", "microvm"), events.append), Running()

    def refuse(_debuggee: object) -> NoReturn:
        raise UserError("can't go back: interrupts are enabled", "press F8")

    stopped: Any = worker._back_or_on(debuggee, refuse)  # type: ignore[arg-type]

    assert ("stopped again", ["continue"]) == (stopped, debuggee.resumed)
    messages = [event for event in events if isinstance(event, Message)]

    assert [Message("can't go back: interrupts are enabled; the guest runs on", "press F8")] == messages


def test_a_guest_that_was_moved_stays_where_it_is() -> None:
    worker, debuggee = Worker(Title("kernel", "microvm"), lambda _event: None), Running()

    def fail(_debuggee: object) -> NoReturn:
        raise GuestError("the guest did not execute the same instructions again")

    with pytest.raises(GuestError):
        worker._back_or_on(debuggee, fail)  # type: ignore[arg-type]
    assert [] == debuggee.resumed


@pytest.mark.parametrize("line", ["reverse-next", "rn", "reverse-step", "rs", "reverse-finish", "reverse-nexti"])
def test_going_back_by_lines_is_refused_with_what_works(line: str) -> None:
    typed = Worker(Title("kernel", "microvm"), lambda _event: None)._typed_line

    with pytest.raises(UserError, match=r"^this machine goes back only by instructions$") as refused:
        typed.run(Running(), line)  # type: ignore[arg-type]
    assert "use reverse-stepi (F7) or reverse-continue" == refused.value.hint


def test_going_back_by_lines_is_left_to_gdb_on_a_machine_that_pvhdbg_did_not_start() -> None:
    typed = Worker(Title("kernel", "microvm"), lambda _event: None)._typed_line
    stopped: Any = typed.run(Running(is_own_machine=False), "reverse-next")  # type: ignore[arg-type]

    assert "gdb ran reverse-next" == stopped
