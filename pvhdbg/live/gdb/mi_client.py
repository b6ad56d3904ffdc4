"""GDB/MI: commands may be sent ahead, and each answer finds its own by token.

The run state comes from gdb's asynchronous records alone.
"""

from __future__ import annotations

import re
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from pvhdbg.abi.text import printable
from pvhdbg.errors import NotConnected
from pvhdbg.live.gdb import mi
from pvhdbg.live.system.os_errors import start_thread
from pvhdbg.target.mi import MiError, Stop

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pvhdbg.live.gdb.process import GdbProcess

PATIENCE = 20.0
"""Seconds that a command may take unless its caller knows better."""

_RESULT = re.compile(r"(\d+)\^([a-z]+)")
_REALLY_RUNS_AFTER, _REALLY_RUNS_WITHIN = 0.1, 2.0
_EVENT = re.compile(r"(\*running|\*stopped|=thread-group-started|=thread-group-exited)\b")
_SECONDARY_PROMPT = re.compile(r'~" *>"')


class Pending:
    """A command that was sent, and its reply once there is one."""

    def __init__(self, command: str, *, quiet: bool) -> None:
        self.command = command
        self.quiet = quiet
        self.prompts = 0
        self.printed: list[str] = []
        self.aborted = False
        self.reply: mi.Reply | None = None


