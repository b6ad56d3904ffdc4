"""The machine as a recording describes it: QEMU's version and options."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from pvhdbg.boot.record.document import MachineFacts, XenFacts
from pvhdbg.errors import TargetError
from pvhdbg.target import monitor

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pvhdbg.live.debuggee.machine import Machine
    from pvhdbg.live.qemu.options import QemuOptions


def from_options(options: QemuOptions | None, machine: Machine) -> MachineFacts:
    """Return what QEMU was started with.

    For a machine that pvhdbg did not start (`options` is None), only the accelerator is known, if it is TCG.
    """
    if options is None:
        return MachineFacts(accel=_ask(machine, "info kvm", monitor.parse_accelerator))
    facts = of_options(options, machine.qemu.argv if machine.qemu else ())
    if options.xen is None:
        return facts
    from pvhdbg.live.qemu import xen

    console = machine.qemu.serial.text() if machine.qemu else b""
    return facts._replace(xen=XenFacts(options.xen.path, xen.version(console)))


def of_options(options: QemuOptions, argv: Sequence[str] = ()) -> MachineFacts:
    """Return what QEMU would be started with. `argv` is its command line; it is empty if QEMU was not started."""
    return MachineFacts(
        machine=options.machine,
        accel=options.accel,
        cpu=options.effective_cpu,
        memory=options.memory,
        append=options.append,
        initrd=options.initrd,
        initrd_size=_size(options.initrd),
        argv=tuple(argv),
    )


def _size(path: str | None) -> int | None:
    with suppress(OSError):
        return None if path is None else Path(path).stat().st_size
    return None


def read(options: QemuOptions | None, machine: Machine) -> MachineFacts:
    """Return the options, and QEMU's version as its monitor reports it. The version is None without a monitor."""
    return from_options(options, machine)._replace(qemu=_ask(machine, "info version", monitor.parse_version))


def _ask(machine: Machine, command: str, parse: Callable[[str], str | None]) -> str | None:
    with suppress(TargetError):
        return parse(machine.target.monitor(command))
    return None
