"""The targets of links in a report: an id for each row and structure of each stop, and for each field of `who`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pvhdbg.boot.stop.stages import CAPTURE_KEYS
from pvhdbg.named_tuple import NamedTuple
from pvhdbg.views.pictures.markup import Element, element

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from pvhdbg.boot.stop.capture import Capture
    from pvhdbg.boot.who.answer import Answer


def stop_id(index: int, capture: Capture) -> str:
    """Return the id of a stop. A damaged recording may have a stage twice."""
    return f"stop-{index}-{capture.stage}"


def section_id(stop: str, key: str) -> str:
    """Return the id of a structure at a stop."""
    return f"{stop}/all/{key}"


def row_id(stop: str, path: str) -> str:
    """Return the id of a row at a stop."""
    return f"{stop}/{path}"


def who_id(path: str) -> str:
    """Return the id of what is known about the writers and readers of a field."""
    return f"who/{path}"


MOST_MODULES = 64
"""The most modules of a stop to which a pointer can lead."""


class Links(NamedTuple):
    """Where the rows of a stop lead.

    `places` has the ids of structures and modules by their address. `answers` has what `who` found out, by path.
    """

    stop: str
    places: Mapping[int, str]
    answers: Mapping[str, Answer]


def places(stop: str, capture: Capture, before: Capture | None) -> dict[int, str]:
    """Return the id of each structure and each module by its address.

    Structures that have not changed since the stop before are left out: their rows are at an earlier stop.
    """
    new = [key for key in CAPTURE_KEYS if before is None or getattr(before, key) != getattr(capture, key)]
    found = {address: section_id(stop, key) for key in new if (address := _address(getattr(capture, key))) is not None}
    if "modules" in new:
        for index, module in enumerate((capture.modules or ())[:MOST_MODULES]):
            if module.entry.paddr:
                found.setdefault(module.entry.paddr, row_id(stop, f"modules[{index}]"))
    return found


def _address(value: object) -> int | None:
    """Return the address of a structure of a capture, which may be a list of modules."""
    if isinstance(value, tuple) and type(value) is tuple:
        return value[0].entry.at if value else None
    found: int | None = getattr(value, "at" if hasattr(value, "at") else "paddr", None)
    return found


def link(target: str, *content: Element | str) -> Element:
    """Return a link to an id of the page."""
    return element("a", *content, href=f"#{target}")


def to_field(ids: Collection[str], stop: str, path: str) -> Element:
    """Return a link to the row of a path, or to its structure. If the page has neither, return only the path."""
    key = path.partition(".")[0].partition("[")[0]
    for target in (row_id(stop, path), section_id(stop, key)):
        if target in ids:
            return link(target, element("code", path))
    return element("code", path)
