"""`-c LINE`: print the answers to questions instead of everything. Several answers get headings."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from pvhdbg import commands
from pvhdbg.abi.text import printable
from pvhdbg.errors import PvhdbgError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pvhdbg.boot.session.protocol import Session


class Answers(NamedTuple):
    """The answers as text, and the error of the first line that failed; later lines are not run."""

    text: str
    error: PvhdbgError | None = None


def answer_all(session: Session, lines: Sequence[str]) -> Answers:
    """Run each line, and stop at the first that fails."""
    answers: list[str] = []
    error = None
    for line in lines:
        try:
            answer = commands.run(session, line)
        except PvhdbgError as problem:
            error = problem
            break
        answers.append(f"== {printable(line.strip())}\n{answer}" if len(lines) > 1 else answer)
    return Answers(_joined(answers), error)


def _joined(answers: Sequence[str]) -> str:
    return "\n\n".join(answers) + "\n" if answers else ""


def check_lines(lines: Sequence[str]) -> None:
    """Refuse a line that no session could answer, before anything is started.

    :raise UserError: for an unknown command or bad arguments.
    """
    for line in lines:
        commands.parse(line)
