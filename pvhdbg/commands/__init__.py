"""Every question a user can ask, once: the shell's `-c`, the TUI's prompt and gdb all list this table.

`@STAGE` among the words asks for what was captured at that stage instead of what is there now. What is not there any
more is shown as it was captured last, and that is said.
"""

from __future__ import annotations

from pvhdbg.commands import questions
from pvhdbg.commands.table import COMMANDS, Command, complete, find, help_text, parse, prefixed, run

__all__ = ["COMMANDS", "Command", "complete", "find", "help_text", "parse", "prefixed", "questions", "run"]
