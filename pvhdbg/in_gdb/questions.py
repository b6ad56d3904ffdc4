"""`pvh …` in gdb: a command for each entry of the command table."""

from __future__ import annotations

from typing import TYPE_CHECKING

import gdb

from pvhdbg import commands

if TYPE_CHECKING:
    from pvhdbg.commands import Command
    from pvhdbg.in_gdb.here import Sessions

PREFIX = "pvh"
_RUN = ("next-stage", "run-to")
_FILES, _EXPRESSIONS = {"FILE", "KERNEL"}, {"ADDRESS", "PADDR"}


def register(sessions: Sessions) -> None:
    _Prefix(sessions)
    for each in commands.COMMANDS.values():
        _Question(sessions, each)


def _say(answer: str) -> None:
    gdb.write(f"{answer}\n")


class _Prefix(gdb.Command):
    """Ask about a PVH boot: what the kernel was handed, what it made of it, and where it stands."""

    def __init__(self, sessions: Sessions) -> None:
        super().__init__(PREFIX, gdb.COMMAND_DATA, prefix=True)
        self._sessions = sessions

    def invoke(self, argument: str, from_tty: bool) -> None:  # noqa: ARG002  gdb's signature
        """Only for what is no command, and for nothing at all."""
        _say(self._sessions.ask(argument or "help"))


class _Question(gdb.Command):
    def __init__(self, sessions: Sessions, entry: Command) -> None:
        usage = f"Usage: {PREFIX} {entry.name} {entry.usage}".rstrip()
        # gdb takes a help text in its host's character set alone.
        self.__doc__ = f"{entry.help}\n\n{usage}\nExample: {PREFIX} {entry.example}".replace("…", "...")
        super().__init__(f"{PREFIX} {entry.name}", gdb.COMMAND_RUNNING if entry.name in _RUN else gdb.COMMAND_DATA)
        self._sessions = sessions
        self._entry = entry

    def invoke(self, argument: str, from_tty: bool) -> None:  # noqa: ARG002  gdb's signature
        if self._entry.name != "next-stage":  # an empty line goes on, and does nothing else again
            self.dont_repeat()
        _say(self._sessions.ask(f"{self._entry.name} {argument}"))

    def complete(self, text: str, word: str | None) -> list[str] | int:
        """`word` is the end of the text that gdb takes for a word: without what is before a dot, a dash or an @."""
        found = commands.complete(f"{self._entry.name} {text}")
        if not found and _FILES.intersection(self._entry.takes):
            return gdb.COMPLETE_FILENAME
        if not found and _EXPRESSIONS.intersection(self._entry.takes):
            return gdb.COMPLETE_EXPRESSION
        begun = len(text.rpartition(" ")[2]) - len(word or "")
        return [each[begun:] for each in found]
