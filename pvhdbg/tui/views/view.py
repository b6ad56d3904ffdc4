"""View: everything that the panes, the keys and the events need to know about one view of the screen."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING

from pvhdbg.boot.stop.capture import Capture
from pvhdbg.checks.finding import Finding
from pvhdbg.named_tuple import NamedTuple
from pvhdbg.tui.lines.line import Line
from pvhdbg.tui.screen import changes, finding_rows
from pvhdbg.tui.screen.by_id import ById
from pvhdbg.tui.screen.state import BootFinding, Screen
from pvhdbg.tui.views import row_lines
from pvhdbg.views.rows.row import Row

if TYPE_CHECKING:
    from pvhdbg.live.gdb.breakpoints import Line as SourceLine

Rows = tuple[Row, ...]
Heading = Callable[[Screen], str]
Decode = Callable[[Capture, Capture, bool], Rows]
"""(capture, last capture that has a memory map, whether zero fields are unfolded) -> rows."""


class Detail(NamedTuple):
    """What the detail pane shows in addition to the row itself.

    `old_value` describes the row's old value in words. `note` is a sentence that only this view can add. `topic` is
    explained instead of the row's own path. With `finding_first`, the finding is drawn above the row's head. `chains`
    are the ways that the row's pointer leads on. `cut` is what the row itself has no room for.
    """

    findings: tuple[Finding, ...] = ()
    old_value: str = ""
    note: str = ""
    topic: str = ""
    finding_first: bool = False
    chains: tuple[str, ...] = ()
    cut: tuple[str, ...] = ()


class BreakpointPlace(NamedTuple):
    """Where F9 sets a breakpoint: an address or a source line; None for RIP. `refusal` is why F9 can't, or empty."""

    place: int | SourceLine | None = None
    refusal: str = ""


def always(_screen: Screen) -> bool:
    return True


def has_registers(screen: Screen) -> bool:
    """Return whether the displayed stop has the registers. A machine that is gone has none."""
    return screen.capture is not None and screen.capture.rip is not None


def no_rows(_screen: Screen) -> Rows:
    return ()


def nothing(_screen: Screen) -> str:
    return "nothing"


def detail_of_row(screen: Screen, rows: Rows, index: int) -> Detail:
    """Return the findings about a row and its old value."""
    if index >= len(rows):
        return Detail()
    findings = finding_rows.by_row(screen, rows).get(index, ())
    return Detail(findings, changes.old_value(rows[index], screen.old_values))


def breakpoint_at_rip(_screen: Screen, _index: int) -> BreakpointPlace:
    return BreakpointPlace()


def of_capture(words: Callable[[Screen, Capture], str]) -> Heading:
    """Return a function that makes a heading from the displayed capture. The heading is empty before the first stop."""

    def heading(screen: Screen) -> str:
        capture = screen.capture
        return words(screen, capture) if capture else ""

    return heading


class View(NamedTuple):
    """A row of the table in `views.table`.

    A view has one of `decode`, `rows` and `text`. All functions except `decode` get the Screen.
    """

    # fmt: off
    key: str
    """The key that shows the view: on its own in a pane, and together with Alt everywhere."""
    name: str
    short: str
    """The name in a narrow terminal."""
    about: str
    """What the view shows, for the list of keys and the manual."""
    heading: Heading
    """Returns the first line of the view. If the line is empty, the name of the view is shown instead."""

    decode: Decode | None = None
    """Returns the rows of a view that shows a capture. In these views, `d` hides the rows that did not change."""
    captures: tuple[str, ...] = ()
    """The capture keys that the view shows. If the value of one of them changed, the tab gets a star."""
    structs: tuple[str, ...] = ()
    """The C structures that the view shows. Enter on a pointer to one of them goes to this view."""
    folds: bool = False
    """Whether fields that are 0 are folded, and `z` unfolds them."""
    has_picture: bool = False
    """Whether memory is drawn to scale beside or above the rows."""

    rows: Callable[[Screen], Rows] = no_rows
    """Returns the rows of a view that has no `decode`. The cursor, Enter, search and `y` work on rows."""
    text: Callable[[Screen], Sequence[str]] | None = None
    """Returns the lines of a text view, which has no cursor. It can be scrolled, and otherwise follows its end."""
    has_data: Callable[[Screen], bool] = always
    """Whether the displayed stop has what a view without `captures` shows."""
    is_live: bool = False
    """Whether the view always shows the present, even if an earlier stage is displayed, and while the guest runs."""

    draw: Callable[[Screen, Rows, range, int], Sequence[Line]] = row_lines.lines
    """Draws the rows in a range, at a given width. The column of the cursor is added later."""
    empty: Callable[[Screen], str] = nothing
    """Returns the reason why there are no rows or no text."""
    stand_in: Row | None = None
    """The row that the detail pane explains if the view has no rows."""
    detail: Callable[[Screen, Rows, int], Detail] = detail_of_row
    """Returns what the detail pane adds to the row at an index."""
    finding: Callable[[Screen], BootFinding | None] | None = None
    """Returns the selected finding, in a view that lists findings. The detail pane of such a view gets more lines."""

    start_row: Callable[[Screen, Rows], int] | None = None
    """Returns the row to select until the user moves the cursor; the first one without it."""
    follows_stop: bool = False
    """Whether the start row is selected again at every new stop."""
    past_end: Callable[[Screen, int], Screen] | None = None
    """Moves the view by a number of rows past its first or last row."""
    breakpoint: Callable[[Screen, int], BreakpointPlace] = breakpoint_at_rip
    """Returns where F9 sets a breakpoint if the row at an index is selected."""
    has_virtual_addresses: bool = False
    """Whether the addresses of the rows are virtual."""
    # fmt: on

    @property
    def shows_capture(self) -> bool:
        return self.decode is not None

    def at_source(self, screen: Screen) -> Screen:
        """Return the screen at the stop from which the view has its data.

        This is the displayed stop or, if it has none of the data, the last stage before it that has some.
        """
        if screen.capture is None or self.has_current_data(screen):
            return screen
        return _source(ById(self), ById(screen))

    def find_source(self, screen: Screen) -> Screen:
        """Return what `at_source` returns for a stop that has none of the data."""
        for index in range(len(screen.earlier) - 1, -1, -1):
            earlier = screen._replace(past=index, moment=None, old_values={})
            if earlier.capture is not screen.capture and self.has_current_data(earlier):
                stage = screen.history[index].stage
                found = tuple(entry.finding for entry in screen.boot_findings if stage in entry.stages)
                return earlier._replace(findings=found)
        return screen

    def as_of(self, screen: Screen) -> str:
        """Return the earlier stage from which the view has its data; empty if it is from the displayed stop."""
        source = self.at_source(screen)
        return "" if source is screen or source.capture is None else source.capture.stage

    def lines_of(self, screen: Screen) -> Sequence[str]:
        """Return the lines of a text view; none for other views."""
        return self.text(self.at_source(screen)) if self.text else ()

    def has_current_data(self, screen: Screen) -> bool:
        """Return whether the displayed stop has data for the view."""
        if self.captures:
            return any(getattr(screen.capture, key) is not None for key in self.captures)
        return self.has_data(screen)


@lru_cache(16)
def _source(view: ById[View], screen: ById[Screen]) -> Screen:
    """Find the source once for each drawing."""
    return view.value.find_source(screen.value)
