"""What pvhdbg changes at the entry: first the handover (`--vmm`), then the boot data (`--protocol` and `--set`)."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from pvhdbg.errors import UserError
from pvhdbg.named_tuple import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pvhdbg.boot.handover.handover import HandoverSource
    from pvhdbg.boot.lab.rewrite import EntryChange
    from pvhdbg.boot.record.document import Rewrite
    from pvhdbg.boot.stop.capture import Capture
    from pvhdbg.image.facts import ImageFacts
    from pvhdbg.target.base import Target, WritableTarget


class EntryChanges(NamedTuple):
    """The changes. `handover` is None if the guest gets what QEMU hands over."""

    handover: HandoverSource | None = None
    rewrites: Sequence[EntryChange] = ()


NO_CHANGES = EntryChanges()


def write(
    target: Target,
    image: ImageFacts | None,
    entry: Capture | None,
    changes: Sequence[EntryChange],
    history: Sequence[Capture] = (),
) -> tuple[Rewrite, ...]:
    """Change the boot data in memory. Return what was written. `entry` is the capture at the entry.

    If the machine has left its entry, a path or a value is refused as there if `history` has a capture of the entry.

    :raise UserError: if the machine is not at its entry (`entry` is None), or a change cannot be made.
    """
    from pvhdbg.boot.lab.rewrite import apply_changes, check, option_for

    if entry is None:
        if history and history[0].stage == "entry":
            check(history[0], image, changes[0])
        raise UserError(
            "boot data can only be changed at the entry",
            f"use {option_for(changes[0])}, or restart and stop at the entry (`starti` in the TUI)",
        )
    if not hasattr(target, "write_phys"):
        raise UserError("this machine's memory is read-only")
    return apply_changes(cast("WritableTarget", target), image, entry, changes)[0]
