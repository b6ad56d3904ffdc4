"""The part of gdb/MI that this package needs: the protocol of a client, and how commands are written."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from pvhdbg.errors import NotConnected, TargetError
from pvhdbg.named_tuple import NamedTuple

if TYPE_CHECKING:
    from contextlib import AbstractContextManager


class MiError(TargetError):
    """gdb reported an error for a command, or did not answer in time. The message is gdb's."""


class Stop(NamedTuple):
    """Why the machine stopped: gdb's reason and signal, and gdb's numbers for the breakpoint and the thread.

    `watch` describes a watchpoint that was hit: its number, its expression, and the old and the new value.
    """

    reason: str
    signal: str
    breakpoint: str | None
    thread: int | None = None
    watch: str = ""


class Reply(Protocol):
    """The answer to a command.

    `line` is the raw result record; `text` is the console output of the command. Parsing a whole record takes longer
    than gdb needs to answer, so a target only searches `line` for the numbers that it needs.
    """

    @property
    def line(self) -> str: ...

    @property
    def text(self) -> str: ...


class Mi(Protocol):
    """A gdb/MI client. Commands can be pipelined: `send` does not wait for the previous answer."""

    @property
    def generation(self) -> int:
        """A number that changes when memory and registers may have changed."""
        ...

    @property
    def connected(self) -> bool: ...

    @property
    def running(self) -> bool: ...

    @property
    def last_stop(self) -> Stop | None: ...

    def send(self, command: str) -> Any:  # noqa: ANN401 - an opaque handle for `wait`
        ...

    def wait(self, pending: Any) -> Reply:  # noqa: ANN401
        """Wait for the answer to a command that `send` has sent.

        :raise MiError: if gdb reports an error.
        :raise NotConnected: if gdb is gone.
        """
        ...

    def wait_stop(self, timeout: float | None) -> bool:
        """Wait until the machine stops; return False if it still runs after `timeout` seconds.

        :raise NotConnected: if gdb is gone.
        """
        ...

    def interrupt(self) -> None:
        """Ask gdb to stop the machine."""
        ...

    def check(self) -> None:
        """Raise an error if gdb is gone.

        :raise NotConnected: if gdb is gone.
        """
        ...

    def suppress_output(self) -> AbstractContextManager[None]:
        """Within the block, do not forward messages about the machine that no command asked for."""
        ...


def wait_for_reply(mi: Mi, pending: Any) -> Reply:  # noqa: ANN401 - what `send` returned
    """Wait for the answer to a command.

    :raise MiError: if gdb reports an error.
    :raise NotConnected: if gdb or the machine is gone.
    """
    try:
        return mi.wait(pending)
    except MiError as error:
        if mi.connected:
            raise
        raise NotConnected("the machine is gone") from error


def quote(text: str) -> str:
    """Quote a string for MI. Newlines are escaped, because gdb would run the text after them as another command."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'


def console_command(line: str) -> str:
    """Return the MI command that runs a gdb console command."""
    return f"-interpreter-exec console {quote(line)}"
