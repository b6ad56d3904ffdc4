"""What a Journey knows at one moment, to return to it when the machine goes back to that moment."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from pvhdbg.named_tuple import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pvhdbg.boot.run.journey import Journey
    from pvhdbg.boot.stop.capture import Capture
    from pvhdbg.target.stub import StubTarget

_NEWS = "news"
_MACHINE, _READING = "_machine", "_reading"


class SavedJourney(NamedTuple):
    """The state of a Journey. `history` has its captures."""

    history: tuple[Capture, ...]
    attributes: Mapping[str, object]

    def restore(self, journey: Journey) -> None:
        """Restore the state in the journey that it was saved from, or in a new journey of the same machine."""
        vars(journey).update(_copied(self.attributes))


def save(journey: Journey) -> SavedJourney:
    """Save everything that the journey knows, except its messages for the user."""
    attributes = {name: value for name, value in vars(journey).items() if name != _NEWS}
    return SavedJourney(tuple(journey.history), _copied(attributes))


def forget_last_capture(journey: Journey) -> None:
    """Forget the last capture and the call that was observed there, because the machine is now before it."""
    rsp = journey.history.pop().registers.get("rsp")
    journey.calls = {symbol: call for symbol, call in journey.calls.items() if call.slot_vaddr != rsp}


@contextmanager
def read_through(journey: Journey, target: StubTarget) -> Iterator[None]:
    """Within the block, the journey reads the same machine through another target. It must not run the machine."""
    attributes = vars(journey)
    before = {name: attributes[name] for name in (_MACHINE, _READING)}
    attributes.update({_MACHINE: target, _READING: target.physical_reads})
    try:
        yield
    finally:
        attributes.update(before)


def _copied(attributes: Mapping[str, object]) -> Mapping[str, object]:
    """Copy the lists and dictionaries, because the journey changes its own."""
    return {name: value.copy() if isinstance(value, list | dict) else value for name, value in attributes.items()}
