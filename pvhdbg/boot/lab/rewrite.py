"""The laboratory at the entry stop: what a VMM handed over is turned into another form, or changed in one place.

Pure but for `apply`: a Capture and a change give the bytes to be written, in order.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from pvhdbg.boot.lab.allocator import Room, room
from pvhdbg.boot.lab.assign import set_item
from pvhdbg.boot.lab.assignment import Assignment
from pvhdbg.boot.lab.to_protocol import TO_PROTOCOL
from pvhdbg.boot.record.document import Rewrite
from pvhdbg.boot.stop.read import capture

if TYPE_CHECKING:
    from pvhdbg.boot.lab.patches import Write
    from pvhdbg.boot.stop.capture import Capture
    from pvhdbg.image.facts import ImageFacts
    from pvhdbg.target.base import WritableTarget

Change = str | Assignment
"""One of PROTOCOLS, or one thing to be set."""


def apply(
    target: WritableTarget, image: ImageFacts | None, entry: Capture, changes: Sequence[Change]
) -> tuple[tuple[Rewrite, ...], Capture]:
    """Make each change in turn, on a machine that stands at its entry; what was written, and the entry as it is then.

    `entry` is the capture of that stop before any change.

    :raise UserError: if a change can't be made; those before it have been.
    """
    free, seen = room(entry, image), entry
    done: list[Rewrite] = []
    for change in changes:
        for write in writes(seen, change, free):
            before = target.read_phys(write.paddr, len(write.data))
            target.write_phys(write.paddr, write.data)
            done.append(Rewrite(write.path, write.paddr, before, write.data))
        seen = capture(target, "entry", image, None)
    return tuple(done), seen


def writes(seen: Capture, change: Change, free: Room) -> list[Write]:
    """What to write for one change. Places that it needs are taken from `free`.

    :raise UserError: if there is no such item, or the value is not one for it.
    """
    if isinstance(change, Assignment):
        return set_item(seen, change, free)
    return TO_PROTOCOL[change](seen, free)
