"""Reads the kernel's log for the view of the log, from the live machine or from a recording."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pvhdbg.boot.log.kernel_log import read_kernel_log
from pvhdbg.boot.session.resolve import kernel_log_of, recorded_log
from pvhdbg.errors import NotConnected
from pvhdbg.tui.screen.state import Log
from pvhdbg.views.report import log_text

if TYPE_CHECKING:
    from pvhdbg.boot.log.kernel_log import KernelLog
    from pvhdbg.boot.session.protocol import Session
    from pvhdbg.boot.stop.capture import Capture
    from pvhdbg.live.debuggee.debuggee import Debuggee


def read(debuggee: Debuggee, capture: Capture) -> Log:
    """Read the log at the current stop, unless its capture has it."""
    if capture.log is not None:
        return _shown(recorded_log(capture))
    try:
        with debuggee.machine.target.physical_reads():
            return _shown(read_kernel_log(debuggee.journey.target, capture.registers, debuggee.image))
    except NotConnected as error:  # the next event reports that the machine is gone
        return Log(why=str(error))


def read_recorded(session: Session, capture: Capture) -> Log:
    return _shown(kernel_log_of(session, capture))


def _shown(log: KernelLog) -> Log:
    if log.missing is not None:
        return Log(why=log.missing)
    return Log((*log_text.left_out(log), *log_text.lines(log)), log_text.EMPTY)
