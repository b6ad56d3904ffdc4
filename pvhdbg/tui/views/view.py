"""View: everything that the panes, the keys and the events must know about one view of the screen."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NamedTuple

from pvhdbg.boot.stop.capture import Capture
from pvhdbg.checks.finding import Finding
from pvhdbg.tui.lines.line import Line
from pvhdbg.tui.screen import changes, finding_rows
from pvhdbg.tui.screen.state import BootFinding, Screen
from pvhdbg.tui.views import row_lines
from pvhdbg.views.rows.row import Row

if TYPE_CHECKING:
    from pvhdbg.live.gdb.breakpoints import Line as SourceLine

Rows = tuple[Row, ...]
Heading = Callable[[Screen], str]
Decode = Callable[[Capture, Capture, bool], Rows]
"""(capture, last capture that has the memory map, whether zero fields are unfolded) -> rows."""


class Detail(NamedTuple):
    """What the detail pane shows of a row beside the row itself.

    `old_value` is what the value was, in words; `note` a sentence that only this view can add; `topic` the name that
    `explain` looks up instead of the row's own. With `finding_first` the finding stands above the row's head.
    """

    findings: tuple[Finding, ...] = ()
    old_value: str = ""
    note: str = ""
    topic: str = ""
    finding_first: bool = False


class BreakpointPlace(NamedTuple):
    """Where F9 sets a breakpoint: an address or a source line, None for RIP. `refusal`: why it can't."""

    place: int | SourceLine | None = None
    refusal: str = ""


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
    """Make a heading from the capture that is shown: empty before the first stop."""

    def heading(screen: Screen) -> str:
        capture = screen.capture
        return words(screen, capture) if capture else ""

    return heading


class View(NamedTuple):
    """A row of the table in `views.table`.

    A view has either `decode`, or `rows`, or `text`. The functions get the Screen.
    """

    # fmt: off
    key: str
    """The key that shows the view: in a pane alone, everywhere together with Alt."""
    name: str
    short: str
    """The name where the terminal is narrow."""
    about: str
    """What the view shows, for the list of keys and the manual."""
    heading: Heading
    """The first line of the view. If it is empty, the name is shown."""

    decode: Decode | None = None
    """The rows of the shown capture, if the view shows one. Then `d` leaves only those that changed."""
    captures: tuple[str, ...] = ()
    """The keys of a capture that are shown here. If one of them changed, the tab has a star."""
    structs: tuple[str, ...] = ()
    """C structures that are shown here: Enter on a pointer to one of them goes to this view."""
    folds: bool = False
    """Fields that are 0 are folded, and `z` unfolds them."""
    has_picture: bool = False
    """Memory is drawn to scale beside or above the rows."""

    rows: Callable[[Screen], Rows] = no_rows
    """The rows of other views. The cursor, Enter, search and `y` work on rows."""
    text: Callable[[Screen], Sequence[str]] | None = None
    """The lines of a view of text. It has no cursor, scrolls, and follows its end."""
    is_live: bool = False
    """The view shows the present, even if an earlier stage is shown, and while the guest runs."""

    draw: Callable[[Screen, Rows, range, int], Sequence[Line]] = row_lines.lines
    """Draws the rows in a range, for a width. The column of the cursor is added later."""
    empty: Callable[[Screen], str] = nothing
    """Says why there are no rows or no text."""
    stand_in: Row | None = None
    """The row that the detail explains if there are none."""
    detail: Callable[[Screen, Rows, int], Detail] = detail_of_row
    """What the detail pane adds to the row at an index."""
    finding: Callable[[Screen], BootFinding | None] | None = None
    """The selected finding, if the view lists findings. Enter goes to its row, and the detail gets more lines."""

    start_row: Callable[[Screen], int] | None = None
    """The row that is selected at every new stop, until the user moves the cursor. If None, the cursor stays."""
    past_end: Callable[[Screen, int], Screen] | None = None
    """Moves the view by a number of rows beyond its first or last row."""
    breakpoint: Callable[[Screen, int], BreakpointPlace] = breakpoint_at_rip
    """Where F9 sets a breakpoint if the row at an index is selected."""
    has_virtual_addresses: bool = False
    """The addresses of the rows are virtual."""
    # fmt: on

    @property
    def shows_capture(self) -> bool:
        return self.decode is not None
