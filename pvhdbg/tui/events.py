"""What the machine's thread tells the screen: frozen values, one way."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from pvhdbg.boot.capture import Capture
    from pvhdbg.image.facts import ImageFacts
    from pvhdbg.live.code import Code
    from pvhdbg.tui.state import Bytes, Run, StageMark, Title


class Began(NamedTuple):
    """A machine was started, or a recording opened."""

    title: Title
    image: ImageFacts | None
    stages: tuple[StageMark, ...]


class Ran(NamedTuple):
    """The guest runs since `since` (time.monotonic, in seconds)."""

    since: float


class Stopped(NamedTuple):
    """It stands, or is dead: `run` says which and where."""

    run: Run
    now: Capture | None
    history: tuple[Capture, ...]
    stages: tuple[StageMark, ...]
    code: Code


class Coded(NamedTuple):
    code: Code


class Peeked(NamedTuple):
    """Memory that was asked for."""

    bytes: Bytes


class Printed(NamedTuple):
    """gdb printed this."""

    text: str


class Wrote(NamedTuple):
    """The guest wrote this on its serial console."""

    data: bytes


class SymbolsAre(NamedTuple):
    state: str


class Queued(NamedTuple):
    """So many requests wait for the machine's thread."""

    waiting: int


class Prompted(NamedTuple):
    """gdb wants more lines of a command, up to its `end`; or no more."""

    more: bool


class Said(NamedTuple):
    """A line for the user; `hint` on what to do."""

    message: str
    hint: str | None = None


class Left(NamedTuple):
    """The machine's thread has ended everything; `error` is a bug of ours, to be raised where it can be seen."""

    error: BaseException | None = None


Event = Began | Ran | Stopped | Coded | Peeked | Printed | Wrote | SymbolsAre | Queued | Prompted | Said | Left
