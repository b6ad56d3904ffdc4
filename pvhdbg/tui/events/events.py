"""What the machine's thread tells the screen: frozen values, one way."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pvhdbg.boot.record.document import MachineFacts
    from pvhdbg.boot.stop.capture import Capture
    from pvhdbg.image.facts import ImageFacts
    from pvhdbg.live.debuggee.code import Code
    from pvhdbg.tui.screen.state import Bytes, Run, StageMark, Title


class Began(NamedTuple):
    """A machine was started, perhaps again. `ours`: it ends with us."""

    title: Title
    image: ImageFacts | None
    stages: tuple[StageMark, ...]
    ours: bool
    machine: MachineFacts | None = None


class Ran(NamedTuple):
    """The guest runs since `since` (time.monotonic, in seconds)."""

    since: float


class Known(NamedTuple):
    """The kernel that is there after all: null where the one that was named is not."""

    image: ImageFacts | None


class Stopped(NamedTuple):
    """It stands, or is dead: `run` says which and where."""

    run: Run
    now: Capture
    history: tuple[Capture, ...]
    stages: tuple[StageMark, ...]


class Lost(NamedTuple):
    """There is nothing to ask any more: `why` in one line."""

    why: str


class Coded(NamedTuple):
    """The code where it stands, and by name what there was at stages, that one included."""

    code: Code
    codes: Mapping[str, Code] = {}


class Peeked(NamedTuple):
    """Memory that was asked for: as it was captured, `past`, or as it is."""

    bytes: Bytes
    past: Capture | None = None


class Printed(NamedTuple):
    """gdb printed this."""

    text: str


class Wrote(NamedTuple):
    """The guest wrote this on its serial console."""

    data: bytes


class SymbolsAre(NamedTuple):
    state: str


class Queued(NamedTuple):
    """So many of the user's commands wait for the machine's thread."""

    waiting: int


class Busy(NamedTuple):
    """Whether that thread is at work."""

    busy: bool


class Prompted(NamedTuple):
    """gdb wants more lines of a command, up to its `end`; or no more."""

    more: bool


class Said(NamedTuple):
    """A line for the user; `hint` on what to do."""

    message: str
    hint: str | None = None


class Left(NamedTuple):
    """The machine's thread has ended everything; `error` is why, to be raised where it can be seen."""

    error: BaseException | None = None


Event = (
    Began
    | Ran
    | Known
    | Stopped
    | Lost
    | Coded
    | Peeked
    | Printed
    | Wrote
    | SymbolsAre
    | Queued
    | Busy
    | Prompted
    | Said
    | Left
)
