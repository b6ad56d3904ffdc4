"""Run pvhdbg, and send it a signal when its main thread calls a function: `kill_at_call FUNCTION|N SIGNAL WORD…`.

The call is the N-th of all, or the first one of the function with this qualified name. Moments that are chosen by the
clock nearly never hit a window of a few instructions. The count begins when pvhdbg's own handlers are installed. SENT
is written to standard error when the signal is sent.
"""

from __future__ import annotations

import os
import signal
import sys
from typing import TYPE_CHECKING, Any

from pvhdbg.cli import main
from pvhdbg.tui.app import start
from pvhdbg.tui.machine import event_queue

if TYPE_CHECKING:
    from types import FrameType

SENT = "the signal was sent\n"
install = event_queue.signals_end_wait


class Profiler:
    """Counts calls, and sends the signal at the chosen one."""

    def __init__(self, at: str, number: signal.Signals) -> None:
        self._at = at
        self._number = number
        self._count = 0

    def __call__(self, frame: FrameType, event: str, _argument: object) -> None:
        if "call" not in event:
            return
        self._count += 1
        if self._at in (str(self._count), frame.f_code.co_qualname):
            sys.setprofile(None)
            os.write(2, SENT.encode())
            os.kill(os.getpid(), self._number)


class Installed:
    """The context manager in the place of `signals_end_wait`."""

    def __init__(self, queue: event_queue.EventQueue) -> None:
        self._context = install(queue)

    def __enter__(self) -> None:
        self._context.__enter__()
        sys.setprofile(Profiler(sys.argv[1], signal.Signals[sys.argv[2]]))

    def __exit__(self, *error: Any) -> None:  # noqa: ANN401, PYI036  passed on
        self._context.__exit__(*error)


if __name__ == "__main__":
    vars(start)["signals_end_wait"] = Installed
    sys.exit(main(sys.argv[3:]))