class MiClient:
    """One gdb. `generation` changes whenever what was read from the machine may no longer hold.

    `deaf`: a command of gdb's own language lets the guest run, and until it stops gdb hears signals only.

    `on_text` gets what gdb prints and nobody hushed; `on_change` is called after the machine ran, stopped or went. Both
    are called from the reading thread.
    """

    def __init__(self, process: GdbProcess) -> None:
        self.process = process
        self.on_text: Callable[[str], None] | None = None
        self.on_change: Callable[[], None] | None = None
        self.running = False
        self.connected = False
        self.generation = 0
        self.last_stop: Stop | None = None
        self.deaf = False
        self._gone = False
        self._hushed = 0
        self._token = 0
        self._resumed: tuple[int, Pending] | None = None
        self._waiting: dict[int, Pending] = {}  # in the order in which gdb works on them
        self._changed = threading.Condition()
        self._thread = start_thread(self._read, "pvhdbg-gdb")

    def send(self, command: str, *, quiet: bool = True) -> Pending:
        """Send an MI command and don't wait. `quiet` keeps what it prints from `on_text`.

        :raise UserError: if the log could not be written.
        """
        pending = Pending(command, quiet=quiet)
        with self._changed:
            self._token += 1
            self.process.write(f"{self._token}{command}")  # nobody takes the answer before the lock is free
            self._waiting[self._token] = pending
        return pending

    def wait(self, pending: Pending, timeout: float | None = PATIENCE) -> mi.Reply:
        """The answer. One that comes after the timeout is dropped.

        :raise MiError: with gdb's own words, or that it did not answer within `timeout` seconds.
        :raise NotConnected: if gdb has gone.
        """
        with self._changed:
            self._changed.wait_for(lambda: pending.reply is not None or self._gone, timeout)
        if pending.reply is None:
            self.check()
            raise MiError(f"gdb did not answer within {timeout:g} s: {printable(pending.command)}")
        if pending.reply.message == "error":
            words = pending.reply.text if pending.aborted else pending.reply.payload.get("msg", "")
            raise MiError(printable(words.strip().replace("\n", " ")))
        return pending.reply

    def ask(self, command: str, timeout: float | None = PATIENCE) -> mi.Reply:
        """`send` and `wait`."""
        return self.wait(self.send(command), timeout)

    def interrupt(self) -> None:
        """Ask gdb to stop the guest: for a stub without QMP beside it."""
        if not self.deaf:
            self.send("-exec-interrupt")
            return
        # A signal is lost on a gdb that says it runs and does not yet, and at a second one it gives the machine up.
        deadline = time.monotonic() + _REALLY_RUNS_WITHIN
        while not self.wait_stop(_REALLY_RUNS_AFTER):
            if self.process.sleeps() or time.monotonic() > deadline:
                self.process.interrupt()
                return

    def wait_stop(self, timeout: float | None) -> bool:
        """False if the machine still runs after `timeout` seconds.

        :raise NotConnected: if gdb has gone.
        """
        with self._changed:
            self._changed.wait_for(lambda: not self.running or self._gone, timeout)
        self.check()
        return not self.running

    def check(self) -> None:
        """:raise NotConnected: if gdb has gone."""
        if self._gone:
            raise NotConnected(self.process.obituary())

    def wait_prompt(self, pending: Pending, seen: int, timeout: float | None) -> bool:
        """Whether gdb asks for another line of this command (for the `seen`-plus-first time) before it answers it."""
        with self._changed:
            self._changed.wait_for(lambda: pending.reply is not None or pending.prompts > seen or self._gone, timeout)
        return pending.reply is None and pending.prompts > seen

    def is_answered(self, pending: Pending, timeout: float) -> bool:
        with self._changed:
            return self._changed.wait_for(lambda: pending.reply is not None or self._gone, timeout)

    def forget(self) -> None:
        """Something may have changed the machine behind our back."""
        self.generation += 1

    @contextmanager
    def hushed(self) -> Iterator[None]:
        """Within, what gdb says about the machine by itself is not passed on."""
        self._hushed += 1
        try:
            yield
        finally:
            self._hushed -= 1

    @property
    def gone(self) -> bool:
        """Whether gdb has ended, and with it all that could be asked."""
        return self._gone

    def close(self) -> None:
        """After gdb was killed: take what it still said."""
        self._thread.join(timeout=5)

    def _read(self) -> None:
        try:
            for line in self.process.lines():
                self._take(line)
        finally:
            with self._changed:
                self._gone, self.connected, self.running = True, False, False
                self._changed.notify_all()
            self._tell()

    def _take(self, line: str) -> None:
        kind = line[:1]
        if kind in ("~", "@", "&"):
            self._take_text(line)
        elif kind in ("*", "="):
            self._take_event(line)
        elif match := _RESULT.match(line):
            self._take_result(int(match[1]), match[2], line)

    def _take_text(self, line: str) -> None:
        with self._changed:
            pending = next(iter(self._waiting.values()), None)
            if pending is None and self._resumed is not None:
                self._resumed[1].printed.append(line)
            if pending is not None:
                pending.printed.append(line)
                if _SECONDARY_PROMPT.fullmatch(line):
                    pending.prompts += 1
                    self._changed.notify_all()
            quiet = pending.quiet if pending is not None else bool(self._hushed)
        if self.on_text is not None and not quiet:
            self.on_text(mi.read_text(line))

    def _take_result(self, token: int, message: str, line: str) -> None:
        with self._changed:
            pending = self._waiting.pop(token, None)
            if pending is not None:
                pending.reply = mi.Reply(message, line, pending.printed)
                if message == "running":
                    self._take_running(token, pending)
            elif self._resumed is not None and self._resumed[0] == token:
                self._take_abort(self._resumed[1], line)
            self._changed.notify_all()

    def _take_running(self, token: int, pending: Pending) -> None:
        self.running = True
        self.deaf = pending.command.startswith("-interpreter-exec") and "&" not in pending.command
        self._resumed = token, pending
        pending.printed = []

    def _take_abort(self, pending: Pending, line: str) -> None:
        """A second answer: after all the machine does not run, and why was printed meanwhile."""
        pending.aborted = True
        pending.reply = mi.Reply("error", line, pending.printed)
        self.running = self.deaf = False

    def _take_event(self, line: str) -> None:
        match = _EVENT.match(line)
        if match is None:
            return
        with self._changed:
            self.generation += 1
            self.running = match[1] == "*running"
            if match[1] == "*stopped":
                self.last_stop = mi.read_stop(line)
                self.deaf = False
                self._resumed = None
            else:
                self.connected = match[1] != "=thread-group-exited"
            self._changed.notify_all()
        self._tell()

    def _tell(self) -> None:
        if self.on_change is not None:
            self.on_change()
