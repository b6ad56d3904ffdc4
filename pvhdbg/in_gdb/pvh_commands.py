"""The commands `pvh …`: one gdb command for each command in pvhdbg.commands."""

from __future__ import annotations

from typing import TYPE_CHECKING

import gdb

from pvhdbg import commands

if TYPE_CHECKING:
    from pvhdbg.commands import Command
    from pvhdbg.in_gdb.session import CurrentSession

PREFIX = "pvh"
_RUN = ("next-stage", "run-to")
_FILES, _EXPRESSIONS = {"FILE", "KERNEL"}, {"ADDRESS", "PADDR"}


def register(current: CurrentSession) -> None:
    _Prefix(current)
    for entry in commands.COMMANDS.values():
        _PvhCommand(current, entry)


def _write(answer: str) -> None:
    gdb.write(f"{answer}\n")


class _Prefix(gdb.Command):
    """Inspect a PVH boot: the data from the VMM, what the kernel made of the data, and where the machine is now."""

    def __init__(self, current: CurrentSession) -> None:
        super().__init__(PREFIX, gdb.COMMAND_DATA, prefix=True)
        self._current = current

    def invoke(self, argument: str, from_tty: bool) -> None:  # noqa: ARG002  gdb's signature
        """Run `pvh` without a command, or with an unknown one. gdb calls the known commands itself."""
        _write(self._current.run(argument or "help"))


class _PvhCommand(gdb.Command):
    def __init__(self, current: CurrentSession, entry: Command) -> None:
        usage = f"Usage: {PREFIX} {entry.name} {entry.usage}".rstrip()
        # A help text must be in gdb's host character set.
        self.__doc__ = f"{entry.help}\n\n{usage}\nExample: {PREFIX} {entry.example}".replace("…", "...")
        super().__init__(f"{PREFIX} {entry.name}", gdb.COMMAND_RUNNING if entry.name in _RUN else gdb.COMMAND_DATA)
        self._current = current
        self._entry = entry

    def invoke(self, argument: str, from_tty: bool) -> None:  # noqa: ARG002  gdb's signature
        if self._entry.name != "next-stage":  # an empty line repeats only this command
            self.dont_repeat()
        _write(self._current.run(f"{self._entry.name} {argument}"))

    def complete(self, text: str, word: str | None) -> list[str] | int:
        """Complete the last word. gdb replaces only `word`: the part of the last word after a dot, a dash or an @."""
        names = commands.complete(f"{self._entry.name} {text}")
        if not names and _FILES.intersection(self._entry.takes):
            return gdb.COMPLETE_FILENAME
        if not names and _EXPRESSIONS.intersection(self._entry.takes):
            return gdb.COMPLETE_EXPRESSION
        kept = len(text.rpartition(" ")[2]) - len(word or "")
        return [name[kept:] for name in names]
