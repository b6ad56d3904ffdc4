"""What pvhdbg changes at the entry: first the handover (`--vmm`), then the boot data (`--protocol` and `--set`)."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pvhdbg.boot.handover.handover import HandoverSource
    from pvhdbg.boot.lab.rewrite import EntryChange


class EntryChanges(NamedTuple):
    """The changes. `handover` is None if the guest gets what QEMU hands over."""

    handover: HandoverSource | None = None
    rewrites: Sequence[EntryChange] = ()


NO_CHANGES = EntryChanges()
