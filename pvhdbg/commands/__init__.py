"""Every command, once: the shell's `-c`, the TUI's prompt and `pvh` inside gdb run the same table.

questions  the commands; each docstring is the help text
table      register, run, complete and describe commands

`@STAGE` makes a command answer from the capture at that stage. What no longer exists is shown as last captured, and the
answer says so.

Imports boot and views. Start with questions.
"""

from __future__ import annotations

from pvhdbg.commands import questions
from pvhdbg.commands.table import COMMANDS, Command, complete, find, help_text, parse, prefixed, run

__all__ = ["COMMANDS", "Command", "complete", "find", "help_text", "parse", "prefixed", "questions", "run"]
