"""Rewrite the boot data that the VMM passed, at the entry stop: in another form, or with one field or string changed.

Only `apply_changes` accesses the machine. `patches` is pure: it computes the bytes to write from a Capture and a
change.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from pvhdbg.boot.lab.allocator import Allocator, allocator_at
from pvhdbg.boot.lab.assign import assign, corrected
from pvhdbg.boot.lab.assignment import Assignment
from pvhdbg.boot.lab.to_protocol import TO_PROTOCOL
from pvhdbg.boot.record.document import Rewrite
from pvhdbg.boot.stop.read import read_capture

if TYPE_CHECKING:
    from pvhdbg.boot.lab.patches import Patch
    from pvhdbg.boot.stop.capture import Capture
    from pvhdbg.image.facts import ImageFacts
    from pvhdbg.target.base import WritableTarget

EntryChange = str | Assignment
"""One of PROTOCOLS (for `--protocol`), or an Assignment (for `--set`)."""


def apply_changes(
    target: WritableTarget, image: ImageFacts | None, entry: Capture, changes: Sequence[EntryChange]
) -> tuple[tuple[Rewrite, ...], Capture]:
    """Make the changes in order, on a machine that is at its entry. Return what was written, and a new capture.

    `entry` is the capture of the entry stop before any change.

    :raise UserError: if a change cannot be made. The changes before it are not undone.
    """
    allocator, current = allocator_at(entry, image), entry
    rewrites: list[Rewrite] = []
    for change in changes:
        for patch in patches(current, change, allocator):
            before = target.read_phys(patch.paddr, len(patch.data))
            target.write_phys(patch.paddr, patch.data)
            rewrites.append(Rewrite(patch.path, patch.paddr, before, patch.data))
        current = read_capture(target, "entry", image, None)
    return tuple(rewrites), current


def check(entry: Capture, image: ImageFacts | None, change: EntryChange) -> None:
    """Check that a change can be made at the entry.

    :raise UserError: if it cannot.
    """
    patches(entry, change, allocator_at(entry, image))


def option_for(change: EntryChange) -> str:
    """Return the command-line option that makes a change at the entry."""
    if not isinstance(change, Assignment):
        return f"--protocol {change}"
    path = corrected(change.path)
    return f"--set '{path}=\"TEXT\"'" if isinstance(change.value, bytes) else f"--set {path}={change.value:#x}"


def patches(current: Capture, change: EntryChange, allocator: Allocator) -> list[Patch]:
    """Return the patches for one change.

    :raise UserError: if the change cannot be made.
    """
    if isinstance(change, Assignment):
        return assign(current, change, allocator)
    return TO_PROTOCOL[change](current, allocator)
