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
"""The rows of a capture, given also the last capture that has the handover, and whether zero fields are unfolded."""


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

    A view shows either a capture (`decode`), or rows of something else (`rows`), or lines of text (`text`). The
    functions get the Screen, which need not show this view: the code also stands beside the others.
    """

    # fmt: off
    key: str
    """Chooses the view: in a pane by itself, everywhere with Alt."""
    name: str
    short: str
    """The name where the terminal is narrow."""
    about: str
    """What the view shows, in the list of keys."""
    heading: Heading
    """What the first line says; the view's name stands there if that is empty."""

    decode: Decode | None = None
    """Shows a capture: `d` shows only what changed, and findings are signed on their rows."""
    captures: tuple[str, ...] = ()
    """The keys of a capture that are shown here: a star on the tab says that one of them changed."""
    structs: tuple[str, ...] = ()
    """The C structures that are shown here: Enter on a pointer to one comes here."""
    folds: bool = False
    """Folds fields that are 0, which `z` unfolds."""
    has_picture: bool = False
    """Draws memory to scale beside or above its rows."""

    rows: Callable[[Screen], Rows] = no_rows
    """What the cursor stands on, Enter follows, search looks through and `y` copies."""
    text: Callable[[Screen], Sequence[str]] | None = None
    """Lines of text, which have no cursor: they scroll, and follow their end."""
    is_live: bool = False
    """Shows the present whatever stage is looked at, also while the guest runs."""

    draw: Callable[[Screen, Rows, range, int], Sequence[Line]] = row_lines.lines
    """Draws the rows of a range in a width; the column of the cursor is added to them."""
    empty: Callable[[Screen], str] = nothing
    """Says why there are no rows, or no text."""
    stand_in: Row | None = None
    """What the detail explains if there are no rows."""
    detail: Callable[[Screen, Rows, int], Detail] = detail_of_row
    finding: Callable[[Screen], BootFinding | None] | None = None
    """Lists findings, and returns the selected one: Enter goes to its row, and its text gets more room."""

    start_row: Callable[[Screen], int] | None = None
    """The row that is selected at a new stop until the user moves the cursor. Without it the cursor stays."""
    past_end: Callable[[Screen, int], Screen] | None = None
    """Goes so many rows beyond the first row or the last."""
    breakpoint: Callable[[Screen, int], BreakpointPlace] = breakpoint_at_rip
    """Where F9 sets a breakpoint, for the selected row."""
    has_virtual_addresses: bool = False
    """The addresses of the rows are virtual."""
    # fmt: on

    @property
    def shows_capture(self) -> bool:
        return self.decode is not None
