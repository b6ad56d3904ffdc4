"""Going back: snapshots of pvhdbg's own machine at its stops, and the way back to a stage."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple

from pvhdbg.abi.text import printable
from pvhdbg.boot.run import saved_journey
from pvhdbg.boot.stop import stages
from pvhdbg.errors import GuestError, UserError
from pvhdbg.live.debuggee import last_hit
from pvhdbg.live.debuggee.debuggee import Debuggee
from pvhdbg.live.debuggee.last_step import Way
from pvhdbg.live.gdb import breakpoints
from pvhdbg.live.qemu.process import why_no_room
from pvhdbg.target.base import DIED

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pvhdbg.boot.run.saved_journey import SavedJourney
    from pvhdbg.boot.stop.capture import Capture
    from pvhdbg.live.debuggee.debuggee import Position
    from pvhdbg.live.debuggee.own_machine import OwnMachine
    from pvhdbg.live.qemu.process import Qemu
    from pvhdbg.target.base import Halt

DISK_BUDGET = 1 << 30
"""How many bytes all snapshots may take on the disk."""
_MOST_BETWEEN_STAGES = 3
"""How many snapshots are kept of stops that are not stages."""
_LONGEST_WAY = 5.0
"""Seconds after which the way from a snapshot to this moment is given up."""
_INTERRUPTS_ON = 1 << 9
_NO_WAY, _TO_A_STAGE = "can't go back", "press F8 to go back to a stage"
_NEXT_RUN = "restart pvhdbg with --snapshots on"


class Snapshot(NamedTuple):
    """A snapshot of the machine. `capture` is what was captured there, at `stage` or, if it is None, between stages.

    `serial` is the length of the guest's serial output, in bytes.
    """

    tag: str
    stage: str | None
    capture: Capture
    journey: SavedJourney
    serial: int


class RewindableDebuggee(Debuggee):
    """A Debuggee that takes snapshots of its machine, and goes back to them."""

    machine: OwnMachine

    def _begin(self) -> None:
        self.times_back = 0
        self._snapshots: list[Snapshot] = []
        self._outdated: list[str] = []
        self._count = 0
        self._refusal: str | None = None
        self._here: Position | None = None
        super()._begin()

    def _way_back(self) -> Callable[[str | None], str]:
        return lambda stage: self.back(stage).remark

    def position(self, halt: Halt | None = None) -> Position:
        self._here = super().position(halt)
        return self._here

    def keep_snapshot(self) -> None:
        """Take a snapshot of this stop, unless there is one. If QEMU refuses, take none from now on, and remember why.

        Call this while the user does not wait for the machine.
        """
        here = self._here
        if here is None or self._why_not() or not self._is_at(here):
            return
        if here.stage is None and _has_interrupts(here.capture):  # no step back is possible there
            return
        self._delete_outdated()
        if any(_is_same(snapshot.capture, here.capture) for snapshot in self._snapshots[-1:]):
            return
        try:
            self._save(here)
        except OSError as error:
            self._refusal = printable(str(error))

    def back(self, stage: str | None) -> Position:
        """Go back to the last captured stage before here, or to `stage`, and stop there. A dead guest is alive again.

        :raise UserError: if there are no snapshots, or the stage was not captured before here.
        :raise GuestError: if the machine took another way to the stage than before. It is then where it was.
        """
        here = self.position()
        if reason := self._why_not():
            raise UserError(f"can't go back: {reason}", _NEXT_RUN)
        wanted = self._captured_before(here, stage)
        captured = [capture.stage for capture in self.journey.history if capture.stage != stages.DIED]
        undone = [*captured, *self.session.undone]
        self._go_to(here, wanted)
        self.session.went_back(None, undone)
        return self.position()._replace(remark=f"back at stage {wanted.stage}: what changed since then is undone")

    def step_back(self) -> Position:
        """Go back by one instruction. The way there is the same as before, or the machine stays where it is.

        :raise UserError: if there are no snapshots, or none of a moment before this one.
        :raise GuestError: if the guest does not take the same way again.
        """
        here = self.position()
        start = self._starts_of_way(here)[-1]
        moment = saved_journey.save(self.journey)
        undone = [*self.session.undone, *([here.stage] if here.stage else [])]
        return_to = self._kept_here(here)
        way = Way(self.machine, here.capture, self.name_of, _LONGEST_WAY)
        with breakpoints.disabled(self.machine.gdb):
            self._load(start, keep=return_to)
            moves = way.find()
            if moves is not None:
                self._load(start)
            if moves is None or not way.go(moves):
                self._return_to(return_to)
                raise GuestError(f"{_NO_WAY}: pvhdbg found no way that leads exactly here", _TO_A_STAGE)
        self.session.went_back(moment, undone)
        if here.stage is not None:
            self.journey.history.pop()
        return self.position()._replace(remark="back by one instruction")

    def continue_back(self) -> Position:
        """Go back to the last hit of a breakpoint or watchpoint or, without one, to the first snapshot.

        :raise UserError: if there are no snapshots, or none of a moment before this one.
        :raise GuestError: if the guest does not take the same way again.
        """
        here = self.position()
        starts, place = self._starts_of_way(here), here.capture
        undone = [*self.session.undone, *(capture.stage for capture in self.journey.history)]
        return_to = self._kept_here(here)
        hits: int | None = 0
        for start in reversed(starts):
            self._load(start, keep=return_to)
            hits = last_hit.count_hits(self.machine, place, _LONGEST_WAY)
            if hits != 0:
                break
            place = start.capture
        if hits is not None:
            self._load(start)
        if hits is None or not last_hit.run_hits(self.machine, hits, _LONGEST_WAY):
            self._return_to(return_to)
            raise GuestError(f"{_NO_WAY}: the hits on the way here can't be counted exactly", _TO_A_STAGE)
        self.session.went_back(None, undone)
        return self.position()._replace(remark="back at the last hit" if hits else "no hit: back at the first snapshot")

    def _starts_of_way(self, here: Position) -> Sequence[Snapshot]:
        """Return the snapshots before this moment, oldest first.

        :raise UserError: if there is none, or the guest's way from there can't be repeated.
        """
        reason = self._why_not()
        if here.halt.kind == DIED:
            reason = "the guest is dead: press F8 to go back to a stage"
        elif self._qemu.options.accel == "kvm":
            reason = "under KVM, the guest does not take exactly the same way again"
        elif _has_interrupts(here.capture):
            reason = "interrupts are on, so the guest does not take exactly the same way again"
        if reason:
            raise UserError(f"{_NO_WAY}: {reason}")
        earlier = [snapshot for snapshot in self._snapshots if not _is_same(snapshot.capture, here.capture)]
        if not earlier:
            raise UserError(f"{_NO_WAY}: there is no snapshot of an earlier moment", _TO_A_STAGE)
        return earlier

    def _kept_here(self, here: Position) -> Snapshot:
        """Return a snapshot of this moment: the last one, if it is of this moment, otherwise a new one.

        :raise UserError: if QEMU refuses.
        """
        last = self._snapshots[-1]
        kept = last if _is_same(last.capture, here.capture) else self._snapshot_of(here)
        assert kept is not None  # noqa: S101  the guest is alive
        return kept

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
            raise UserError(f"can't go back: {what} captured before here", "see `stages` for what was captured")
        return found[-1]

    def _go_to(self, here: Position, wanted: Capture) -> None:
        """Load the snapshot of a stage. Without one, load an earlier one or restart the guest, and run to the stage."""
        direct = [snapshot for snapshot in self._snapshots if snapshot.stage == wanted.stage]
        if direct:
            self._load(direct[-1])
            return
        earlier = [snapshot for snapshot in self._snapshots if _is_before(snapshot, wanted.stage)]
        return_to = self._snapshot_of(here) if earlier else None
        if earlier:
            self._load(earlier[-1], keep=return_to)
        else:
            self.restart()
        with breakpoints.disabled(self.machine.gdb):
            arrived = self.to_stage(wanted.stage)
        if arrived.stage == wanted.stage and _is_same(arrived.capture, wanted):
            return
        if return_to is not None:
            self._return_to(return_to)
        elsewhere = "" if return_to is not None else ", and this is another boot"
        raise GuestError(f"can't go back: on the way to stage {wanted.stage}, the guest did not do the same{elsewhere}")

    def _snapshot_of(self, here: Position) -> Snapshot | None:
        """Return a snapshot of the machine as it is now, to return to it. None if the guest is dead.

        :raise UserError: if QEMU refuses.
        """
        if here.halt.kind == DIED:
            return None
        try:
            return self._save(here)
        except OSError as error:
            self._refusal = printable(str(error))
            raise UserError(f"can't go back: {self._refusal}", _NEXT_RUN) from error

    def _why_not(self) -> str | None:
        """Return why there is no way back; None if there are snapshots."""
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

    def _save(self, here: Position) -> Snapshot:
        """Take a snapshot.

        :raise OSError: if QEMU is gone or refuses, for example because the disk is full.
        """
        if reason := why_no_room(self.machine.folder):
            raise OSError(reason)
        self._count += 1
        position = len(self._qemu.serial.complete()) + self._qemu.serial.dropped
        snapshot = Snapshot(f"s{self._count}", here.stage, here.capture, saved_journey.save(self.journey), position)
        size = self._qemu.snapshots.save(snapshot.tag)
        self._snapshots.append(snapshot)
        self._drop_old(size)
        return snapshot

    def _drop_old(self, size: int) -> None:
        """Drop old snapshots: between stages, only the last few are kept; of stages, as many as the budget allows."""
        between = [snapshot for snapshot in self._snapshots if snapshot.stage is None]
        drop = between[:-_MOST_BETWEEN_STAGES]
        if size > DISK_BUDGET:
            drop += self._snapshots[1:2]
        self._outdated += [snapshot.tag for snapshot in drop]
        self._snapshots = [snapshot for snapshot in self._snapshots if snapshot not in drop]

    def _load(self, snapshot: Snapshot, keep: Snapshot | None = None) -> None:
        """Restore the machine, and all that pvhdbg knew then. Later snapshots are dropped, except `keep`.

        :raise GuestError: if QEMU can't restore the machine.
        """
        qemu, is_dead = self._qemu, self.machine.runner.death() is not None
        qemu.serial.complete()
        try:
            if is_dead:
                qemu.snapshots.reset()
            qemu.snapshots.load(snapshot.tag)
        except OSError as error:
            raise GuestError(f"can't go back: {printable(str(error))}", "press F4 to restart the guest") from error
        self.machine.revive()
        self.machine.runner.forget_death()
        self.session.went_back(snapshot.journey, ())
        qemu.serial.cut(snapshot.serial)
        self._forget_after(snapshot, keep)
        self.times_back += 1

    def _return_to(self, snapshot: Snapshot) -> None:
        """Go to where the machine was before it went back, and keep the snapshot of that moment."""
        self._load(snapshot)
        self._outdated.remove(snapshot.tag)
        self._snapshots.append(snapshot)

    def _forget_after(self, snapshot: Snapshot, keep: Snapshot | None) -> None:
        last = self._snapshots.index(snapshot) if snapshot in self._snapshots else len(self._snapshots) - 1
        self._outdated += [later.tag for later in self._snapshots[last + 1 :] if later is not keep]
        del self._snapshots[last + 1 :]
        if keep is not None and keep.tag not in self._outdated:
            self._outdated.append(keep.tag)  # until the machine returns to it

    def _delete_outdated(self) -> None:
        with suppress(OSError):  # the next snapshot fails, too
            while self._outdated:
                self._qemu.snapshots.delete(self._outdated.pop())


def _is_same(one: Capture, other: Capture) -> bool:
    """Return whether the registers and the boot data of two captures are the same."""
    return (one.registers, one.memory) == (other.registers, other.memory)


def _has_interrupts(capture: Capture) -> bool:
    return bool((capture.registers.get("eflags") or 0) & _INTERRUPTS_ON)


def _is_before(snapshot: Snapshot, stage: str) -> bool:
    """Return whether the guest had not reached the stage yet."""
    reached = [capture.stage for capture in snapshot.journey.history]
    return bool(reached) and stages.is_before(reached[-1], stage)
