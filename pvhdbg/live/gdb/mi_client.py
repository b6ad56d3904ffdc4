"""The GDB/MI client: sends commands without waiting, and matches answers to commands by token.

The guest's run state is taken only from gdb's asynchronous records.
"""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from pvhdbg.abi.text import printable
from pvhdbg.errors import NotConnected
from pvhdbg.lazy_pattern import pattern
from pvhdbg.live.gdb import mi
from pvhdbg.live.system.os_errors import start_thread
from pvhdbg.live.system.patience import Patience
from pvhdbg.target.mi.client import MiError, Stop

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pvhdbg.live.gdb.process import GdbProcess

TIMEOUT = 20.0
"""The default timeout of a command, in seconds. A command with a longer one does not use up the client's patience."""

MOST_TEXT = 4 << 20
"""How many characters of a command's output its reply keeps. A stub can send output without end."""

WRONG_ARCHITECTURE = "'g' packet reply is too long"
_ARCHITECTURE_HINT = "remove `set architecture` from gdb's start-up files, or start pvhdbg without --gdbinit"
_BREAKPOINT_HINT = (
    "delete the breakpoint and use hbreak or F9: a software breakpoint needs memory that is mapped when the guest runs"
)

_CONSOLE = "-interpreter-exec console"
_RESULT = pattern(r"([0-9]{1,12})\^([a-z]+)")
_SLEEP_POLL, _SLEEP_TIMEOUT = 0.1, 2.0
_NEXT_SIGNAL = 0.5
_AFTER_SIGNAL = "-enable-timings no"
"""A command that changes nothing. After a SIGINT, two of them precede the next command.

If gdb has not handled the signal before, the first may fail, or gdb prints "Quit" between the two.
"""
_EVENT = pattern(r"(\*running|\*stopped|=thread-group-started|=thread-group-exited)\b")
_SECONDARY_PROMPT = pattern(r'~" *>"')


class Pending:
    """A command that was sent, and its reply once gdb has answered.

    With `quiet`, `on_text` does not get its output. With `takes_signal`, a SIGINT may interrupt it.
    """

    def __init__(self, command: str, *, quiet: bool, takes_signal: bool) -> None:
        self.command = command
        self.quiet = quiet
        self.takes_signal = takes_signal
        self.prompts = 0
        self.printed: list[str] = []
        self.aborted = False
        self.reply: mi.Reply | None = None
        self._room = MOST_TEXT

    def keep(self, line: str) -> None:
        """Add a stream record to the output, up to MOST_TEXT characters."""
        self._room -= len(line)
        if self._room >= 0:
            self.printed.append(line)


def _question(pending: Pending) -> str:
    """Return the command as it is shown to the user."""
    return printable(pending.command.removeprefix(_CONSOLE).strip(' "'))


