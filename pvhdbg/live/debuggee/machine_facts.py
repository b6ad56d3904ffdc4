"""What a machine of ours is, for the record."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pvhdbg.boot.record.document import MachineFacts
from pvhdbg.errors import TargetError
from pvhdbg.target import monitor

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pvhdbg.live.debuggee.debuggee import Debuggee
    from pvhdbg.live.qemu.options import QemuOptions


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


def of(debuggee: Debuggee) -> MachineFacts:
    """That, and what it says of itself and what we have rewritten in it."""
    try:
        version = monitor.parse_version(debuggee.machine.target.monitor("info version"))
    except TargetError:
        version = None
    argv = debuggee.machine.qemu.argv if debuggee.machine.qemu else ()
    return facts(debuggee.options, argv)._replace(qemu=version, rewrites=debuggee.journey.rewrites)
