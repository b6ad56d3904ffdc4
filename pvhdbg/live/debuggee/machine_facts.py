"""The machine as a recording describes it: QEMU's version and options."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pvhdbg.boot.record.document import MachineFacts
from pvhdbg.errors import TargetError
from pvhdbg.target import monitor

if TYPE_CHECKING:
    from pvhdbg.live.debuggee.machine import Machine
    from pvhdbg.live.qemu.options import QemuOptions


def from_options(options: QemuOptions | None, machine: Machine) -> MachineFacts:
    """Return what QEMU was started with; empty for a machine that pvhdbg did not start (`options` is None)."""
    if options is None:
        return MachineFacts()
    return MachineFacts(
        machine=options.machine,
        accel=options.accel,
        cpu=options.effective_cpu,
        memory=options.memory,
        append=options.append,
        initrd=options.initrd,
        argv=tuple(machine.qemu.argv) if machine.qemu else (),
    )


def read(options: QemuOptions | None, machine: Machine) -> MachineFacts:
    """Return the options, and QEMU's version as its monitor reports it. The version is None without a monitor."""
    try:
        version = monitor.parse_version(machine.target.monitor("info version"))
    except TargetError:
        version = None
    return from_options(options, machine)._replace(qemu=version)
