"""A process that gives the answers that a test chooses, in place of a real gdb."""

from __future__ import annotations

import queue
from collections.abc import Callable, Iterator
from typing import Self, cast

from pvhdbg.live.gdb.mi_client import MiClient
from pvhdbg.live.gdb.process import GdbProcess

Answer = Callable[[str, str], list[str]]
"""(token, command) -> the lines that gdb writes when it reads the command."""


class FakeProcess:
    """A GdbProcess without a process: only what MiClient needs. `received` has the lines and the signals, in order."""

    def __init__(self, answer: Answer) -> None:
        self.received: list[str] = []
        self._answer = answer
        self._lines: queue.SimpleQueue[str | None] = queue.SimpleQueue()

    def write(self, line: str) -> None:
        command = line.lstrip("0123456789")
        self.received.append(command)
        for answer in self._answer(line[: len(line) - len(command)], command):
            self._lines.put(answer)

    def lines(self) -> Iterator[str]:
        while (line := self._lines.get()) is not None:
            yield line

    def interrupt(self) -> None:
        self.received.append("SIGINT")

    def exit_report(self) -> str:
        return "gdb exited with status 0"

    def end(self) -> None:
        """End gdb's output."""
        self._lines.put(None)


class FakeGdb(MiClient):
    """An MiClient for a FakeProcess. Leave the context to end its thread."""

    def __init__(self, answer: Answer) -> None:
        self._fake = FakeProcess(answer)
        self.received = self._fake.received
        super().__init__(cast("GdbProcess", self._fake))

    def __enter__(self) -> Self:
        return self

    def end(self) -> None:
        """End gdb's output."""
        self._fake.end()

    def __exit__(self, *_: object) -> None:
        self.end()
        self.close()


def always(*lines: str) -> Answer:
    """Return the same lines for every command, with `TOKEN` replaced by the token of the command."""
    return lambda token, _command: [line.replace("TOKEN", token) for line in lines]
