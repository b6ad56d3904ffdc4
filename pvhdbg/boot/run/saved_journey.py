"""What a Journey knows at one moment, to return to it when the machine goes back to that moment."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pvhdbg.named_tuple import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pvhdbg.boot.run.journey import Journey
    from pvhdbg.boot.stop.capture import Capture

_NEWS = "news"


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


def _copied(attributes: Mapping[str, object]) -> Mapping[str, object]:
    """Copy the lists and dictionaries, because the journey changes its own."""
    return {name: value.copy() if isinstance(value, list | dict) else value for name, value in attributes.items()}
