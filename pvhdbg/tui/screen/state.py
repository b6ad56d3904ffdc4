"""The whole state of the screen, as one frozen value. Events and keys make a new one; panes only read it."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from pvhdbg.live.debuggee.code import Code

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pvhdbg.boot.record.document import MachineFacts, Outcome
    from pvhdbg.boot.stop.capture import Capture
    from pvhdbg.checks.finding import Finding
    from pvhdbg.image.facts import ImageFacts
    from pvhdbg.target.monitor import Region

STARTING, RUNNING, STOPPED, DEAD, ENDED, RECORDING = "starting", "running", "stopped", "dead", "ended", "recording"
PASSED, HERE, AHEAD, LACKING, MISSED = "passed", "here", "ahead", "lacking", "missed"
PROMPT, VIEW, DETAIL, OUTPUT = "prompt", "view", "detail", "output"
NO_SYMBOLS, LOADING, LOADED = "no symbols", "loading symbols", "symbols loaded"

FIRST_VIEW = "start_info"
"""The name of the first view in `views.table`, which can't be imported here."""


class Title(NamedTuple):
    """What runs: the kernel's file name, and the machine in words (`microvm tcg 512M`)."""

    kernel: str
    machine: str


class Run(NamedTuple):
    """The state of the guest.

    `where` is its stage, or why it stopped; `since` the time at which it started to run (time.monotonic, in seconds);
    `how` how it died; `symbol` the name of the code at RIP.
    """

    kind: str = STARTING
    where: str = ""
    since: float = 0.0
    how: str = ""
    rip: int | None = None
    symbol: str | None = None


class StageMark(NamedTuple):
    """A stage on the timeline. `why`: why this guest lacks it, or why it was missed."""

    name: str
    status: str = AHEAD
    why: str = ""


class Bytes(NamedTuple):
    """Memory in the bytes view, from `paddr` on.

    `selected` is the range of the selected bytes, as physical addresses; `vaddr` the virtual address that was
    requested, None if a physical one was; `name` the symbol there. `data` is None if the memory could not be read, and
    `why` says so. `regions` is what the machine has there, None if that is unknown.
    """

    paddr: int = 0
    data: bytes | None = b""
    vaddr: int | None = None
    name: str = ""
    selected: tuple[int, int] = (0, 0)
    why: str = ""
    regions: tuple[Region, ...] | None = None


class BootFinding(NamedTuple):
    """A finding made at this boot.

    `stages` are the stages that have it, oldest first. `is_current`: the capture that is shown has it. `is_new`: that
    capture is the first that has it.
    """

    finding: Finding
    stages: tuple[str, ...]
    is_current: bool = True
    is_new: bool = False


class ViewPosition(NamedTuple):
    """The selected row of a view, and its first visible row."""

    cursor: int = 0
    top: int = 0


class MemoryRequest(NamedTuple):
    """Memory that the bytes view waits for.

    `place` is an address or a symbol, of which `size` bytes are selected. With `start` the bytes already in the view
    are read again, from that physical address on.
    """

    place: str
    size: int
    start: int | None = None


class Entry(NamedTuple):
    """A line being typed in a pane: after `:` an address, after `/` a text to search for."""

    kind: str
    text: str = ""


class Popup(NamedTuple):
    """A popup: `help`, or `quit` for the question before quitting. `top` is its first visible line."""

    kind: str
    top: int = 0


class TrailEntry(NamedTuple):
    """Where Enter or `:` was pressed, for Backspace."""

    view: str
    position: ViewPosition
    bytes: Bytes
    past: int | None


class Screen(NamedTuple):
    """Everything that is drawn. The fields are explained beside them."""

    # fmt: off
    title: Title
    run: Run = Run()
    stages: tuple[StageMark, ...] = ()
    image: ImageFacts | None = None
    machine: MachineFacts | None = None
    ours: bool = False
    """pvhdbg started the machine, and ends it when it quits."""
    outcome: Outcome | None = None
    """How a recording ends; None for a machine."""

    history: tuple[Capture, ...] = ()
    """The capture of every stage, oldest first."""
    now: Capture | None = None
    """The capture of the machine's last stop, at a stage or between two."""
    past: int | None = None
    """The index in `history` of the capture that is shown instead of `now`."""
    arrival: Capture | None = None
    """What was captured when the machine arrived where it stands."""
    old_values: Mapping[str, object] = {}
    """What changed since the stage before and since `arrival`: the old values, by their paths."""
    findings: tuple[Finding, ...] = ()
    """The findings of the capture that is shown."""
    boot_findings: tuple[BootFinding, ...] = ()
    """All findings of this boot, up to that capture."""

    view: str = FIRST_VIEW
    """The name of the view that is shown."""
    positions: Mapping[str, ViewPosition] = {}
    """Where views stand, by their names."""
    text_tops: Mapping[str, int] = {}
    """The first visible line of views of text, by their names; without one the view follows its end."""
    only_changes: bool = False
    unfolded: bool = False
    """Fields that are 0 are shown one by one."""
    search_text: str = ""
    trail: tuple[TrailEntry, ...] = ()

    code: Code = Code()
    """The code at the current stop."""
    code_by_stage: Mapping[str, Code] = {}
    bytes: Bytes = Bytes()
    memory_request: MemoryRequest | None = None
    serial: tuple[str, ...] = ()
    """What the guest wrote on its serial console, as lines that are fit for a terminal."""
    output: tuple[str, ...] = ()
    """What gdb printed, in the same form."""
    output_top: int | None = None
    """The first visible line of `output`; None: its end is followed."""

    focus: str = PROMPT
    focus_before: str = PROMPT
    """What had the focus before the detail got it."""
    detail_top: int = 0
    """The first visible line of the detail while it has the focus."""
    entry: Entry | None = None
    popup: Popup | None = None
    message: str = ""
    """One line for the user, until the next key."""
    symbols: str = NO_SYMBOLS
    queued: int = 0
    """How many of the user's commands wait."""
    busy: bool = False
    """gdb executes a command of the user."""
    reads_lines: bool = False
    """That command waits for more lines."""

    ascii: bool = False
    clock: float = 0.0
    """The time of drawing, on the clock of `Run.since`."""
    # fmt: on

    @property
    def capture(self) -> Capture | None:
        """The capture that the views show; None before the first stop."""
        return self.now if self.past is None else self.history[self.past]

    @property
    def handover(self) -> Capture | None:
        """The capture that is shown or, if it has no memory map any more, the last one before it that has."""
        earlier = self.history if self.past is None else self.history[: self.past]
        candidates = (self.capture, *reversed(earlier))
        return next((capture for capture in candidates if capture and capture.memory_map), None)

    @property
    def position(self) -> ViewPosition:
        return self.positions.get(self.view, ViewPosition())

    def at(self, cursor: int, top: int | None = None) -> Screen:
        """Select another row of the view."""
        position = ViewPosition(cursor, self.position.top if top is None else top)
        return self._replace(positions={**self.positions, self.view: position})

    @property
    def text_top(self) -> int | None:
        """The first visible line of a view of text; None: its end is followed."""
        return self.text_tops.get(self.view)

    def text_at(self, top: int | None) -> Screen:
        """Scroll a view of text."""
        tops = {name: line for name, line in self.text_tops.items() if name != self.view}
        return self._replace(text_tops=tops if top is None else {**tops, self.view: top})
