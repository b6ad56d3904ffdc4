"""The thread that owns gdb. It starts the machine at once: whoever serves it may still have to be imported."""

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
    """`launch` gives the machine when entered, and ends it when left; both happen in this thread. It gets what is to be
    called once gdb and QEMU are on their way.
    """

    def __init__(self, launch: Launch) -> None:
        """:raise MachineError: if there can be no thread."""
        self._launch = launch
        self._on_its_way = threading.Event()
        self._worker: queue.SimpleQueue[Worker] = queue.SimpleQueue()
        # A daemon: where gdb or QEMU never come up, nothing can be done but to leave both to the watcher.
        self._thread = start_thread(self._run, "pvhdbg-machine")

    def wait_on_its_way(self, patience: float) -> None:
        """Until nothing keeps gdb and QEMU from starting any more, or for so many seconds."""
        self._on_its_way.wait(patience)

    def serve(self, worker: Worker) -> None:
        self._worker.put(worker)

    def join(self, patience: float) -> None:
        self._thread.join(patience)

    def _run(self) -> None:
        worker: Worker | None = None
        error: BaseException | None = None
        try:
            with self._launch(self._on_its_way.set) as debuggee:
                worker = self._worker.get()
                worker.serve(debuggee)
        except BaseException as problem:  # noqa: BLE001  raised again by whoever gets Left
            error = problem
        (worker or self._worker.get()).end(error)
