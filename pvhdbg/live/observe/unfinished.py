"""The boot data of a guest that died while it was observed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pvhdbg.boot.run.run_to_stage import death_outcome
from pvhdbg.boot.stop.address import location_suffix
from pvhdbg.boot.stop.read import read_capture
from pvhdbg.boot.stop.stages import BOOT_DATA, DIED, NAMES, START_INFO, stage

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pvhdbg.boot.run.journey import Journey
    from pvhdbg.boot.stop.capture import Capture
    from pvhdbg.target.base import Halt


def captures(journey: Journey, last: str) -> Sequence[Capture]:
    """Return captures that have all boot data which the guest had, or would have had at stage `last`.

    What the kernel fills in is captured as the death left it; the boot data from the VMM as it was at the stages.
    """
    reached = journey.history[-1]
    ahead = NAMES[NAMES.index(reached.stage) + 1 : NAMES.index(last) + 1]
    keys = {key for name in ahead for key in stage(name, journey.image).valid} - {START_INFO, *BOOT_DATA}
    start = reached.start_info.at if reached.start_info else 0
    dead = read_capture(journey.target, reached.stage, journey.image, start or 0, keys)
    built = dead._replace(stage=DIED, start_info=None, cmdline=None, modules=None, memory_map=None)
    return *journey.history, built


def describe(journey: Journey, death: Halt, name_of: Callable[[int], str | None]) -> str:
    """Return how the guest died and after which stage, as one line that is safe to print."""
    died = death_outcome(journey, death, name_of).died
    how = died.describe(location_suffix(died.rip, died.symbol)) if died else ""
    return f"{how}, after stage {journey.reached}"
