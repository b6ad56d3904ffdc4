"""A debuggee that takes snapshots of its machine while the user does not wait for it, and can restore them."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from pvhdbg.abi.text import printable
from pvhdbg.boot.run import saved_journey
from pvhdbg.boot.stop import stages
from pvhdbg.errors import GuestError, PvhdbgError, UserError
from pvhdbg.live.back.snapshot_list import SnapshotList, is_same
from pvhdbg.live.debuggee.debuggee import Debuggee
from pvhdbg.live.gdb import breakpoints, console
from pvhdbg.live.qemu.options import SNAPSHOTS_OFF
from pvhdbg.target.base import DIED

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from pvhdbg.boot.stop.capture import Capture
    from pvhdbg.live.back.replay import Replay
    from pvhdbg.live.back.snapshot_list import Snapshot
    from pvhdbg.live.debuggee.debuggee import Position
    from pvhdbg.live.debuggee.own_machine import OwnMachine
    from pvhdbg.live.qemu.process import Qemu
    from pvhdbg.target.base import Halt

LONGEST_RUN = 15.0
"""How long the guest may run from a snapshot to this moment, in seconds. An idle computer needs less."""
NO_WAY_BACK, TO_A_STAGE = "can't go back", "press F8 to go back to a stage"
_TAKE_ONE = "press F8 and then F6: pvhdbg takes a snapshot on the way"
ENTRY = "entry"
_NEXT_RUN = "restart pvhdbg with --snapshots on"
_NOT_EXACT = "execution is not exactly repeatable"
_INTERRUPTS_ON = 1 << 9


class SnapshotDebuggee(Debuggee):
    """A Debuggee that takes snapshots of its machine."""

    machine: OwnMachine

    def _begin(self) -> None:
        self._snapshots = SnapshotList(self._qemu, self.machine.folder)
        self._refusal: str | None = None
        self._here: Position | None = None
        self._arrived_at: object = None
        super()._begin()

    @property
    def times_back(self) -> int:
        return self._snapshots.loads

    def _way_back(self) -> Callable[[str | None], str]:
        return lambda where: self.back(where).remark

    def position(self, halt: Halt | None = None) -> Position:
        self._here = super().position(halt)
        return self._here

    def _arrived(self, capture: Capture, remark: str) -> Position:
        """Return the position after going back, where the machine was captured while gdb was disconnected."""
        self._here = self._position_at(capture)
        self._arrived_at = self._moment()
        return self._here._replace(remark=remark)

    def _where(self) -> Position:
        """Return the position. Do not read the machine again if nothing was done with it since it went back."""
        if self._here is not None and self._arrived_at == self._moment():
            return self._here
        return self.position()

    def _moment(self) -> object:
        """Return what changes when anything is done with the machine: gdb's count, and the captures of stages."""
        return self.machine.gdb.generation, [*map(id, self.journey.history)]

    def keep_snapshot(self) -> None:
        """Take a snapshot of this stop, unless there is one. If QEMU refuses, take none from now on, and remember why.

        Call this while the user does not wait for the machine.
        """
        here = self._here
        if here is None or self._why_not() or not self._is_at(here):
            return
        if here.stage is None and _has_interrupts(here.capture):  # no step back is possible there
            return
        if self._snapshots.last_at(here.capture) is not None:
            return
        try:
            self._snapshots.save(here.stage, here.capture, self.journey)
        except OSError as error:
            self._refusal = printable(str(error))

    def next_stage(self) -> Position:
        self._keep_first_snapshot()
        return super().next_stage()

    def resume(self, verb: str) -> Position:
        self._keep_first_snapshot()
        return super().resume(verb)

    def console(self, line: str, more: Callable[[], str | None]) -> Position:
        if console.resumes(line):
            self._keep_first_snapshot()
        return super().console(line, more)

    def _keep_first_snapshot(self) -> None:
        """Take a snapshot before the guest continues for the first time, so that there is a way back if it dies."""
        if not self._snapshots.kept:
            with suppress(PvhdbgError):  # gdb or QEMU may be gone: running the guest reports that
                self.keep_snapshot()

    def _replay(self, here: Position) -> Replay:
        """Disconnect gdb within the block, and let the machine run from snapshots.

        :raise UserError: if QEMU refuses to take a snapshot of this moment, to return to it.
        """
        from pvhdbg.live.back.replay import Replay

        is_dead = here.halt.kind == DIED
        return Replay(self.machine, self._snapshots, self._kept_here(here), LONGEST_RUN, is_dead=is_dead)

    def _capture_through(self, replay: Replay) -> Capture:
        """Capture the machine without gdb, which needs several times as long."""
        with saved_journey.read_through(self.journey, replay.target):
            return self.session.capture_now()

    def _keep_on_the_way(self, replay: Replay, start: Snapshot, before: Sequence[Capture]) -> None:
        """Take a snapshot of the replayed machine, on its way from a snapshot to this moment, to start from it later.

        `before` has what was captured before this moment. If a stage was captured on the way, take none.
        """
        if tuple(before) != start.journey.history:
            return
        here = saved_journey.save(self.journey)
        start.journey.restore(self.journey)
        try:
            with saved_journey.read_through(self.journey, replay.target):
                capture = self.journey.capture_now()
            with suppress(OSError):  # the next step back only takes longer
                self._snapshots.save(None, capture, self.journey)
        finally:
            here.restore(self.journey)

    def _stages_so_far(self) -> Collection[str]:
        captured = (capture.stage for capture in self.journey.history if capture.stage != stages.DIED)
        return [*captured, *self.session.undone]

    def _earlier_snapshots(self, here: Position) -> Sequence[Snapshot]:
        """Return the snapshots before this moment, oldest first.

        :raise UserError: if there is none, or the guest would not execute the same instructions again from there.
        :raise GuestError: if there would be one after a restart, but the restarted guest does not come here again.
        """
        reason, hint = self._why_not(), None
        if self._qemu.returncode is not None:
            reason = "QEMU has ended"
        elif self._qemu.options.accel == "kvm":
            reason, hint = f"under KVM, {_NOT_EXACT}", TO_A_STAGE
        elif _has_interrupts(here.capture):
            reason, hint = f"interrupts are enabled, so {_NOT_EXACT}", TO_A_STAGE
        if reason:
            raise UserError(f"{NO_WAY_BACK}: {reason}", hint) if hint else self._without_snapshots(reason)
        return self._snapshots_before(here) or self._with_snapshot_of_entry(here)

    def _snapshots_before(self, here: Position) -> Sequence[Snapshot]:
        return [snapshot for snapshot in self._snapshots.kept if not is_same(snapshot.capture, here.capture)]

    def _with_snapshot_of_entry(self, here: Position) -> Sequence[Snapshot]:
        """Run a restarted guest to here, and take a snapshot of its entry on the way, as the first run did not.

        :raise UserError: if this is the entry, or not the end of the first run.
        :raise GuestError: if the guest does not execute the same instructions again.
        """
        entry = next(iter(self.journey.history), None)
        if here.stage == ENTRY:
            raise UserError(f"{NO_WAY_BACK}: this is the first instruction of the guest")
        if entry is None or entry.stage != ENTRY or (here.stage != stages.FIRST_STOP and here.halt.kind != DIED):
            raise UserError(f"{NO_WAY_BACK}: there is no snapshot of an earlier moment", _TAKE_ONE)
        self._restart_to(entry)
        self.keep_snapshot()
        with breakpoints.disabled(self.machine.gdb):
            again = self.to_stage(stages.FIRST_STOP)
        if not is_same(again.capture, here.capture):
            raise GuestError(f"{NO_WAY_BACK}: the restarted guest came here with other registers or boot data")
        return self._snapshots_before(again)

    def _restart_to(self, entry: Capture) -> Position:
        """Restart the guest, and run it to its entry.

        :raise GuestError: if it is not as it was captured there.
        """
        self.restart()
        with breakpoints.disabled(self.machine.gdb):
            arrived = self.to_stage(ENTRY)
        if not is_same(arrived.capture, entry):
            raise GuestError(f"{NO_WAY_BACK}: the restarted guest reached the entry with other registers or boot data")
        return arrived

    def _kept_here(self, here: Position) -> Snapshot | None:
        """Return a snapshot of this moment, to return to it: the last one if it is of this moment, otherwise a new one.

        None if the guest is dead.

        :raise UserError: if QEMU refuses.
        """
        if here.halt.kind == DIED:
            return None
        try:
            known = self._snapshots.last_at(here.capture)
            return known or self._snapshots.save(here.stage, here.capture, self.journey)
        except OSError as error:
            self._refusal = printable(str(error))
            raise self._without_snapshots(self._refusal) from error

    def _without_snapshots(self, reason: str) -> UserError:
        return UserError(f"{NO_WAY_BACK}: {reason}", _NEXT_RUN if reason.startswith(SNAPSHOTS_OFF) else None)

    def _why_not(self) -> str | None:
        return self._qemu.options.no_snapshots or self._refusal

    @property
    def _qemu(self) -> Qemu:
        assert self.machine.qemu is not None  # noqa: S101  pvhdbg started this machine
        return self.machine.qemu

    def _is_at(self, here: Position) -> bool:
        """Return whether the machine is alive, stopped, and still where it was last examined."""
        gdb = self.machine.gdb
        alive = here.halt.kind != DIED and gdb.connected and not gdb.running
        return alive and self._qemu.returncode is None and self.machine.target.register("rip") == here.capture.rip

    def _load(self, snapshot: Snapshot, keep: Snapshot | None = None) -> None:
        """Restore the machine, and all that pvhdbg knew then. Later snapshots are dropped, except `keep`.

        :raise GuestError: if QEMU can't restore the machine.
        """
        self._snapshots.load(snapshot, keep, is_dead=self.machine.runner.death() is not None)
        self.machine.revive()
        self.machine.runner.forget_death()
        self._restored(snapshot)

    def _load_and_capture(self, snapshot: Snapshot, undone: Collection[str]) -> Capture:
        """Like `_load`, and capture the machine there. `undone` are the stages that had been captured.

        :raise GuestError: if QEMU can't restore the machine.
        """
        from pvhdbg.live.back.replay import Replay

        is_dead = self.machine.runner.death() is not None
        with Replay(self.machine, self._snapshots, None, LONGEST_RUN, is_dead=is_dead) as replay:
            replay.load(snapshot)
            self._restored(snapshot, undone)
            return self._capture_through(replay)

    def _restored(self, snapshot: Snapshot, undone: Collection[str] = ()) -> None:
        """Continue with what pvhdbg knew at a snapshot."""
        self.session.went_back(snapshot.journey, undone)


def _has_interrupts(capture: Capture) -> bool:
    return bool((capture.registers.get("eflags") or 0) & _INTERRUPTS_ON)
