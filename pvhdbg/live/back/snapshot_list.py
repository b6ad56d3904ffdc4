"""The snapshots of one machine: the last few, and those of stages, within a limit on the disk space."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pvhdbg.abi.text import printable
from pvhdbg.boot.run import saved_journey
from pvhdbg.boot.stop import stages
from pvhdbg.errors import GuestError
from pvhdbg.live.qemu.process import why_no_room
from pvhdbg.named_tuple import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from pvhdbg.boot.run.journey import Journey
    from pvhdbg.boot.run.saved_journey import SavedJourney
    from pvhdbg.boot.stop.capture import Capture
    from pvhdbg.live.qemu.process import Qemu

DISK_BUDGET = 1 << 30
"""How many bytes all snapshots may take on the disk."""
_MOST_BETWEEN_STAGES = 3
"""How many snapshots are kept of stops that are not stages."""


class Snapshot(NamedTuple):
    """A snapshot of the machine. `capture` is what was captured there, at `stage` or, if it is None, between stages.

    `serial` is the length of the guest's serial output, in bytes.
    """

    tag: str
    stage: str | None
    capture: Capture
    journey: SavedJourney
    serial: int


class SnapshotList:
    """The snapshots of one QEMU, oldest first. `folder` holds their file. `loads` counts the calls of `load`."""

    def __init__(self, qemu: Qemu, folder: Path) -> None:
        self.loads = 0
        self._qemu = qemu
        self._folder = folder
        self._kept: list[Snapshot] = []
        self._outdated: list[str] = []
        self._count = 0

    @property
    def kept(self) -> Sequence[Snapshot]:
        return self._kept

    def of_stage(self, stage: str) -> Snapshot | None:
        """Return the last snapshot at a stage."""
        return next((snapshot for snapshot in reversed(self._kept) if snapshot.stage == stage), None)

    def before_stage(self, stage: str) -> Snapshot | None:
        """Return the last snapshot that was taken before the guest reached a stage."""
        return next((snapshot for snapshot in reversed(self._kept) if _is_before(snapshot, stage)), None)

    def last_at(self, capture: Capture) -> Snapshot | None:
        """Return the last snapshot if it was taken where a capture was."""
        return next((snapshot for snapshot in self._kept[-1:] if is_same(snapshot.capture, capture)), None)

    def save(self, stage: str | None, capture: Capture, journey: Journey) -> Snapshot:
        """Take a snapshot. `capture` is what was captured here, at `stage` or, if it is None, between stages.

        :raise OSError: if QEMU is gone or refuses, for example because the disk is full.
        """
        if reason := why_no_room(self._folder):
            raise OSError(reason)
        self._count += 1
        position = len(self._qemu.serial.complete()) + self._qemu.serial.dropped
        snapshot = Snapshot(f"s{self._count}", stage, capture, saved_journey.save(journey), position)
        outdated, self._outdated = self._outdated, []
        size = self._qemu.snapshots.save(snapshot.tag, outdated)
        self._kept.append(snapshot)
        self._drop_old(size)
        return snapshot

    def load(self, snapshot: Snapshot, keep: Snapshot | None = None, *, is_dead: bool = False) -> None:
        """Restore the machine. Drop later snapshots, except `keep`. `is_dead` is whether the guest is dead now.

        :raise GuestError: if QEMU can't restore the machine.
        """
        self._qemu.serial.complete()
        try:
            if is_dead:
                self._qemu.snapshots.reset()
            self._qemu.snapshots.load(snapshot.tag)
        except OSError as error:
            raise GuestError(f"can't go back: {printable(str(error))}", "press F4 to restart the guest") from error
        self._qemu.serial.cut(snapshot.serial)
        self.loads += 1
        if snapshot not in self._kept:  # the snapshot that an earlier load kept
            self._outdated.remove(snapshot.tag)
            self._kept.append(snapshot)
        self._forget_after(snapshot, keep)

    def _forget_after(self, snapshot: Snapshot, keep: Snapshot | None) -> None:
        last = self._kept.index(snapshot)
        self._outdated += [later.tag for later in self._kept[last + 1 :] if later is not keep]
        del self._kept[last + 1 :]
        if keep is not None and keep is not snapshot and keep.tag not in self._outdated:
            self._outdated.append(keep.tag)  # until the machine returns to it

    def _drop_old(self, size: int) -> None:
        """Drop old snapshots: between stages, only the last few are kept; of stages, as many as the budget allows."""
        between = [snapshot for snapshot in self._kept if snapshot.stage is None]
        drop = between[:-_MOST_BETWEEN_STAGES]
        if size > DISK_BUDGET:
            drop += self._kept[1:2]
        self._outdated += [snapshot.tag for snapshot in drop]
        self._kept = [snapshot for snapshot in self._kept if snapshot not in drop]


def is_same(one: Capture, other: Capture) -> bool:
    """Return whether the registers and the boot data of two captures are the same."""
    return (one.registers, one.memory) == (other.registers, other.memory)


def _is_before(snapshot: Snapshot, stage: str) -> bool:
    """Return whether the guest had not reached the stage yet."""
    reached = [capture.stage for capture in snapshot.journey.history]
    return bool(reached) and stages.is_before(reached[-1], stage)
