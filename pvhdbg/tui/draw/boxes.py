"""The frame: tabs in the top border, borders between panes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pvhdbg.checks.finding import INFO
from pvhdbg.lazy_pattern import pattern
from pvhdbg.tui.events.news import changed_views
from pvhdbg.tui.lines import classes
from pvhdbg.tui.lines.line import fit, length
from pvhdbg.tui.lines.signs import signs
from pvhdbg.tui.screen import finding_rows, state
from pvhdbg.tui.screen.kept import SELECTION, TYPED, kept
from pvhdbg.tui.views import table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pvhdbg.checks.finding import Finding
    from pvhdbg.tui.draw.layout import Layout
    from pvhdbg.tui.lines.line import Line
    from pvhdbg.tui.lines.signs import Box
    from pvhdbg.tui.screen.state import Screen
    from pvhdbg.tui.views.view import View


def shows_past(screen: Screen) -> bool:
    """Return whether the view shows an earlier stage. A live view never does."""
    is_live = table.shown(screen).is_live and screen.run.kind != state.RECORDING
    return screen.past is not None and not is_live


def box(screen: Screen) -> Box:
    sign = signs(screen.ascii)
    return sign.past_box if shows_past(screen) else sign.box


def style(screen: Screen) -> str:
    if shows_past(screen):
        return classes.BORDER_PAST
    return classes.BORDER_FOCUS if screen.focus == state.VIEW else classes.BORDER


def top(screen: Screen, plan: Layout) -> Line:
    """Draw the top border: the tabs and, above the views beside it, their names."""
    drawn, border = box(screen), style(screen)
    left = rule(_tabs(screen, plan.inner), plan.inner, drawn.across, border)
    beside: Line = []
    for pane in plan.beside:
        title: Line = [(classes.PANE_TITLE, f" {pane.view.name} ")]
        beside += [(border, drawn.top), *rule(title, pane.width, drawn.across, border)]
    if plan.card_width:
        from pvhdbg.tui.draw.tour import card

        title = card.title(screen, plan.view, plan.card_width)
        beside += [(border, drawn.top), *rule(title, plan.card_width, drawn.across, border)]
    return [(border, drawn.top_left), *left, *beside, (border, drawn.top_right)]


def over(screen: Screen, plan: Layout, view: View) -> Line:
    """Draw the border above a view under the chosen one."""
    title: Line = [(classes.PANE_TITLE, f" {view.name} ")]
    return rule(title, plan.inner, box(screen).across, style(screen))


def between(screen: Screen, plan: Layout, title: Line, *, closes: bool = False) -> Line:
    """Draw the border above one of the panes below the view. With `closes`, it is the bottom border of the frame."""
    drawn, border = box(screen), style(screen)
    ends = (drawn.bottom_left, drawn.bottom_right) if closes else (drawn.left, drawn.right)
    return [(border, ends[0]), *rule(title, plan.width - 2, drawn.across, border), (border, ends[1])]


def rule(title: Line, width: int, across: str, border: str) -> Line:
    """Draw a border with a title in it."""
    left = width - length(title)
    if left < 0:
        return fit(title, width)
    return [*title, (border, across * left)]


def sides(screen: Screen, line: Line) -> Line:
    """Put the side borders around a line."""
    edge = (style(screen), box(screen).down)
    return [edge, *line, edge]


@kept(*SELECTION, *TYPED, "output_top")
def _tabs(screen: Screen, width: int) -> Line:
    """Draw the tabs of all views: key and name, in the longest wording that fits."""
    tabs: Line = []
    for names, blank in _WORDINGS:
        tabs = _named(screen, names, blank)
        if length(tabs) <= width:
            break
    return fit(tabs, min(length(tabs), width), signs(screen.ascii).more)


_NAMES, _SHORT_NAMES = [view.name for view in table.VIEWS], [view.short for view in table.VIEWS]
_WORDINGS: tuple[tuple[Sequence[str], str], ...] = (
    (_NAMES, " "),
    (_NAMES, ""),
    (_SHORT_NAMES, ""),
    *(([name[:longest] for name in _SHORT_NAMES], "") for longest in (5, 4, 3, 0)),
)


_STRUCTURE = pattern(r"[.\[]")
"""What follows the name of a structure in the path of a field."""


def _named(screen: Screen, names: Sequence[str], blank: str) -> Line:
    """Draw the tabs, with a sign between key and name for changes and findings."""
    changed, tabs = changed_views(screen), list[tuple[str, str]]()
    for view, name in zip(table.VIEWS, names, strict=True):
        if tabs:
            tabs.append((style(screen), f"{blank}{signs(screen.ascii).separator}{blank}"))
        chosen = view is table.shown(screen)
        words = f"{view.key}{_sign(screen, view, is_changed=view.name in changed)}{name}"
        tabs.append((classes.TAB_CHOSEN if chosen else classes.TAB, words))
    return [("", " "), *tabs, ("", " ")] if blank else tabs


def _findings(screen: Screen, view: View) -> list[Finding]:
    """Return the findings that the view lists or, for a view of structures, those about its structures."""
    if view.finding is not None:
        return [entry.finding for entry in screen.boot_findings]
    return [finding for finding in screen.findings if _is_about(screen, view, finding)]


def _is_about(screen: Screen, view: View, finding: Finding) -> bool:
    """Return whether a finding is about a structure of the view, or about what one of them is made of."""
    if _STRUCTURE.split(finding.field)[0] in view.captures:
        return True
    copied = finding.severity != INFO and _STRUCTURE.split(finding_rows.dependent_path(finding.field))[0]
    return copied in view.captures and view.has_current_data(screen)


def _sign(screen: Screen, view: View, *, is_changed: bool) -> str:
    """Return the sign on a tab: of the worst finding in the view, but an info only for the view of all findings.

    Without such a finding, a star if something changed.
    """
    sign, found = signs(screen.ascii), _findings(screen, view)
    worst = finding_rows.worst(found).severity if found else INFO
    if not found or (worst == INFO and view.finding is None):
        return sign.changed if is_changed else " "
    if not screen.ascii:
        return sign.findings.get(worst, " ")
    return " " if worst == INFO else sign.findings[worst]  # the ASCII sign of an info looks like a letter of the name
