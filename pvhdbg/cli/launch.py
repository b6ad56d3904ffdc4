"""From a user's options to a machine at its reset vector."""

from __future__ import annotations

import os
from contextlib import contextmanager
from pathlib import Path
from stat import S_ISREG
from typing import TYPE_CHECKING

from pvhdbg.boot.stop.protocols import AS_IS
from pvhdbg.errors import MachineError, UserError
from pvhdbg.live.debuggee.own_machine import OwnMachine
from pvhdbg.live.gdb.process import GdbOptions
from pvhdbg.live.system.signals import as_exits

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Iterator

    from pvhdbg.boot.lab.rewrite import Change
    from pvhdbg.boot.stop.kernel_probe import WithStrings
    from pvhdbg.image.load import Kernel
    from pvhdbg.image.preflight import Preflight
    from pvhdbg.live.debuggee.debuggee import Debuggee
    from pvhdbg.live.qemu.options import QemuOptions


def _import_rules() -> None:
    from pvhdbg.checks.run import rules

    rules()


@contextmanager
def launched(options: argparse.Namespace, meanwhile: Callable[[], object] = _import_rules) -> Iterator[Debuggee]:
    """Start what the options ask for, and end it when the context ends.

    gdb takes longest to start, so it goes first: the kernel is read meanwhile. `meanwhile` is called when both gdb and
    QEMU are on their way.

    :raise PvhdbgError: for a kernel that is none or can't boot by PVH, and for a machine that can't start.
    """
    mi_log = None if options.mi_log is None else str(options.mi_log)
    changes = _changes(options)
    with as_exits(), OwnMachine(GdbOptions(options.gdb or "gdb", options.gdbinit, mi_log)) as session:
        kernel, remarks = _kernel(options, session.folder)
        from pvhdbg.boot.stop.kernel_probe import WithStrings

        qemu = _qemu_options(options, kernel)
        symbols = WithStrings(kernel.symbols, kernel.facts)
        session.boot(qemu, symbols)
        meanwhile()
        # Only now: what it imports is not needed before gdb and QEMU are on their way.
        from pvhdbg.live.debuggee.debuggee import Debuggee

        symbols.look_up()
        qemu, tried = _wait_ready(session, qemu, symbols)
        yield Debuggee(session, kernel, qemu, options.timeout, (*remarks, *tried), changes)


def _wait_ready(session: OwnMachine, qemu: QemuOptions, symbols: WithStrings) -> tuple[QemuOptions, tuple[str, ...]]:
    """Wait for the machine; what it was started with in the end, and what to say about that.

    A KVM that lacks IA32_ARCH_CAPABILITIES aborts QEMU for `-cpu host`, and does as well without it.
    """
    try:
        session.wait_ready()
    except MachineError as error:
        if qemu.cpu is not None or "kvm_buf_set_msrs" not in str(error):
            raise
    else:
        return qemu, ()
    plainer = qemu._replace(cpu="host,-arch-capabilities")
    session.boot(plainer, symbols)
    session.wait_ready()
    return plainer, (f"pvhdbg: note: this KVM refuses -cpu host; it was given {plainer.cpu}",)


def _changes(options: argparse.Namespace) -> list[Change]:
    """What to rewrite at the entry stop: the protocol first, then each --set in order."""
    if not options.set and options.protocol == AS_IS:
        return []
    from pvhdbg.boot.lab.assignment import parse_setting

    return [options.protocol, *(parse_setting(each) for each in options.set)]


def _kernel(options: argparse.Namespace, folder: Path) -> tuple[Kernel, tuple[str, ...]]:
    """The kernel, and what there is to say about it before it starts.

    :raise GuestError: if QEMU would refuse it and nobody said --force.
    """
    from pvhdbg.image.load import open_kernel

    path = options.kernel
    if path is None:
        from pvhdbg import guest

        path = guest.ELF
    kernel = open_kernel(str(path), folder, None if options.symbols is None else str(options.symbols))
    found = _preflight(options, kernel)
    said = [] if kernel.note is None else [kernel.note]
    remarks = tuple(f"pvhdbg: note: {each}" for each in (*said, *(verdict.message for verdict in found.verdicts)))
    return kernel._replace(facts=found.told(kernel.facts)), remarks


def _preflight(options: argparse.Namespace, kernel: Kernel) -> Preflight:
    from pvhdbg.boot.record.document import ram_size
    from pvhdbg.errors import GuestError
    from pvhdbg.image.preflight import Machine, preflight_file
    from pvhdbg.live.qemu.firmware import microvm_firmware

    firmware = microvm_firmware(options.qemu_args)
    machine = Machine(options.machine, os.fsencode(options.append), ram_size(options.memory), firmware)
    found = preflight_file(kernel.facts, machine, kernel.symbols)
    if found.fatal and not options.force:
        first = found.fatal[0]
        raise GuestError(f"{kernel.facts.path}: {first.message}", f"{first.hint}; --force starts it all the same")
    return found


def _qemu_options(options: argparse.Namespace, kernel: Kernel) -> QemuOptions:
    from pvhdbg.live.qemu.options import QemuOptions, qemu_binary

    if options.initrd is not None:
        _check_initrd(options.initrd)
    linux = "xen_prepare_pvh" in kernel.symbols
    return QemuOptions(
        kernel=kernel.facts.elf,
        initrd=None if options.initrd is None else str(options.initrd),
        append=options.append,
        memory=options.memory,
        machine=options.machine,
        accel=options.accel,
        cpu=options.cpu,
        binary=options.qemu or qemu_binary(kernel.facts, linux=linux),
        args=tuple(options.qemu_args),
    )


def _check_initrd(path: Path) -> None:
    """:raise UserError: if it is no file: QEMU says less of it, and a device may have no end."""
    try:
        is_file = S_ISREG(path.stat().st_mode)
    except OSError as error:
        raise UserError(f"{path}: {error.strerror}", "-i wants an initrd") from error
    if not is_file:
        raise UserError(f"{path}: is no regular file", "-i wants an initrd")
