"""The whole state of the screen, as one frozen value. Events and keys create a new Screen; panes only read it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pvhdbg.live.debuggee.code import Code
from pvhdbg.named_tuple import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pvhdbg.boot.record.document import MachineFacts, Outcome
    from pvhdbg.boot.stop.capture import Capture
    from pvhdbg.checks.finding import Finding
    from pvhdbg.image.facts import ImageFacts
    from pvhdbg.live.instructions.next_instruction import NextInstruction
    from pvhdbg.target.monitor import Region
    from pvhdbg.tui.screen.moments import Moment, Moments
    from pvhdbg.tui.screen.tour import Tour

STARTING, RUNNING, STOPPED, DEAD, ENDED, RECORDING = "starting", "running", "stopped", "dead", "ended", "recording"
PASSED, HERE, AHEAD, LACKING, MISSED, UNDONE = "passed", "here", "ahead", "lacking", "missed", "undone"
PROMPT, VIEW, DETAIL, CARD, OUTPUT = "prompt", "view", "detail", "card", "output"
NO_SYMBOLS, LOADING, LOADED = "no symbols", "loading symbols", "symbols loaded"

FIRST_VIEW = "start_info"
"""The name of the first view in `views.table`, which can't be imported here."""


class Title(NamedTuple):
    """What is running: the kernel's file name, and the machine in words (`microvm tcg 512M`)."""

    kernel: str
    machine: str


class Run(NamedTuple):
    """The state of the guest.

    `where` is the guest's stage, or the reason why it stopped. `since` is the time at which it started to run
    (time.monotonic, in seconds). `how` describes how it died. `symbol` names the code at RIP.
    """

    kind: str = STARTING
    where: str = ""
    since: float = 0.0
    how: str = ""
    rip: int | None = None
    symbol: str | None = None


class StageMark(NamedTuple):
    """A stage on the timeline. `why` is the reason why this guest lacks the stage, or why the stage was missed."""

    name: str
    status: str = AHEAD
    why: str = ""


class Bytes(NamedTuple):
    """Memory in the bytes view, starting at `paddr`.

    `selected` is the range of the selected bytes, as physical addresses. `vaddr` is the virtual address that the user
    requested, or None for a physical address; `name` is the symbol at that address. `data` is None if the memory could
    not be read, and `why` is the reason. `regions` are the machine's memory regions in this range, or None if they are
    unknown.
    """

    paddr: int = 0
    data: bytes | None = b""
    vaddr: int | None = None
    name: str = ""
    selected: tuple[int, int] = (0, 0)
    why: str = ""
    regions: tuple[Region, ...] | None = None


class Log(NamedTuple):
    """The kernel's log at one stop, as lines that are safe for a terminal. Without lines, `why` is the reason."""

    lines: tuple[str, ...] = ()
    why: str = "not read yet"


class BootFinding(NamedTuple):
    """A finding made during this boot.

    `stages` are the stages that have the finding, oldest first. `is_current`: the displayed capture has it. `is_new`:
    the displayed capture is the first that has it.
    """

    finding: Finding
    stages: tuple[str, ...]
    is_current: bool = True
    is_new: bool = False


class ViewPosition(NamedTuple):
    """The selected row of a view, and the first visible row."""

    cursor: int = 0
    top: int = 0


class MemoryRequest(NamedTuple):
    """A request for the memory to show in the bytes view.

    `place` is an address, a symbol or an expression; the first `size` bytes there are selected. If `start` is set, the
    view keeps its selection, and the memory starting at that physical address is read.
    """

    place: str
    size: int
    start: int | None = None


class Entry(NamedTuple):
    """A line being typed in a pane. `kind` is `:` for an address to go to, or `/` for a text to search for."""

    kind: str
    text: str = ""


class Popup(NamedTuple):
    """A popup. `kind` is one of those in `draw.popups.kinds`. `top` is the first visible line.

    `steps` are the steps of a chain, or the names that were explained on the way to the displayed one. `selected` is
    the number of the selected step, item or link. `text` is what the user searches for.
    """

    kind: str
    top: int = 0
    steps: tuple[str, ...] = ()
    selected: int = 0
    text: str = ""


class TrailEntry(NamedTuple):
    """A place at which the user pressed Enter or `:`. Backspace returns to it."""

    view: str
    position: ViewPosition
    bytes: Bytes
    past: int | None
    moment: Moment | None = None


