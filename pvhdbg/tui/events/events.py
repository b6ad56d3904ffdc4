"""The events that the machine thread reports to the screen, as frozen values."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pvhdbg.named_tuple import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pvhdbg.boot.record.document import MachineFacts, Outcome
    from pvhdbg.boot.stop.capture import Capture
    from pvhdbg.image.facts import ImageFacts
    from pvhdbg.live.debuggee.code import Code
    from pvhdbg.live.instructions.next_instruction import NextInstruction
    from pvhdbg.tui.screen.state import Bytes, Log, Run, StageMark, Title


class MachineStarted(NamedTuple):
    """A machine was started or restarted. `is_own_machine`: pvhdbg started it, so quitting pvhdbg ends it."""

    title: Title
    image: ImageFacts | None
    stages: tuple[StageMark, ...]
    is_own_machine: bool
    machine: MachineFacts | None = None


class GuestRuns(NamedTuple):
    """The guest has been running since `since` (time.monotonic, in seconds)."""

    since: float


class KernelIdentified(NamedTuple):
    """pvhdbg has identified the kernel in memory. `image` is None if it is not the kernel file that the user named."""

    image: ImageFacts | None


class GuestStopped(NamedTuple):
    """The guest stopped or died: `run` specifies which, and where.

    `outcome` is how the guest ended without dying: its kernel panicked, or it halted for good. None otherwise.
    `times_back` is how often the machine has gone back.
    """

    run: Run
    now: Capture
    history: tuple[Capture, ...]
    stages: tuple[StageMark, ...]
    outcome: Outcome | None = None
    times_back: int = 0


class MachineLost(NamedTuple):
    """The machine can no longer be examined. `why` is the reason, in one line."""

    why: str


class CodeRead(NamedTuple):
    """The code at the current stop, and the code at stages that the guest has reached, by stage name."""

    code: Code
    code_by_stage: Mapping[str, Code] = {}


class NextRead(NamedTuple):
    """The next instruction at the current stop, at `stage` if it is one, and at past stages, as far as captured."""

    next: NextInstruction | None
    stage: str | None = None
    by_stage: Mapping[str, NextInstruction | None] = {}


class LogRead(NamedTuple):
    """The kernel's log at the current stop, and the name of the stage if the guest is at one."""

    log: Log
    stage: str | None = None


class MemoryRead(NamedTuple):
    """The requested memory, read from the capture `past`, or from the machine if `past` is None."""

    bytes: Bytes
    past: Capture | None = None


class GdbOutput(NamedTuple):
    text: str


class SerialOutput(NamedTuple):
    data: bytes


class SerialRewound(NamedTuple):
    """The machine went back, and the guest's serial output with it: `data` is all of it."""

    data: bytes


class SymbolsChanged(NamedTuple):
    """gdb loads, has or lacks symbols: `state` is LOADING, LOADED or NO_SYMBOLS of `screen.state`.

    `since` is when gdb began to load them (time.monotonic, in seconds).
    """

    state: str
    since: float = 0.0


class QueueLength(NamedTuple):
    """How many of the user's commands wait for the machine thread, and the first of them: a key or a typed line."""

    waiting: int
    first: str = ""


class GdbBusy(NamedTuple):
    """Whether the machine thread is executing one of the user's commands, or `work` of pvhdbg itself.

    `since` is when it began (time.monotonic, in seconds).
    """

    busy: bool
    work: str = ""
    since: float = 0.0


class LinesWanted(NamedTuple):
    """Whether gdb waits for more lines of a multi-line command, which ends with the line `end`."""

    more: bool


class Message(NamedTuple):
    """A message for the user, and a hint on what to do."""

    message: str
    hint: str | None = None


class TourBoot(NamedTuple):
    """The machine starts another boot of the tour: everything about the boot before is outdated."""

    name: str


class TourRan(NamedTuple):
    """The machine has run for the tour: to the stage of its card, or as far as the guest got."""

    stage: str


class ExitRequested(NamedTuple):
    """A signal asks pvhdbg to end. The screen's thread raises `error`."""

    error: BaseException


class ThreadEnded(NamedTuple):
    """The machine thread ended, and the machine with it. If `error` is set, the screen's thread raises it again."""

    error: BaseException | None = None


Event = (
    MachineStarted
    | GuestRuns
    | KernelIdentified
    | GuestStopped
    | MachineLost
    | CodeRead
    | NextRead
    | LogRead
    | MemoryRead
    | GdbOutput
    | SerialOutput
    | SerialRewound
    | SymbolsChanged
    | QueueLength
    | GdbBusy
    | LinesWanted
    | Message
    | TourBoot
    | TourRan
    | ExitRequested
    | ThreadEnded
)
