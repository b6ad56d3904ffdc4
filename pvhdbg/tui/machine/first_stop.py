"""The run to the first stop. It fails if pvhdbg can't change the boot data as the user asks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pvhdbg.errors import PvhdbgError

if TYPE_CHECKING:
    from collections.abc import Callable

    from pvhdbg.live.debuggee.debuggee import Debuggee, Position


def reach(debuggee: Debuggee) -> Callable[[], Position]:
    """Run to the first stop. Return a function that returns its position, or raises why it was not reached.

    :raise PvhdbgError: if a change of the boot data (`--set`, `--protocol`, `--vmm`) was refused: without it, the boot
        is not the one that the user wants to see.
    """
    try:
        position = debuggee.to_first_stop()
    except PvhdbgError as error:
        if _was_refused(debuggee):
            raise
        return _failing(error)
    return lambda: position


def _was_refused(debuggee: Debuggee) -> bool:
    changes, journey = debuggee.changes, debuggee.journey
    lacks_handover = changes.handover is not None and journey.handed_over is None
    return journey.reached == "entry" and (lacks_handover or (bool(changes.rewrites) and not journey.rewrites))


def _failing(error: PvhdbgError) -> Callable[[], Position]:
    def fail() -> Position:
        raise error

    return fail
