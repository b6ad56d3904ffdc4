"""Registers everything in gdb. Doing it twice does no harm. It does not look at the machine."""

from __future__ import annotations

import gdb

from pvhdbg.in_gdb import functions, printers, pvh_commands
from pvhdbg.in_gdb.session import CurrentSession

CURRENT = CurrentSession()


def install() -> None:
    pvh_commands.register(CURRENT)
    functions.register(CURRENT)
    printers.register()
    if hasattr(gdb, "register_window_type"):  # a gdb with a TUI
        from pvhdbg.in_gdb import window

        window.register(CURRENT)
    if hasattr(gdb, "MICommand"):  # since gdb 12
        from pvhdbg.in_gdb.mi_command import CaptureCommand

        CaptureCommand(CURRENT)
