"""The whole state of the screen, as one frozen value. Events make a new one; panes only read it."""

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
"""The first view of the table in `views`, which can't be imported here."""


class Title(NamedTuple):
    """What runs where: the kernel's file name and, for a person, its machine (`microvm tcg 512M`)."""

    kernel: str
    machine: str


class Run(NamedTuple):
    """What the machine does. `where` is the stage it stands at, or the reason it stopped for; `since` is the clock
    (time.monotonic, in seconds) at which it began to run; `how` is how it died, `symbol` the code at RIP by name.
    """

    kind: str = STARTING
    where: str = ""
    since: float = 0.0
    how: str = ""
    rip: int | None = None
    symbol: str | None = None


class StageMark(NamedTuple):
    """A stage on the timeline; `why` is why this guest lacks it, or why it was missed."""

    name: str
    status: str = AHEAD
    why: str = ""


class Bytes(NamedTuple):
    """What the bytes view shows: memory from `paddr` on. `selected` is where what was selected begins and ends.

    `vaddr` is the virtual address that was asked for, where it was one; `name` what lies there. `data` is null where
    the memory could not be read, and `why` says so. `regions` is what the machine has there, null if nobody knows.
    """

    paddr: int = 0
    data: bytes | None = b""
    vaddr: int | None = None
    name: str = ""
    selected: tuple[int, int] = (0, 0)
    why: str = ""
    regions: tuple[Region, ...] | None = None


class Noted(NamedTuple):
    """What a rule found at this boot. `stages` are those it was found at, oldest first; `here`: also in what is looked
    at; `new`: there, and at no stage before.
    """

    finding: Finding
    stages: tuple[str, ...]
    here: bool = True
    new: bool = False


class Shown(NamedTuple):
    """Where one view stands: its selected row and its first visible one."""

    cursor: int = 0
    top: int = 0


class Wanted(NamedTuple):
    """Memory that the bytes view wants to show: an address or a symbol, and how many bytes of it are selected; or,
    where `start` says so, what it shows already, read again from that physical address on.
    """

    place: str
    size: int
    start: int | None = None


class Entry(NamedTuple):
    """A line being typed in a pane: after `:` where to go, after `/` what to search."""

    kind: str
    text: str = ""


class Popup(NamedTuple):
    """Something over everything: `help`, or `quit` asked once."""

    kind: str
    top: int = 0


class Screen(NamedTuple):
    """Everything that is drawn.

    `history` is every captured stage, oldest first; `now` what the machine's last stop showed, at a stage or between;
    `past` the index in `history` that is looked at instead of now; `arrived` what there was when the machine came
    where it stands. `before` maps the paths of what changed since then, or since the stop before, to their values
    there; with `only_changes` the views show nothing else. `findings` are those of what is looked at, and `noted` all
    of this boot up to there. `unfolded` shows fields that are 0. `code` is where the machine stands, `codes` what
    there was at each stage. `clock` is when this is drawn, as `Run.since`. `detail_top` is the first visible line of
    the detail while it has the focus, and `read_from` what had the focus before. `found` was searched last, and
    `wanted` is what the bytes view waits for. `queued` of the user's commands wait, `busy` is true while gdb works on
    one, and `continued` while it waits for more lines of it. `output` is what gdb printed, `serial` what the guest
    wrote, both by lines fit for a terminal; `output_top` is its first visible line, `text_tops` those of views of text;
    without one the end is followed. `trail` is where Enter and `:` were pressed, for the way back: the view, its row, the bytes then, and the
    past that was looked at. `ours`: the machine ends with us. `outcome` is how a recording ends.
    """

    title: Title
    run: Run = Run()
    stages: tuple[StageMark, ...] = ()
    history: tuple[Capture, ...] = ()
    now: Capture | None = None
    past: int | None = None
    image: ImageFacts | None = None
    before: Mapping[str, object] = {}
    only_changes: bool = False
    unfolded: bool = False
    findings: tuple[Finding, ...] = ()
    noted: tuple[Noted, ...] = ()
    view: str = FIRST_VIEW
    focus: str = PROMPT
    read_from: str = PROMPT
    detail_top: int = 0
    shown: Mapping[str, Shown] = {}
    code: Code = Code()
    codes: Mapping[str, Code] = {}
    bytes: Bytes = Bytes()
    output: tuple[str, ...] = ()
    output_top: int | None = None
    serial: tuple[str, ...] = ()
    text_tops: Mapping[str, int] = {}
    symbols: str = NO_SYMBOLS
    queued: int = 0
    busy: bool = False
    continued: bool = False
    message: str = ""
    entry: Entry | None = None
    popup: Popup | None = None
    trail: tuple[tuple[str, Shown, Bytes, int | None], ...] = ()
    found: str = ""
    wanted: Wanted | None = None
    ascii: bool = False
    clock: float = 0.0
    ours: bool = False
    arrived: Capture | None = None
    machine: MachineFacts | None = None
    outcome: Outcome | None = None

    @property
    def looked_at(self) -> Capture | None:
        """The capture that the views show."""
        return self.now if self.past is None else self.history[self.past]

    @property
    def handover(self) -> Capture | None:
        """The capture that the views show or, if that has no memory map any more, the last one before it that has."""
        earlier = self.history if self.past is None else self.history[: self.past]
        candidates = (self.looked_at, *reversed(earlier))
        return next((capture for capture in candidates if capture and capture.memory_map), None)

    @property
    def here(self) -> Shown:
        return self.shown.get(self.view, Shown())

    @property
    def text_top(self) -> int | None:
        """The first visible line of a view of text; None if it follows the end."""
        return self.text_tops.get(self.view)

    def text_at(self, top: int | None) -> Screen:
        """The screen with a view of text scrolled to a line."""
        tops = {name: line for name, line in self.text_tops.items() if name != self.view}
        return self._replace(text_tops=tops if top is None else {**tops, self.view: top})

    def at(self, cursor: int, top: int | None = None) -> Screen:
        """With another selected row in the view that is shown."""
        place = Shown(cursor, self.here.top if top is None else top)
        return self._replace(shown={**self.shown, self.view: place})
