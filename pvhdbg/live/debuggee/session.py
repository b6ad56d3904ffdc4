"""What the command table asks of: a machine on the bench."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pvhdbg.boot.session.live import LiveSession
from pvhdbg.live.debuggee import machine_facts
from pvhdbg.target import monitor
from pvhdbg.target.mi import MiError, quote

if TYPE_CHECKING:
    from pvhdbg.boot.record.document import Outcome
    from pvhdbg.live.debuggee.debuggee import Debuggee


def session(debuggee: Debuggee, outcome: Outcome | None = None) -> LiveSession:
    """`outcome` is how it went so far, where somebody else was the guide."""
    target = debuggee.machine.target
    return LiveSession(
        debuggee.journey,
        machine_facts.of(debuggee),
        outcome,
        disassembler=lambda address, count: monitor.disassemble(target.monitor, address, count),
        expressions=lambda words: _value(debuggee, words),
        name_of=debuggee.name_of,
        timeout=debuggee.timeout,
    )


def _value(debuggee: Debuggee, words: str) -> int:
    """What gdb makes of an expression: its value, or where it lies if it is no number.

    :raise MiError: with gdb's own words.
    """
    try:
        return _number(debuggee, f"(unsigned long long)({words})")
    except MiError as error:
        try:
            return _number(debuggee, f"(unsigned long long)&({words})")
        except MiError:
            raise error from None


def _number(debuggee: Debuggee, expression: str) -> int:
    reply = debuggee.machine.gdb.ask(f"-data-evaluate-expression {quote(expression)}")
    return int(reply.payload["value"])
