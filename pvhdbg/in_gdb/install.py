"""Register everything with gdb. Registering twice does no harm. Nothing here reads from the machine."""

from __future__ import annotations

from importlib.util import find_spec

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


def shield_disassembler() -> None:
    """Keep SIGINTs from gdb while it disassembles. This is for a gdb that pvhdbg has started."""
    if find_spec("gdb.disassembler"):  # gdb 13 and later: earlier ones do not need it
        from pvhdbg.in_gdb import disassembly

        disassembly.register()
