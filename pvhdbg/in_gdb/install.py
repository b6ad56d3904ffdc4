"""Everything gdb gets, put in place. Done twice it is as done once; of the machine nothing is looked at."""

from __future__ import annotations

import gdb

from pvhdbg.in_gdb import functions, printers, questions
from pvhdbg.in_gdb.here import Sessions

SESSIONS = Sessions()


def install() -> None:
    questions.register(SESSIONS)
    functions.register(SESSIONS)
    printers.register()
    if hasattr(gdb, "register_window_type"):  # a gdb with a TUI
        from pvhdbg.in_gdb import window

        window.register(SESSIONS)
    if hasattr(gdb, "MICommand"):  # since gdb 12
        from pvhdbg.in_gdb.mi_command import CaptureCommand

        CaptureCommand(SESSIONS)
