"""The `pvh` commands: one table for the shell's `-c`, the TUI's prompt and `pvh` inside gdb.

definitions  the commands; each docstring is the help text
table        register, run, complete and describe commands

With `@STAGE`, a command shows the capture at that stage instead of the current stop. If a structure no longer exists at
the current stop, the command shows the last capture of it, and reports which one.

Besides abi and errors, imports boot, checks and views. Start with definitions.
"""

from __future__ import annotations

from pvhdbg.commands import definitions
from pvhdbg.commands.table import COMMANDS, Command, complete, find, help_text, parse, prefixed, run

__all__ = ["COMMANDS", "Command", "complete", "definitions", "find", "help_text", "parse", "prefixed", "run"]
