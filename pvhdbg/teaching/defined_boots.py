"""The boots that a front matter defines in lines `boot: NAME = OPTIONS`."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from pvhdbg.lazy_pattern import pattern

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pvhdbg.teaching.front_matter import Document, Place

FIRST_BOOT = "boot"
"""The name of the boot that needs no such line: with what QEMU hands over or, in a lab, with the lab's `options`."""
_BOOT = pattern(r"([a-z][a-z0-9-]*) = (.+)")


def boots(document: Document) -> dict[str, tuple[str, ...]]:
    """Return the options of each boot, by its name. If two boots have the same name, the last one counts.

    :raise UserError: if a line is malformed.
    """
    return dict(_boots(document))


def _boots(document: Document) -> Iterator[tuple[str, tuple[str, ...]]]:
    for entry in document.entries.all:
        if entry.key == "boot":
            place = document.entries.at(entry)
            match = _BOOT.fullmatch(entry.value)
            if match is None or match[1] == FIRST_BOOT:
                raise place.error("not a boot", "write `boot: NAME = OPTIONS`, such as `boot: xen = --vmm xen-domu`")
            yield match[1], options(match[2], place)


def options(text: str, place: Place) -> tuple[str, ...]:
    """Split options as a shell does.

    :raise UserError: if a quote is not closed.
    """
    try:
        return tuple(shlex.split(text))
    except ValueError as error:
        raise place.error(f"not options: {error}") from error


def refuse_unknown(name: str, known: Mapping[str, tuple[str, ...]], place: Place) -> None:
    """Refuse the name of a boot that the front matter does not define.

    :raise UserError: if it is not defined.
    """
    if name not in (FIRST_BOOT, *known):
        raise place.error(f"unknown boot: {name}", "define it in the front matter: `boot: NAME = OPTIONS`")
