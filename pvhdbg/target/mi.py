"""GDB/MI as far as a target needs it: how a command is spelled, what a stop says, the client that carries both."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from pvhdbg.errors import NotConnected, TargetError

if TYPE_CHECKING:
    from contextlib import AbstractContextManager


class MiError(TargetError):
    """gdb's own word for why not, or that it gave none in time."""


class Stop(NamedTuple):
    """Why the machine stopped: reason and signal as gdb names them, the number of the breakpoint, if it was one, and of
    the thread.
    """

    reason: str
    signal: str
    breakpoint: str | None
    thread: int | None = None


class Reply(Protocol):
    """What came back for a command: its variables, and what gdb printed while it worked on it.

    `line` is the record as it came. To parse one takes longer than gdb needs to answer: where much is read and all of
    it is numbers, they are picked out of the line.
    """

    @property
    def line(self) -> str: ...

    @property
    def payload(self) -> dict[str, Any]: ...

    @property
    def text(self) -> str: ...


class Mi(Protocol):
    """The client. A command may be sent ahead of the answer to the one before."""

    @property
    def generation(self) -> int:
        """Changes whenever what was read may no longer hold."""
        ...

    @property
    def connected(self) -> bool: ...

    @property
    def running(self) -> bool: ...

    @property
    def last_stop(self) -> Stop | None: ...

    def send(self, command: str) -> Any:  # noqa: ANN401 - whatever `wait` takes
        ...

    def wait(self, pending: Any) -> Reply:  # noqa: ANN401
        """:raise MiError: if gdb reports an error.
        :raise NotConnected: if gdb has gone.
        """
        ...

    def wait_stop(self, timeout: float | None) -> bool:
        """False if the machine still runs after `timeout` seconds.

        :raise NotConnected: if gdb has gone.
        """
        ...

    def interrupt(self) -> None:
        """Ask gdb to stop the machine."""
        ...

    def check(self) -> None:
        """:raise NotConnected: if gdb has gone."""
        ...

    def suppress_output(self) -> AbstractContextManager[None]:
        """Within, what gdb says about the machine by itself is not passed on."""
        ...


def wait_for_reply(mi: Mi, pending: Any) -> Reply:  # noqa: ANN401 - what `send` gave
    """Wait for it.

    :raise MiError: if gdb reports an error.
    :raise NotConnected: if gdb or the machine has gone.
    """
    try:
        return mi.wait(pending)
    except MiError as error:
        if mi.connected:
            raise
        raise NotConnected("the machine has gone") from error


def quote(text: str) -> str:
    """A C string as MI takes it, on one line: what is pasted may have several, and gdb would run the others."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'


def console_command(line: str) -> str:
    """The MI command that runs a line of gdb's own language."""
    return f"-interpreter-exec console {quote(line)}"
