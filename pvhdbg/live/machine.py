"""What a machine of ours is, for the record."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pvhdbg.boot.document import MachineFacts

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pvhdbg.live.qemu_options import QemuOptions


def facts(options: QemuOptions | None, argv: Sequence[str]) -> MachineFacts:
    """By what it was started with; of a machine that is not ours nothing is known."""
    if options is None:
        return MachineFacts()
    return MachineFacts(
        machine=options.machine,
        accel=options.accel,
        cpu=options.effective_cpu,
        memory=options.memory,
        append=options.append,
        initrd=options.initrd,
        argv=tuple(argv),
    )
