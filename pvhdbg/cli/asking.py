"""`-c LINE`: entries of the command table instead of everything. One is answered bare, several have headings."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from pvhdbg import commands
from pvhdbg.abi.text import printable
from pvhdbg.errors import PvhdbgError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pvhdbg.boot.session.live import Session


class Answers(NamedTuple):
    """What was answered, and what the first line that has no answer ended in; no later one is asked."""

    text: str
    error: PvhdbgError | None = None


def answers(session: Session, lines: Sequence[str]) -> Answers:
    told: list[str] = []
    error = None
    for line in lines:
        try:
            answer = commands.run(session, line)
        except PvhdbgError as problem:
            error = problem
            break
        told.append(f"== {printable(line.strip())}\n{answer}" if len(lines) > 1 else answer)
    return Answers(_joined(told), error)


def _joined(told: Sequence[str]) -> str:
    return "\n\n".join(told) + "\n" if told else ""


def check(lines: Sequence[str]) -> None:
    """:raise UserError: for a line that no session could answer: better said before anything is started."""
    for line in lines:
        commands.parse(line)
