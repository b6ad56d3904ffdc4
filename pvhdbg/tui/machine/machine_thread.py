"""The thread that owns gdb. It starts the machine at once, while other modules are still being imported."""

from __future__ import annotations

import queue
import threading
from typing import TYPE_CHECKING

from pvhdbg.live.system.os_errors import start_thread

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    from pvhdbg.live.debuggee.debuggee import Debuggee
    from pvhdbg.tui.machine.worker import Worker

    Launch = Callable[[Callable[[], object]], AbstractContextManager[Debuggee]]


class MachineThread:
    """A thread that starts the machine, lets a Worker serve it, and ends it.

    `launch` returns a context manager that starts and ends the machine. `launch` gets a function to call as soon as the
    process of QEMU, or of gdb for `attach`, has been started.
    """

    def __init__(self, launch: Launch) -> None:
        """Start the thread.

        :raise MachineError: if the system allows no more threads.
        """
        self._launch = launch
        self._processes_started = threading.Event()
        self._worker: queue.SimpleQueue[Worker] = queue.SimpleQueue()
        # A daemon thread: if gdb or QEMU never start, the watcher has to end them after pvhdbg has exited.
        self._thread = start_thread(self._run, "pvhdbg-machine")

    def wait_processes_started(self, timeout: float) -> None:
        """Wait until the process of QEMU or gdb has been started, at most `timeout` seconds."""
        self._processes_started.wait(timeout)

    def serve(self, worker: Worker) -> None:
        """Let `worker` serve the machine, as soon as the machine has started."""
        self._worker.put(worker)

    def join(self, timeout: float) -> None:
        self._thread.join(timeout)

    def _run(self) -> None:
        worker: Worker | None = None
        error: BaseException | None = None
        try:
            with self._launch(self._processes_started.set) as debuggee:
                worker = self._worker.get()
                worker.serve(debuggee)
        except BaseException as raised:  # noqa: BLE001  the screen's thread raises it again when it gets ThreadEnded
            error = raised
        self._processes_started.set()  # nothing more will be started
        (worker or self._worker.get()).end(error)