class MiClient:
    """A client for one gdb. `generation` changes whenever values read from the machine may be outdated.

    `commands_blocked` is true while the guest runs because of a command in gdb's own language: until it stops, gdb
    reads no commands and reacts only to signals.

    `on_text` gets gdb's output, unless it is quiet or suppressed. `on_change` is called after the machine ran, stopped
    or was lost. The reading thread calls both.
    """

    def __init__(self, process: GdbProcess) -> None:
        self.process = process
        self.on_text: Callable[[str], None] | None = None
        self.on_change: Callable[[], None] | None = None
        self.running = False
        self.connected = False
        self.generation = 0
        self.last_stop: Stop | None = None
        self.commands_blocked = False
        self._exited = False
        self._next_signal = 0.0
        self._has_signaled = False
        self._silent: Pending | None = None  # a command that was not answered in time
        self._patience = Patience()
        self._suppressing = 0
        self._token = 0
        self._resumed: tuple[int, Pending] | None = None
        self._waiting: dict[int, Pending] = {}  # in the order in which gdb runs them
        self._changed = threading.Condition()
        self._thread = start_thread(self._read, "pvhdbg-gdb")

    def send(self, command: str, *, quiet: bool = True, takes_signal: bool = False) -> Pending:
        """Send an MI command without waiting. See Pending for `quiet` and `takes_signal`.

        :raise UserError: if the log could not be written.
        """
        pending = Pending(command, quiet=quiet, takes_signal=takes_signal)
        with self._changed:
            if self._has_signaled:
                self._has_signaled = False
                for _ in range(2):
                    self._send(Pending(_AFTER_SIGNAL, quiet=True, takes_signal=False))
            self._send(pending)
        return pending

    def _send(self, pending: Pending) -> None:
        """Send a command. The caller holds the lock: the reading thread can't take the answer before it is free."""
        self._token += 1
        self.process.write(f"{self._token}{pending.command}")
        self._waiting[self._token] = pending

    def wait(self, pending: Pending, timeout: float | None = TIMEOUT) -> mi.Reply:
        """Wait for the answer and return it. An answer that comes after the timeout is ignored.

        :raise MiError: with gdb's own message, or if gdb does not answer within `timeout` seconds.
        :raise NotConnected: if gdb has exited, or has not answered for as long as `check` says.
        """
        with self._changed:
            if timeout is None or timeout > TIMEOUT:
                self._changed.wait_for(lambda: pending.reply is not None or self._exited, timeout)
            else:
                self._wait_patiently(pending, timeout)
            first = next(iter(self._waiting.values()), pending)  # gdb runs commands one by one
        if pending.reply is None:
            self.check()
            raise MiError(f"gdb timed out after {timeout:.3g} s: {_question(first)}")
        if pending.reply.message == "error":
            message = pending.reply.text if pending.aborted else pending.reply.results.text("msg", "")
            if WRONG_ARCHITECTURE in message:
                raise MiError("gdb's architecture is not that of the machine's CPU", _ARCHITECTURE_HINT)
            reason = printable(message.strip().replace("\n", " "))
            hint = _BREAKPOINT_HINT if "Cannot insert breakpoint" in reason else None
            raise MiError(reason or "gdb reported an error without a reason", hint)
        return pending.reply

    def _wait_patiently(self, pending: Pending, timeout: float) -> None:
        """Wait as long as the patience lasts, and not at all behind a command that was not answered in time."""
        if self._silent is not None:
            return
        left = self._patience.left()
        self._changed.wait_for(lambda: pending.reply is not None or self._exited, min(timeout, left))
        self._patience.spend()
        if pending.reply is None and timeout >= min(TIMEOUT, left):
            self._silent = next(iter(self._waiting.values()), pending)

    def ask(self, command: str, timeout: float | None = TIMEOUT) -> mi.Reply:
        """Send an MI command and wait for its answer: see `wait` for the errors."""
        return self.wait(self.send(command), timeout)

    def interrupt(self) -> None:
        """Ask gdb to stop the guest. This is for machines that pvhdbg can't stop through QMP."""
        if not self.commands_blocked:
            self.send("-exec-interrupt")
            return
        # gdb loses a signal that arrives after gdb's "running" record but before gdb waits for the guest, and a second
        # signal makes gdb drop the connection. So send only one signal, once gdb sleeps.
        deadline = time.monotonic() + _SLEEP_TIMEOUT
        while not self.wait_stop(_SLEEP_POLL):
            if self.process.is_sleeping() or time.monotonic() > deadline:
                self.signal()
                return

    def interrupt_command(self) -> None:
        """Send SIGINT if gdb is busy with a command that takes it: see `Pending`. Any thread may call this.

        At other times, a SIGINT would make one of pvhdbg's own commands fail, or gdb 13 abort. A second signal would
        make gdb drop the connection if it arrives before gdb has handled the first, but gdb may also have handled the
        first before the command began.
        """
        with self._changed:  # no other command is sent meanwhile
            busy_with = next(iter(self._waiting.values()), None)
            if busy_with is not None and busy_with.takes_signal and time.monotonic() >= self._next_signal:
                self._next_signal = time.monotonic() + _NEXT_SIGNAL
                self.signal()

    def signal(self) -> None:
        """Send SIGINT. `interrupt_command` says when that does harm."""
        self._has_signaled = True
        self.process.interrupt()

    def wait_stop(self, timeout: float | None) -> bool:
        """Wait for the machine to stop. Return False if it still runs after `timeout` seconds.

        :raise NotConnected: if gdb has exited.
        """
        with self._changed:
            self._changed.wait_for(lambda: not self.running or self._exited, timeout)
        self.check()
        return not self.running

    def check(self) -> None:
        """Check that gdb is still running and answers.

        :raise NotConnected: if gdb has exited, or if a command is still unanswered for which pvhdbg has waited TIMEOUT
            seconds, or less if earlier ones had used up its patience.
        """
        if self._exited:
            raise NotConnected(self.process.exit_report())
        if (silent := self._silent) is not None:
            raise NotConnected(f"gdb does not answer: {_question(silent)}")

    def wait_prompt(self, pending: Pending, count: int, timeout: float | None) -> bool:
        """Wait for the command's answer or for another prompt for more lines. Return True if the prompt came.

        `count` is how many prompts of this command have already been handled.
        """
        with self._changed:
            self._changed.wait_for(
                lambda: pending.reply is not None or pending.prompts > count or self._exited, timeout
            )
        return pending.reply is None and pending.prompts > count

    def is_answered(self, pending: Pending, timeout: float) -> bool:
        """Wait up to `timeout` seconds for the answer. Return whether gdb has answered or exited."""
        with self._changed:
            return self._changed.wait_for(lambda: pending.reply is not None or self._exited, timeout)

    def invalidate(self) -> None:
        """Mark everything read so far as outdated: a console command may have changed the machine."""
        self.generation += 1

    @contextmanager
    def suppress_output(self) -> Iterator[None]:
        """In the block, do not pass gdb's unsolicited output to `on_text`."""
        self._suppressing += 1
        try:
            yield
        finally:
            self._suppressing -= 1

    @property
    def exited(self) -> bool:
        """Whether gdb has exited and so will not answer any more."""
        return self._exited

    def close(self) -> None:
        """Read the rest of gdb's output. Call this after gdb was killed."""
        self._thread.join(timeout=5)

    def _read(self) -> None:
        try:
            for line in self.process.lines():
                self._take(line)
        finally:
            with self._changed:
                self._exited, self.connected, self.running = True, False, False
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
                self._resumed[1].keep(line)
            if pending is not None:
                pending.keep(line)
                if _SECONDARY_PROMPT.fullmatch(line):
                    pending.prompts += 1
                    self._changed.notify_all()
            quiet = pending.quiet if pending is not None else bool(self._suppressing)
        if self.on_text is not None and not quiet:
            self.on_text(mi.read_text(line))

    def _take_result(self, token: int, message: str, line: str) -> None:
        with self._changed:
            pending = self._waiting.pop(token, None)
            if pending is not None and pending is self._silent:
                self._silent = None
            if pending is not None:
                pending.reply = mi.Reply(message, line, pending.printed)
                if message == "running":
                    self._take_running(token, pending)
            elif self._resumed is not None and self._resumed[0] == token:
                self._take_abort(self._resumed[1], line)
            self._changed.notify_all()

    def _take_running(self, token: int, pending: Pending) -> None:
        self.running = True
        self.commands_blocked = pending.command.startswith("-interpreter-exec") and "&" not in pending.command
        self._resumed = token, pending
        pending.printed = []

    def _take_abort(self, pending: Pending, line: str) -> None:
        """Handle a second answer to a command that resumed the guest: the command failed, and gdb has printed why."""
        pending.aborted = True
        pending.reply = mi.Reply("error", line, pending.printed)
        self.running = self.commands_blocked = False

    def _take_event(self, line: str) -> None:
        match = _EVENT.match(line)
        if match is None:
            return
        with self._changed:
            self.generation += 1
            self.running = match[1] == "*running"
            if match[1] == "*stopped":
                self.last_stop = mi.read_stop(line)
                self.commands_blocked = False
                self._resumed = None
            else:
                self.connected = match[1] != "=thread-group-exited"
            self._changed.notify_all()
        self._tell()

    def _tell(self) -> None:
        if self.on_change is not None:
            self.on_change()
