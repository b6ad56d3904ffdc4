"""Going back: to a stage, by one instruction, to the last store to some bytes, or to the last hit of a breakpoint.

The modules that find the last step, store or hit are imported when they are needed: importing the disassembler takes
longer than a guest needs to reach its first stop.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pvhdbg.abi.text import printable
from pvhdbg.boot.run import saved_journey
from pvhdbg.boot.stop import stages
from pvhdbg.boot.who.fields import is_part
from pvhdbg.errors import GuestError, PvhdbgError, UserError
from pvhdbg.live.back.snapshot_debuggee import ENTRY, LONGEST_RUN, NO_WAY_BACK, TO_A_STAGE, SnapshotDebuggee
from pvhdbg.live.back.snapshot_list import is_same
from pvhdbg.live.gdb import breakpoints
from pvhdbg.target.base import DIED

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from pvhdbg.boot.stop.capture import Capture
    from pvhdbg.live.back import last_store
    from pvhdbg.live.back.last_step import Finder, Move
    from pvhdbg.live.back.last_store import Stores
    from pvhdbg.live.back.replay import Replay
    from pvhdbg.live.back.snapshot_list import Snapshot
    from pvhdbg.live.debuggee.debuggee import Position
    from pvhdbg.live.observe.regions import Region

_BEFORE_PREPARE = "pvh_start_info"
"""The boot data that Linux writes before it is at `prepare`, where the first snapshot is."""


class RewindableDebuggee(SnapshotDebuggee):
    """A Debuggee that takes snapshots of its machine, and goes back to them and to the moments between."""

    def back(self, where: str | None) -> Position:
        """Go back to the last captured stage before here, or to `where`: a stage, or just after a store to a field.

        A dead guest is alive again.

        :raise UserError: if there are no snapshots, or `where` is not before here.
        :raise GuestError: if the guest did not execute the same instructions again. The machine is then where it was.
        """
        here = self._where()
        if where is not None and where not in stages.NAMES:
            return self._back_to_store(here, where)
        if reason := self._why_not():
            raise self._without_snapshots(reason)
        wanted = self._captured_before(here, where)
        undone = self._stages_so_far()
        remark = f"back at stage {wanted.stage}: what changed since then is undone"
        if direct := self._snapshots.of_stage(wanted.stage):
            return self._arrived(self._load_and_capture(direct, undone), remark)
        self._run_to(here, wanted)
        self.session.went_back(None, undone)
        return self.position()._replace(remark=remark)

    def step_back(self, *, by_repetition: bool = False) -> Position:
        """Go back by one instruction, with all its repetitions unless `by_repetition` is set. See last_step.

        If the guest does not execute the same instructions again, the machine stays where it is.

        :raise UserError: if there are no snapshots, or none of a moment before this one.
        :raise GuestError: if the guest does not execute the same instructions again.
        """
        from pvhdbg.live.back import last_step, places

        here = self._where()
        starts = self._earlier_snapshots(here)
        hlt, is_dead = places.at_hlt(here.capture, self.journey), here.halt.kind == DIED
        moment, before = saved_journey.save(self.journey), [*self.journey.history]
        if here.stage is not None or is_dead:
            before.pop()
        undone = [*self.session.undone, *([here.stage] if here.stage else [])]
        with self._replay(here) as replay:
            finder = last_step.finder(replay, here.capture, self.name_of, by_repetition=by_repetition, hlt=hlt)
            start, moves = self._find_last_step(replay, finder, starts)
            if moves is not None:
                replay.load(start)
            if moves is None or not finder.go(moves, lambda: self._keep_on_the_way(replay, start, before)):
                why = replay.timeout_message or "pvhdbg found no instruction that leads exactly here"
                self._give_up(replay, start)
                raise GuestError(f"{NO_WAY_BACK}: {why}", TO_A_STAGE)
            self.session.went_back(moment, undone)
            if here.stage is not None or is_dead:
                saved_journey.forget_last_capture(self.journey)
            capture = self._capture_through(replay)
        words = "back at the instruction that killed the guest" if is_dead else "back by one instruction"
        return self._arrived(capture, words if hlt is None else "back at the hlt that halted the guest")

    def _find_last_step(
        self, replay: Replay, finder: Finder, starts: Sequence[Snapshot]
    ) -> tuple[Snapshot, Sequence[Move] | None]:
        """Find the moves to the place from the last snapshot or, for a call before that, from an earlier one."""
        for start in reversed(starts):
            replay.load(start)
            # A snapshot inside the repeated instruction is not before it, so try an earlier one.
            is_inside = start is not starts[0] and finder.may_be_inside
            if not is_inside and (moves := finder.find()) is not None:
                return start, moves
        replay.load(starts[-1])
        return starts[-1], finder.find_by_steps()

    def continue_back(self) -> Position:
        """Go back to the last hit of a breakpoint or watchpoint or, without one, to the first snapshot.

        :raise UserError: if there are no snapshots, or none of a moment before this one.
        :raise GuestError: if the guest does not execute the same instructions again.
        """
        from pvhdbg.live.back import last_hit, places

        here = self._where()
        starts, place = self._earlier_snapshots(here), places.at_hlt(here.capture, self.journey) or here.capture
        if here.halt.kind == DIED:
            raise UserError(f"{NO_WAY_BACK}: the guest is dead", "press F7 or F8 to go back")
        undone = self._stages_so_far()
        return_to = self._kept_here(here)
        hits: int | None = 0
        for start in reversed(starts):
            self._load(start, keep=return_to)
            hits = last_hit.count_hits(self.machine, place, LONGEST_RUN)
            if hits != 0:
                break
            place = start.capture
        if hits is not None:
            self._load(start)
        if hits is None or not last_hit.run_hits(self.machine, hits, LONGEST_RUN):
            if return_to is not None:
                self._load(return_to)
            raise GuestError(f"{NO_WAY_BACK}: gdb can't count the hits before this moment exactly", TO_A_STAGE)
        self.session.went_back(None, undone)
        return self.position()._replace(remark="back at the last hit" if hits else "no hit: back at the first snapshot")

    def _back_to_store(self, here: Position, text: str) -> Position:
        """Go back to just after the last store to the bytes that the user asks about.

        :raise UserError: if there is no such field, no way back, or no such store since the first snapshot.
        :raise GuestError: if the guest does not execute the same instructions again.
        """
        from pvhdbg.live.back import places

        region, hlt = places.region_of(text, here.capture, self.session), places.at_hlt(here.capture, self.journey)
        starts = self._earlier_snapshots(here)
        undone = self._stages_so_far()
        capture: Capture | None = None
        with self._replay(here) as replay:
            start, route, stores = self._find_store(replay, starts, region, hlt or here.capture, is_here=hlt is None)
            is_there = stores is not None and self._run_stores(replay, start, stores.number, region, route)
            if stores is not None and is_there:
                self._restored(start, undone)
                self.journey.history += [capture for before, capture in stores.passed if before < stores.number]
                capture = self._capture_through(replay)
            else:
                self._give_up(replay, starts[-1])
        if capture is None:
            if stores is None or stores.number or not is_part(text, _BEFORE_PREPARE) or starts[0].stage == ENTRY:
                raise self._no_store(stores, text, starts[0])
            capture = self._to_store_before(starts[0], region, text, undone)
        return self._arrived(capture, f"back at the last store to {printable(text)}, just after the instruction")

    def _to_store_before(self, first: Snapshot, region: Region, text: str, undone: Collection[str]) -> Capture:
        """Restart the guest, and run to the last store before the moment of the first snapshot.

        :raise UserError: if there is no such store.
        :raise GuestError: if the guest does not execute the same instructions again.
        """
        arrived = self._restart_to(self.journey.history[0])
        with self._replay(arrived) as replay:
            start, route, stores = self._find_store(replay, self._snapshots.kept, region, first.capture, is_here=False)
            if stores is None or not self._run_stores(replay, start, stores.number, region, route):
                replay.load(start)
                raise self._no_store(stores, text, start)
            self.session.went_back(None, undone)
            return self._capture_through(replay)

    def _find_store(
        self, replay: Replay, starts: Sequence[Snapshot], region: Region, place: Capture, *, is_here: bool
    ) -> tuple[Snapshot, last_store.Route, Stores | None]:
        """Find the last snapshot after which there is a store before the place, or the first snapshot."""
        from pvhdbg.live.back import last_store

        *earlier, start = starts
        known = {stages.DIED, *(capture.stage for capture in start.journey.history)}
        later = [capture for capture in self.journey.history if capture.stage not in known]
        route = last_store.Route(place, later, is_here)
        replay.load(start)
        with last_store.counter(replay, region, route, self.kernel) as counter:
            stores = counter.count()
        if earlier and stores is not None and not stores.number:
            first, way, before = self._find_store(replay, earlier, region, start.capture, is_here=False)
            return first, way, before and before._replace(leads_here=stores.leads_here)
        return start, route, stores

    def _run_stores(
        self, replay: Replay, start: Snapshot, number: int, region: Region, route: last_store.Route
    ) -> bool:
        """Run to a store again, counted from a snapshot. Return False if the guest does not get there."""
        from pvhdbg.live.back import last_store

        if not number:
            return False
        replay.load(start)
        with last_store.counter(replay, region, route, self.kernel) as counter:
            return counter.run(number)

    def _no_store(self, stores: Stores | None, text: str, first: Snapshot) -> PvhdbgError:
        shown = printable(text)
        if stores is None or stores.number:
            return GuestError(
                f"{NO_WAY_BACK}: pvhdbg can't count the stores to {shown} before this moment exactly", TO_A_STAGE
            )
        since = f"since the first snapshot, at stage {first.stage}"
        if stores.leads_here:
            why = f"the instruction just before here stored to {shown}, and no earlier one did {since}"
        else:
            why = f"no instruction stored to {shown} {since}"
        earlier = "" if first.stage == ENTRY else "; for earlier stores, type `back entry`, press F6, and try again"
        return UserError(f"{NO_WAY_BACK}: {why}", f"see `who {shown}`{earlier}")

    def _give_up(self, replay: Replay, start: Snapshot) -> None:
        """Return to where the user was. If the guest was dead, stay at a snapshot: it would not die in the same way."""
        replay.load(replay.returns_to or start)
        if replay.returns_to is None:
            self._restored(start, self._stages_so_far())

    def _captured_before(self, here: Position, stage: str | None) -> Capture:
        """Return the capture of the stage to go to.

        :raise UserError: if there is none.
        """
        captured = [capture for capture in self.journey.history if capture.stage != stages.DIED]
        if stage is None and here.stage is not None and captured and captured[-1].stage == here.stage:
            captured.pop()
        found = [capture for capture in captured if stage in (None, capture.stage)]
        if not found:
            what = "no stage was" if stage is None else f"stage {stage} was not"
            raise UserError(f"{NO_WAY_BACK}: {what} captured before here", "see `stages` for what was captured")
        return found[-1]

    def _run_to(self, here: Position, wanted: Capture) -> None:
        """Load a snapshot before a stage, or restart the guest without one, and run to the stage."""
        earlier = self._snapshots.before_stage(wanted.stage)
        return_to = self._kept_here(here) if earlier else None
        if earlier:
            self._load(earlier, keep=return_to)
        else:
            self.restart()
        with breakpoints.disabled(self.machine.gdb):
            arrived = self.to_stage(wanted.stage)
        if arrived.stage == wanted.stage and is_same(arrived.capture, wanted):
            return
        if return_to is not None:
            self._load(return_to)
        new_boot = "" if return_to is not None else " after a restart"
        raise GuestError(
            f"{NO_WAY_BACK}: the guest reached stage {wanted.stage} with other registers or boot data{new_boot}"
        )
