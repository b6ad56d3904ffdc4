"""What the command table asks of: a machine on the bench."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pvhdbg.boot.session.live import Live
from pvhdbg.live.debuggee import machine_facts
from pvhdbg.target import monitor
from pvhdbg.target.mi import MiError, quoted

if TYPE_CHECKING:
    from pvhdbg.boot.record.document import Outcome
    from pvhdbg.live.debuggee.debuggee import Bench


def session(bench: Bench, outcome: Outcome | None = None) -> Live:
    """`outcome` is how it went so far, where somebody else was the guide."""
    target = bench.session.target
    return Live(
        bench.journey,
        machine_facts.of(bench),
        outcome,
        disassembler=lambda address, count: monitor.instructions(target.monitor, address, count),
        expressions=lambda words: _value(bench, words),
        name_of=bench.name_of,
        timeout=bench.timeout,
    )


def _value(bench: Bench, words: str) -> int:
    """What gdb makes of an expression: its value, or where it lies if it is no number.

    :raise MiError: with gdb's own words.
    """
    try:
        return _number(bench, f"(unsigned long long)({words})")
    except MiError as error:
        try:
            return _number(bench, f"(unsigned long long)&({words})")
        except MiError:
            raise error from None


def _number(bench: Bench, expression: str) -> int:
    reply = bench.session.gdb.ask(f"-data-evaluate-expression {quoted(expression)}")
    return int(reply.payload["value"])