class Screen(NamedTuple):
    """Everything that is drawn. The text below a field explains it."""

    # fmt: off
    title: Title
    run: Run = Run()
    stages: tuple[StageMark, ...] = ()
    image: ImageFacts | None = None
    machine: MachineFacts | None = None
    is_own_machine: bool = False
    """Whether pvhdbg started the machine. If so, quitting pvhdbg ends it."""
    outcome: Outcome | None = None
    """How a recording ends, or how a live guest ended without dying. None otherwise."""

    history: tuple[Capture, ...] = ()
    """The captures of all stages so far, oldest first."""
    now: Capture | None = None
    """The capture of the machine's last stop, at a stage or between two stages."""
    past: int | None = None
    """The index in `history` of the displayed capture; None to display `now`."""
    trace: Moments | None = None
    """The trace of a recording that has one."""
    moment: Moment | None = None
    """The displayed step of the trace, if it is not at a stage. `past` is then the last stage before it."""
    arrival: Capture | None = None
    """The capture taken when the guest arrived at its current stop. Commands may have changed the guest since then."""
    before: Capture | None = None
    """The capture of the stop before the current one; None at the first stop, and after the machine went back."""
    times_back: int = 0
    """How often the machine has gone back."""
    old_values: Mapping[str, object] = {}
    """The old value of everything that changed since the previous stage or since `arrival`, by path."""
    findings: tuple[Finding, ...] = ()
    """The findings of the displayed capture."""
    boot_findings: tuple[BootFinding, ...] = ()
    """All findings of this boot, up to the displayed capture."""

    view: str = FIRST_VIEW
    """The name of the displayed view."""
    is_view_chosen: bool = False
    """Whether the user chose the view. Otherwise, the screen shows what is new when the guest reaches a stage."""
    unread: frozenset[str] = frozenset()
    """The names of the text views that got lines while another view was displayed."""
    positions: Mapping[str, ViewPosition] = {}
    """The selected and the first visible row of each view, by the name of the view."""
    text_tops: Mapping[str, int] = {}
    """The first visible line of each text view, by the name of the view. The other text views follow their end."""
    only_changes: bool = False
    unfolded: bool = False
    """Zero fields are listed individually instead of folded."""
    search_text: str = ""
    trail: tuple[TrailEntry, ...] = ()

    walked: int | None = None
    """The address whose walk through the page tables the paging view shows first."""
    code: Code = Code()
    """The code at the current stop."""
    code_by_stage: Mapping[str, Code] = {}
    next: NextInstruction | None = None
    """The instruction at RIP of the current stop, and what it accesses."""
    next_by_stage: Mapping[str, NextInstruction | None] = {}
    bytes: Bytes = Bytes()
    memory_request: MemoryRequest | None = None
    sought: tuple[str, MemoryRequest] | None = None
    """The path of the row to whose last store the machine goes back, and its bytes; None if it does not."""
    serial: tuple[str, ...] = ()
    """The guest's serial output, as lines that are safe for a terminal."""
    log: Log = Log()
    """The kernel's log at the current stop."""
    log_by_stage: Mapping[str, Log] = {}
    output: tuple[str, ...] = ()
    """gdb's output, as lines that are safe for a terminal."""
    output_top: int | None = None
    """The first visible line of `output`; None to follow its end."""

    tour: Tour | None = None
    """The tour, if the user takes it."""
    focus: str = PROMPT
    zoomed: bool = False
    """Whether the pane with the focus fills the screen, unless the focus is at the prompt."""
    detail_top: int = 0
    """The first visible line of the detail pane while it has the focus."""
    entry: Entry | None = None
    popup: Popup | None = None
    message: str = ""
    """One line for the user, until the next key."""
    symbols: str = NO_SYMBOLS
    queued: int = 0
    """How many of the user's commands are queued."""
    first_queued: str = ""
    """The first of them: a key or a typed line."""
    busy: bool = False
    """Whether gdb is executing one of the user's commands."""
    work: str = ""
    """What pvhdbg itself does while `busy`; empty for the user's command."""
    work_since: float = 0.0
    """When the command or the work began (time.monotonic, in seconds)."""
    symbols_since: float = 0.0
    """When gdb began to load the symbols."""
    reads_lines: bool = False
    """Whether gdb waits for more lines of a multi-line command."""

    ascii: bool = False
    theme: str = "auto"
    """The colors: `auto`, `dark` or `light`."""
    columns: int = 80
    """The width of the pane with the view, from the last drawing."""
    clock: float = 0.0
    """The time of drawing (time.monotonic, in seconds), to compute how long the guest has been running."""
    # fmt: on

    @property
    def capture(self) -> Capture | None:
        """The capture that the views show; None before the first stop."""
        if self.moment is not None:
            return self.moment.capture
        return self.now if self.past is None else self.history[self.past]

    @property
    def earlier(self) -> tuple[Capture, ...]:
        """The captured stages before the displayed stop, and those up to a step of a trace."""
        if self.past is None:
            return self.history
        return self.history[: self.past + (self.moment is not None)]

    @property
    def latest_with_map(self) -> Capture | None:
        """The displayed capture or, if it no longer has a memory map, the last earlier capture that has one."""
        candidates = (self.capture, *reversed(self.earlier))
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
        """The first visible line of the displayed text view; None to follow its end."""
        return self.text_tops.get(self.view)

    def text_at(self, top: int | None) -> Screen:
        """Scroll the displayed text view to a line; None to follow its end."""
        tops = {name: line for name, line in self.text_tops.items() if name != self.view}
        return self._replace(text_tops=tops if top is None else {**tops, self.view: top})
