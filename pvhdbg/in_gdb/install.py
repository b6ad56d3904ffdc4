"""Register everything with gdb. Registering twice does no harm. Nothing here reads from the machine."""

from __future__ import annotations

import gdb

from pvhdbg.in_gdb import functions, printers, pvh_commands
from pvhdbg.in_gdb.session import CurrentSession

CURRENT = CurrentSession()


def install() -> None:
    pvh_commands.register(CURRENT)
    functions.register(CURRENT)
    printers.register()
    if hasattr(gdb, "register_window_type"):  # gdb was built with a TUI
        from pvhdbg.in_gdb import window

        window.register(CURRENT)
    if hasattr(gdb, "MICommand"):  # gdb 12 and later
        from pvhdbg.in_gdb.mi_command import CaptureCommand

        CaptureCommand(CURRENT)
