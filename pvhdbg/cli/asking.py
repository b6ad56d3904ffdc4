"""`-c LINE`: entries of the command table instead of everything."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pvhdbg import commands
from pvhdbg.errors import TargetError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pvhdbg.boot.document import Outcome
    from pvhdbg.boot.sessions import Live, Session
    from pvhdbg.live.bench import Bench


def answers(session: Session, lines: Sequence[str]) -> str:
    """The answers, an empty line between two.

    :raise PvhdbgError: at the first line that has none.
    """
    return "\n\n".join(commands.run(session, line) for line in lines) + "\n"


def check(lines: Sequence[str]) -> None:
    """:raise UserError: for a line that no session could answer: better said before anything is started."""
    for line in lines:
        commands.parse(line)


def at(bench: Bench, outcome: Outcome) -> Live:
    """A machine of ours that went so far."""
    from pvhdbg.boot.sessions import Live
    from pvhdbg.cli.launch import machine_facts

    def disassemble(address: int, count: int) -> Sequence[str]:
        try:
            told = bench.session.target.monitor(f"x/{count}i {address:#x}")
        except TargetError:
            return ()
        return [line.rstrip() for line in told.splitlines()]

    return Live(
        bench.journey,
        machine_facts(bench),
        outcome,
        disassembler=disassemble,
        name_of=bench.name_of,
        timeout=bench.timeout,
    )
