"""Run commands in parallel. They end with pvhdbg, no matter how it ends."""

from __future__ import annotations

import signal
import subprocess
import time
from collections import deque
from contextlib import suppress
from threading import Event, Lock
from typing import TYPE_CHECKING

from pvhdbg.errors import MachineError
from pvhdbg.live.system.os_errors import os_errors_as_machine_errors, start_thread
from pvhdbg.live.system.watcher import Watcher
from pvhdbg.named_tuple import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from types import TracebackType
    from typing import Self

_ENDS_WITHIN = 5.0
"""Seconds for a command to end after SIGTERM. After that, it is killed."""


class Finished(NamedTuple):
    """A command that has ended. `number` is its index in the list of commands.

    `status` is its exit status, or minus the number of the signal that ended it. If the command could not be started,
    `status` is None and `error` has the reason; it is None if the jobs were stopped.
    """

    number: int
    status: int | None
    out: bytes = b""
    err: bytes = b""
    error: MachineError | None = None


class Jobs:
    """Commands of which `at_once` run at the same time. Iterate over it to get each command that has ended.

    An exception, such as that of Ctrl-C, loses nothing: a new iteration goes on, and may repeat what was not handled.
    The commands run in the watcher's process group: the terminal's Ctrl-C does not reach them, and the watcher kills
    them if pvhdbg is killed.
    """

    def __init__(self, commands: Sequence[Sequence[str]], at_once: int) -> None:
        self._waiting = deque(enumerate(commands))
        self._working = at_once
        self._finished: deque[Finished] = deque()
        self._processes: list[subprocess.Popen[bytes]] = []
        self._lock = Lock()
        self._is_stopped = False
        self._news = Event()
        self._watcher = Watcher()
        try:
            for worker in range(at_once):
                start_thread(self._work, f"pvhdbg-job-{worker}")
        except BaseException:
            self.close()
            raise

    def __iter__(self) -> Iterator[Finished]:
        while True:
            is_last = not self._working
            while self._finished:
                yield self._finished[0]
                self._finished.popleft()
            if is_last:
                return
            self._news.wait()
            self._news.clear()

    def _work(self) -> None:
        """Run one command after the other. This is the work of each thread."""
        while (command := self._next()) is not None:
            self._finished.append(self._run(*command))
            self._news.set()
        with self._lock:
            self._working -= 1
        self._news.set()

    def _next(self) -> tuple[int, Sequence[str]] | None:
        with self._lock:
            return self._waiting.popleft() if self._waiting else None

    def _run(self, number: int, command: Sequence[str]) -> Finished:
        try:
            process = self._start(command)
        except MachineError as error:
            return Finished(number, None, error=error)
        if process is None:
            return Finished(number, None)
        out, err = process.communicate()
        return Finished(number, process.returncode, out, err)

    def _start(self, command: Sequence[str]) -> subprocess.Popen[bytes] | None:
        with self._lock, os_errors_as_machine_errors(f"can't start {command[0]}"):
            if self._is_stopped:
                return None
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                process_group=self._watcher.group,
            )
            self._processes.append(process)
            return process

    def interrupt(self) -> None:
        """Send SIGINT to the commands that run, and start no others."""
        self._stop(signal.SIGINT)

    def _stop(self, number: signal.Signals) -> None:
        with self._lock:
            self._is_stopped = True
            self._waiting.clear()
        for process in self._processes:
            process.send_signal(number)  # nothing happens if the process has ended

    def close(self) -> None:
        """End the commands that still run: with SIGTERM, and after some seconds with SIGKILL."""
        self._stop(signal.SIGTERM)
        deadline = time.monotonic() + _ENDS_WITHIN
        for process in self._processes:
            with suppress(subprocess.TimeoutExpired):
                process.wait(max(0.0, deadline - time.monotonic()))
        self._watcher.end()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
