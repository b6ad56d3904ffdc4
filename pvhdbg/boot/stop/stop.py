"""A Stop: a capture together with its context, as views and rules receive it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pvhdbg.named_tuple import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pvhdbg.boot.stop.capture import Capture
    from pvhdbg.image.facts import ImageFacts


class Stop(NamedTuple):
    """A capture, the captures of earlier stages (oldest first), and the kernel file if it is known."""

    capture: Capture
    earlier: Sequence[Capture] = ()
    image: ImageFacts | None = None

    @property
    def before(self) -> Capture | None:
        return self.earlier[-1] if self.earlier else None

    @property
    def history(self) -> tuple[Capture, ...]:
        return (*self.earlier, self.capture)

    @property
    def latest_with_map(self) -> Capture:
        """The latest capture with a memory map, which also has the modules and the command line."""
        return next((capture for capture in reversed(self.history) if capture.memory_map), self.capture)
