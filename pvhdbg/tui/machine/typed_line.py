"""Run a line that the user typed at the prompt: gdb runs it, unless pvhdbg has a command of its own for it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pvhdbg.errors import PvhdbgError, UserError
from pvhdbg.named_tuple import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable

    from pvhdbg.live.debuggee.debuggee import Debuggee, Position


class TypedLine(NamedTuple):
    """Runs a typed line.

    `quit` ends the machine's thread, `boot_to` restarts the guest, `run_on` runs a step that may let the guest run
    forever, `read_line` returns the next line of a command of several lines, and `show` prints.
    """

    quit: Callable[[], None]
    boot_to: Callable[[Debuggee, str | None], Position]
    run_on: Callable[[Callable[[], Position]], Position]
    read_line: Callable[[], str | None]
    show: Callable[[str], None]

    def run(self, debuggee: Debuggee, line: str) -> Position:
        """Run the line, and return where the machine then is.

        :raise PvhdbgError: if the command fails.
        """
        from pvhdbg import commands
        from pvhdbg.live.gdb import console

        kind = console.classify(line)
        if kind == console.QUIT:
            self.quit()
        elif kind in (console.RESTART, console.TO_ENTRY):
            return self.boot_to(debuggee, "entry" if kind == console.TO_ENTRY else None)
        elif kind == console.KILL:
            debuggee.kill()
        elif kind == console.STEP_BACK and debuggee.is_own_machine:
            return debuggee.step_back(by_repetition=True)  # as gdb's stepi counts
        elif kind == console.CONTINUE_BACK and debuggee.is_own_machine:
            return debuggee.continue_back()
        elif kind == console.OTHER_BACK and debuggee.is_own_machine:
            raise UserError("this machine goes back only by instructions", "use reverse-stepi (F7) or reverse-continue")
        elif (command := console.pvh_command(line, commands.COMMANDS)) is not None:
            self._run_pvh_command(debuggee, command)
        else:
            return self.run_on(lambda: debuggee.console(line, self.read_line))
        return debuggee.position()

    def _run_pvh_command(self, debuggee: Debuggee, command: str) -> None:
        """Run a pvhdbg command here instead of in gdb's Python, because only this process has all captures."""
        from pvhdbg import commands

        try:
            self.show(f"{commands.run(debuggee.session, command)}\n")
        except PvhdbgError as error:
            error.hint = commands.prefixed(error.hint)
            raise
