"""`-c LINE`: entries of the command table instead of everything."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pvhdbg import commands

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pvhdbg.boot.sessions import Session


def answers(session: Session, lines: Sequence[str]) -> str:
    """The answers, an empty line between two.

    :raise PvhdbgError: at the first line that has none.
    """
    return "\n\n".join(commands.run(session, line) for line in lines) + "\n"


def check(lines: Sequence[str]) -> None:
    """:raise UserError: for a line that no session could answer: better said before anything is started."""
    for line in lines:
        commands.parse(line)
