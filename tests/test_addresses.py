"""An address that a user types has the same value in every place. tests/live and tests/in_gdb use real machines."""

from __future__ import annotations

from contextlib import nullcontext
from typing import TYPE_CHECKING, cast

import pytest

from pvhdbg import commands
from pvhdbg.boot.lab.assignment import parse_assignment
from pvhdbg.boot.run.journey import Journey
from pvhdbg.boot.session.live import LiveSession
from pvhdbg.boot.session.recorded import RecordedSession, recording_of
from pvhdbg.errors import PvhdbgError, TargetError, UserError
from pvhdbg.tui.events.events import MemoryRead, Message
from pvhdbg.tui.machine import memory_view
from pvhdbg.tui.screen.state import Bytes, MemoryRequest
from tests import build
from tests.addresses import ERRORS, GDB_ONLY, VALUES

if TYPE_CHECKING:
    from collections.abc import Callable

    from pvhdbg.target.base import Runner

RUN = build.boot()
ENTRY = RUN.stops[0]
REGISTERS = {
    "$rbx": ENTRY.registers["rbx"],
    "rbx": ENTRY.registers["rbx"],
    "$rbx + 8": (ENTRY.registers["rbx"] or 0) + 8,
    "$rip - 1": (ENTRY.rip or 0) - 1,
}
EXPECTED = {text: REGISTERS[text] if value is None else value for text, value in VALUES.items()}
NUMBERS = [text for text in VALUES if text.isalnum() and text[0].isdecimal()]


def live(debugger: Callable[[str], int] | None = None) -> LiveSession:
    """Return a live session that reads registers and symbols from the capture at the entry."""
    journey = Journey(recording_of(ENTRY), cast("Runner", None), None, reading=nullcontext)
    return LiveSession(journey, debugger=debugger)


def gdb(text: str) -> int:
    """Evaluate as gdb does, or fail with a message that the user must not see."""
    if text not in GDB_ONLY:
        raise TargetError("A syntax error in expression, near `'.")
    return GDB_ONLY[text]


def in_a_recording(text: str) -> int:
    return RecordedSession(RUN).evaluate(text, ENTRY)


def in_a_live_session(text: str) -> int:
    return live().evaluate_now(text)


def in_a_live_session_with_gdb(text: str) -> int:
    return live(gdb).evaluate_now(text)


def in_the_bytes_view(text: str) -> int:
    event = memory_view.captured_event(ENTRY, RUN.kernel, MemoryRequest(f"p {text}", 8), Bytes())
    if isinstance(event, Message):
        raise UserError(event.message, event.hint)
    assert isinstance(event, MemoryRead)
    return event.bytes.selected[0]


def as_the_entry(text: str) -> int:
    session = live()
    session.locate(text)
    return session.journey.entry or 0


EVERYWHERE = [in_a_recording, in_a_live_session, in_a_live_session_with_gdb, in_the_bytes_view]
BY_PLACE = pytest.mark.parametrize("evaluate", EVERYWHERE)


@BY_PLACE
@pytest.mark.parametrize("text", VALUES)
def test_an_address_means_the_same_everywhere(text: str, evaluate: Callable[[str], int]) -> None:
    assert EXPECTED[text] == evaluate(text)


@BY_PLACE
@pytest.mark.parametrize("text", ERRORS)
def test_an_error_is_the_same_everywhere(text: str, evaluate: Callable[[str], int]) -> None:
    with pytest.raises(UserError) as error:
        evaluate(text)

    assert str(error.value).startswith(ERRORS[text])
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("text", VALUES)
def test_the_entry_may_be_any_address_without_symbols(text: str) -> None:
    assert EXPECTED[text] == as_the_entry(text)


@pytest.mark.parametrize("text", [text for text in ERRORS if "range" in ERRORS[text] or "not an octal" in ERRORS[text]])
def test_an_invalid_entry_has_the_same_error(text: str) -> None:
    with pytest.raises(UserError) as error:
        as_the_entry(text)

    assert ERRORS[text] == str(error.value)


@pytest.mark.parametrize("command", ["code", "start-info"])
@pytest.mark.parametrize("text", ERRORS)
def test_a_command_shows_the_same_error(text: str, command: str) -> None:
    with pytest.raises(PvhdbgError) as error:
        commands.run(RecordedSession(RUN), f"{command} {text} @entry")

    assert str(error.value).startswith(ERRORS[text])


@pytest.mark.parametrize("text", NUMBERS)
def test_a_number_after_set_means_the_same(text: str) -> None:
    assert VALUES[text] == parse_assignment(f"start_info.magic={text}").value


@pytest.mark.parametrize("text", GDB_ONLY)
def test_only_a_live_machines_gdb_evaluates_other_expressions(text: str) -> None:
    with pytest.raises(UserError, match=r": not an address$"):
        in_a_recording(text)

    assert GDB_ONLY[text] == in_a_live_session_with_gdb(text)


@pytest.mark.parametrize(("text", "is_physical"), [("0x21e0", True), ("p $rbx", True), ("v 0x21e0", False)])
def test_p_and_v_before_an_address_choose_physical_or_virtual(text: str, is_physical: bool) -> None:
    event = memory_view.captured_event(ENTRY, RUN.kernel, MemoryRequest(text, 8), Bytes())

    assert isinstance(event, MemoryRead)
    assert is_physical == (event.bytes.vaddr is None)


@pytest.mark.parametrize("text", ["boot_params", "boot_params + 0x1f1"])
def test_the_bytes_view_finds_a_symbol_at_its_physical_address(text: str) -> None:
    stop = RUN.stops[-1]
    event = memory_view.captured_event(stop, RUN.kernel, MemoryRequest(text, 8), Bytes())
    offset = 0x1F1 if "+" in text else 0

    assert isinstance(event, MemoryRead)
    assert (build.VARIABLES["boot_params"] + offset, text) == (event.bytes.selected[0], event.bytes.name)
