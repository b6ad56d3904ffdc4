"""Find the last store to some bytes before a place: count the stores after a snapshot."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from pvhdbg.boot.run.journey import Journey
from pvhdbg.boot.stop import stages
from pvhdbg.live.observe.observer import Observer
from pvhdbg.named_tuple import NamedTuple
from pvhdbg.target.rsp.client import cleaned_up

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pvhdbg.boot.stop.capture import Capture
    from pvhdbg.image.load import Kernel
    from pvhdbg.live.back.replay import Replay
    from pvhdbg.live.observe.regions import Region


class Route(NamedTuple):
    """From a snapshot to `place`, which may be the guest's death. `later` are the stages that were captured between.

    If `is_here`, the place is where the user is: a store that leads exactly there does not count.
    """

    place: Capture
    later: Sequence[Capture]
    is_here: bool


class Stores(NamedTuple):
    """The stores to a region between a snapshot and a place.

    `number` is how many there were. `passed` has the captures of stages that the guest passed, each with the number of
    stores before it. If `leads_here` is set, one more store, which does not count, leads exactly to the place.
    """

    number: int
    passed: Sequence[tuple[int, Capture]]
    leads_here: bool = False


@contextmanager
def counter(replay: Replay, region: Region, route: Route, kernel: Kernel | None) -> Iterator[StoreCounter]:
    """Yield a StoreCounter, and delete its watchpoints at the end.

    QEMU keeps watchpoints when the connection is closed. Of two counters, the first would then stop the machine between
    the repetitions of an instruction.
    """
    stores = StoreCounter(replay, region, route, kernel)
    with cleaned_up(stores.clear):
        yield stores


class StoreCounter(Observer):
    """Runs the machine of a replay from store to store. The machine must be at a snapshot when the object is made."""

    def __init__(self, replay: Replay, region: Region, route: Route, kernel: Kernel | None) -> None:
        journey = Journey(replay.target, replay.runner, kernel.facts if kernel else None, trust_image=True)
        super().__init__(journey, replay.target, replay.watch, kernel.symbols if kernel else None)
        self._replay = replay
        self._route = route
        self._addresses = {capture.rip for capture in (route.place, *route.later) if capture.rip is not None}
        self.watch_regions([region])

    def count(self) -> Stores | None:
        """Count the stores before the place. None if the guest does not get there."""
        stores = 0
        passed: list[tuple[int, Capture]] = []
        for is_store in self._run_on():
            if self._replay.is_at(self._route.place):
                leads_here = is_store and self._route.is_here
                return Stores(stores + (is_store and not leads_here), passed, leads_here)
            stores += is_store
            passed += [(stores, capture) for capture in self._route.later if self._replay.is_at(capture)]
        is_dead = self._route.place.stage == stages.DIED and self._replay.has_died
        return Stores(stores, passed) if is_dead and self._replay.is_at(self._route.place) else None

    def run(self, count: int) -> bool:
        """Run until the guest has made `count` stores. Return False if it did not."""
        stores = (is_store for is_store in self._run_on() if is_store)
        return sum(1 for _ in zip(range(count), stores, strict=False)) == count

    def clear(self) -> None:
        """Delete the watchpoints."""
        self._watch.clear_all(self._watchpoints)

    def _run_on(self) -> Iterator[bool]:
        """Run until the time is up. Yield True after each store, and False at the address of a place."""
        while self._replay.left > 0:
            seen = len(self.accesses)
            at_a_place = self._rip() in self._addresses
            going = self._step() if at_a_place else self._run(self._addresses, self._replay.left)
            if any(access.is_store for access in self.accesses[seen:]):
                yield True
            elif going and self._rip() in self._addresses:
                yield False
            if not going:
                return
