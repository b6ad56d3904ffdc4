"""Typed addresses on a live machine: the table in tests.addresses, in a session and in the TUI's bytes view."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pvhdbg.errors import UserError
from pvhdbg.live.debuggee.debuggee import Debuggee
from pvhdbg.tui.machine import memory_view
from pvhdbg.tui.screen.state import Bytes, MemoryRequest
from tests.addresses import ERRORS, GDB_ERRORS, GDB_ONLY, VALUES

if TYPE_CHECKING:
    pass


def in_the_session(debuggee: Debuggee, text: str) -> int:
    return debuggee.session.evaluate_now(text)


def in_the_bytes_view(debuggee: Debuggee, text: str) -> int:
    shown = memory_view.read_live(debuggee, debuggee.journey.history[-1], MemoryRequest(f"p {text}", 8), Bytes())
    return shown.selected[0]


@pytest.mark.parametrize("evaluate", [in_the_session, in_the_bytes_view])
def test_addresses_have_the_same_values_and_errors_as_everywhere(debuggee: Debuggee, evaluate: object) -> None:
    assert callable(evaluate)
    values = {text: value for text, value in (VALUES | GDB_ONLY).items() if value is not None}
    errors = ERRORS | GDB_ERRORS
    messages = {}
    for text in errors:
        with pytest.raises(UserError) as error:
            evaluate(debuggee, text)
        messages[text] = str(error.value)

    assert values == {text: evaluate(debuggee, text) for text in values}
    assert [] == [text for text in errors if not messages[text].startswith(errors[text]) or "\n" in messages[text]]


@pytest.mark.parametrize("radix", [8, 16])
def test_gdbs_output_radix_does_not_change_a_value(debuggee: Debuggee, radix: int) -> None:
    debuggee.machine.gdb.ask(f"-gdb-set output-radix {radix}")

    assert 0x21E0 == in_the_session(debuggee, "(0x2000 | 0x1e0)")
