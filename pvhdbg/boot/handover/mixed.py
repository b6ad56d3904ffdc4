"""A handover between those of two sources."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pvhdbg.boot.handover.differences import Mixture

if TYPE_CHECKING:
    from collections.abc import Collection

    from pvhdbg.boot.handover.handover import Handover, HandoverSource
    from pvhdbg.boot.record.document import VmmFacts
    from pvhdbg.boot.stop.capture import Capture
    from pvhdbg.image.facts import ImageFacts
    from pvhdbg.target.base import Target


class MixedHandover:
    """A HandoverSource for the handover of one source, with some of the differences to that of another source.

    `taken` has the indexes of the differences. `mixture` is None until the handover is made.
    """

    def __init__(self, first: HandoverSource, second: HandoverSource, taken: Collection[int]) -> None:
        self._first, self._second, self._taken = first, second, taken
        self.mixture: Mixture | None = None

    @property
    def facts(self) -> VmmFacts:
        return self._first.facts

    def handover(self, target: Target, entry: Capture, image: ImageFacts | None) -> Handover:
        self.mixture = Mixture(*(source.handover(target, entry, image) for source in (self._first, self._second)))
        return self.mixture.handover(self._taken)
