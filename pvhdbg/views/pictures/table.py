"""The table of pictures: each by its name, as text and drawn."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pvhdbg.boot.stop.capture import EMPTY_CAPTURE
from pvhdbg.boot.stop.stop import Stop
from pvhdbg.checks.case import NO_MEMORY, Case
from pvhdbg.named_tuple import NamedTuple
from pvhdbg.views.pictures import handover, memory, paging, segments, timeline, writers

if TYPE_CHECKING:
    from collections.abc import Callable

    from pvhdbg.boot.record.document import Document
    from pvhdbg.boot.stop.capture import Capture
    from pvhdbg.views.pictures.drawing import Drawing


class Picture(NamedTuple):
    """A picture of a run, as lines of text and drawn. `about` is its help text."""

    about: str
    as_text: Callable[[Document], list[str]]
    draw: Callable[[Document], Drawing]


def _with_handover(run: Document) -> Capture:
    """Return the first stop that has what the VMM handed over."""
    found = next((stop for stop in run.stops if stop.start_info), next(iter(run.stops), EMPTY_CAPTURE))
    return _without_absent(found, run)


def _without_absent(capture: Capture, run: Document) -> Capture:
    """Leave out the zeros that were read where the machine has no memory."""
    case = Case(Stop(capture, (), run.kernel), run.machine)
    if case.map_is_absent:
        capture = capture._replace(memory_map=None, missing={**capture.missing, "memory_map": NO_MEMORY})
    if case.module_list_is_absent:
        capture = capture._replace(modules=None, missing={**capture.missing, "modules": NO_MEMORY})
    return capture


def _with_map(run: Document) -> Capture:
    return next((stop for stop in run.stops if stop.memory_map), _with_handover(run))


PICTURES = {
    "memory": Picture(
        "memory to scale, with what lies where",
        lambda run: memory.as_text(_with_map(run), run.kernel),
        lambda run: memory.draw(_with_map(run), run.kernel),
    ),
    "handover": Picture(
        "EBX, start_info and what its pointers lead to",
        lambda run: handover.as_text(_with_handover(run), run.kernel),
        lambda run: handover.draw(_with_handover(run), run.kernel),
    ),
    "paging": Picture("RIP on its way through the page tables", paging.as_text, paging.draw),
    "segments": Picture("the selectors, and the entries of the GDT that they name", segments.as_text, segments.draw),
    "stages": Picture("the stages, with the boot data at each", timeline.as_text, timeline.draw),
    "who": Picture("which functions wrote which fields, if `who` was asked", writers.as_text, writers.draw),
}
