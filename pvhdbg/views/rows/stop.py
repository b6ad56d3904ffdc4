"""A capture together with what a view needs to describe it."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from pvhdbg.abi.text import printable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pvhdbg.boot.stop.capture import Capture
    from pvhdbg.image.facts import ImageFacts


class Stop(NamedTuple):
    """A capture, the captures of earlier stages (oldest first), and the kernel file if it is known.

    checks.case.Case holds the same three for rules, with the machine, the outcome and cached models beside them. The
    two stay apart: checks must not import views, and a view that is shown in gdb or for one address has no machine or
    outcome to give.
    """

    capture: Capture
    earlier: Sequence[Capture] = ()
    image: ImageFacts | None = None

    @property
    def before(self) -> Capture | None:
        return self.earlier[-1] if self.earlier else None

    @property
    def handed_over(self) -> Capture:
        """The latest capture with a memory map, which also has the modules and the command line."""
        latest_first = (self.capture, *reversed(self.earlier))
        return next((capture for capture in latest_first if capture.memory_map), self.capture)


def missing_line(stop: Stop, key: str, name: str) -> list[str]:
    return [f"  {name}: missing, {missing_reason(stop.capture, key)}"]


def missing_reason(capture: Capture, path: str) -> str:
    """Return why a capture has no value at a path, fit for a terminal."""
    return printable(capture.missing.get(path, "not captured"))
