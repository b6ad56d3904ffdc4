"""What the machine thread reports to the screen: frozen values, in one direction."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pvhdbg.boot.record.document import MachineFacts
    from pvhdbg.boot.stop.capture import Capture
    from pvhdbg.image.facts import ImageFacts
    from pvhdbg.live.debuggee.code import Code
    from pvhdbg.tui.screen.state import Bytes, Run, StageMark, Title


class MachineStarted(NamedTuple):
    """A machine was started, or restarted. `ours`: pvhdbg ends it when it quits."""

    title: Title
    image: ImageFacts | None
    stages: tuple[StageMark, ...]
    ours: bool
    machine: MachineFacts | None = None


class GuestRuns(NamedTuple):
    """The guest has been running since `since` (time.monotonic, in seconds)."""

    since: float


class KernelIdentified(NamedTuple):
    """Which kernel is in memory: None if it is not the one whose file was named."""

    image: ImageFacts | None


class GuestStopped(NamedTuple):
    """The guest stopped or died: `run` says which, and where."""

    run: Run
    now: Capture
    history: tuple[Capture, ...]
    stages: tuple[StageMark, ...]


class MachineLost(NamedTuple):
    """The machine can't be examined any more: `why`, in one line."""

    why: str


class CodeRead(NamedTuple):
    """The code at the current stop, and the code at stages by their names, this one included."""

    code: Code
    code_by_stage: Mapping[str, Code] = {}


class MemoryRead(NamedTuple):
    """Memory that was requested: from the capture `past`, or from the machine if that is None."""

    bytes: Bytes
    past: Capture | None = None


class GdbOutput(NamedTuple):
    text: str


class SerialOutput(NamedTuple):
    data: bytes


class SymbolsChanged(NamedTuple):
    """Whether gdb has symbols: `state` is a word of `screen.state`."""

    state: str


class QueueLength(NamedTuple):
    """How many of the user's commands wait for the machine thread."""

    waiting: int


class GdbBusy(NamedTuple):
    """Whether the machine thread executes a command of the user."""

    busy: bool


class LinesWanted(NamedTuple):
    """Whether gdb waits for more lines of a command, up to its `end`."""

    more: bool


class Message(NamedTuple):
    """A message for the user, and a hint on what to do."""

    message: str
    hint: str | None = None


class ThreadEnded(NamedTuple):
    """The machine thread ended, and the machine with it. `error` is a bug, raised again in the screen's thread."""

    error: BaseException | None = None


Event = (
    MachineStarted
    | GuestRuns
    | KernelIdentified
    | GuestStopped
    | MachineLost
    | CodeRead
    | MemoryRead
    | GdbOutput
    | SerialOutput
    | SymbolsChanged
    | QueueLength
    | GdbBusy
    | LinesWanted
    | Message
    | ThreadEnded
)
