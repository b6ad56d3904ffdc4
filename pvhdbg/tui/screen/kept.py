"""Keep what was drawn until something that it shows changes: most keys change one pane."""

from __future__ import annotations

from functools import update_wrapper
from operator import is_, itemgetter
from typing import TYPE_CHECKING, Concatenate, ParamSpec, TypeVar

from pvhdbg.tui.screen.state import Screen

if TYPE_CHECKING:
    from collections.abc import Callable

    Parameters = ParamSpec("Parameters")
    Result = TypeVar("Result")
    Draw = Callable[Concatenate[Screen, Parameters], Result]

_KEPT = 8
"""How many results of each function are kept: for all panes of a frame, and for the last stages that were displayed."""

SELECTION = ("positions", "text_tops", "detail_top", "trail", "search_text", "columns")
"""The fields that change when the user selects a row of the view, or scrolls."""
TYPED = ("entry", "popup", "message", "memory_request")
"""The fields that are drawn over the panes, below them, or not at all."""
OF_VIEW = ("view", "is_view_chosen", "unread", "only_changes", "unfolded", "walked", "bytes", "focus", "zoomed")
"""The fields that say which view is shown, and how."""


def kept(*unread: str) -> Callable[[Draw[Parameters, Result]], Draw[Parameters, Result]]:
    """Decorate a function of the Screen and of other values to return its last result while these are the same.

    The fields of the Screen are compared by identity, because they are frozen. `unread` are the fields that the
    function does not read. Its result must not be changed.
    """
    read = itemgetter(*(index for index, field in enumerate(Screen._fields) if field not in unread))

    def decorate(draw: Draw[Parameters, Result]) -> Draw[Parameters, Result]:
        last: tuple[tuple[tuple[object, ...], object, object, Result], ...] = ()

        def drawn(screen: Screen, /, *arguments: Parameters.args, **named: Parameters.kwargs) -> Result:
            nonlocal last
            now = read(screen)
            for before, others, names, result in last:
                if all(map(is_, now, before)) and others == arguments and names == named:
                    return result
            result = draw_unread(draw, unread, screen, *arguments, **named)
            last = ((now, arguments, named, result), *last[: _KEPT - 1])
            return result

        update_wrapper(drawn, draw)
        return drawn

    return decorate


def draw_unread(
    draw: Draw[Parameters, Result],
    unread: tuple[str, ...],  # noqa: ARG001 - tests replace this function by one that checks it
    screen: Screen,
    *arguments: Parameters.args,
    **named: Parameters.kwargs,
) -> Result:
    """Draw without reading the fields in `unread`."""
    return draw(screen, *arguments, **named)
