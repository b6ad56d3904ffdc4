"""A stop that is to be told of, with what is known beside it."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from pvhdbg.abi.text import printable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pvhdbg.boot.stop.capture import Capture
    from pvhdbg.image.facts import ImageFacts


class Stop(NamedTuple):
    """A stop, those before it (oldest first), and the kernel's file."""

    seen: Capture
    earlier: Sequence[Capture] = ()
    image: ImageFacts | None = None

    @property
    def before(self) -> Capture | None:
        return self.earlier[-1] if self.earlier else None

    @property
    def handed_over(self) -> Capture:
        """The last stop that knows what was handed over."""
        return next((each for each in (self.seen, *reversed(self.earlier)) if each.memory_map), self.seen)


def why_not(stop: Stop, key: str, name: str) -> list[str]:
    return [f"  {name}: none, {reason(stop.seen, key)}"]


def reason(seen: Capture, key: str) -> str:
    """Why there is nothing at a path of a stop."""
    return printable(seen.missing.get(key, "not there"))
