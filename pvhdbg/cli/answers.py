"""`-c LINE`: run `pvh` commands and print only their output. With several commands, each output gets a heading."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pvhdbg import commands
from pvhdbg.abi.text import printable
from pvhdbg.errors import PvhdbgError
from pvhdbg.named_tuple import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pvhdbg.boot.session.protocol import Session


class Answers(NamedTuple):
    """The output of the commands, and the error of the first one that failed. Later commands are not run."""

    text: str
    error: PvhdbgError | None = None


def answer_all(session: Session, lines: Sequence[str]) -> Answers:
    """Run each line as a command. Stop at the first command that fails."""
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
    """Check the lines before anything is started.

    :raise UserError: for an unknown command or a wrong number of arguments.
    """
    for line in lines:
        commands.parse(line)
