"""From a user's options to a machine at its reset vector."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

from pvhdbg.live.gdb_process import GdbOptions
from pvhdbg.live.session import Session
from pvhdbg.live.signals import as_exits

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator
    from pathlib import Path

    from pvhdbg.boot.document import MachineFacts
    from pvhdbg.boot.journey import Journey
    from pvhdbg.image.load import Kernel
    from pvhdbg.live.qemu_options import QemuOptions


class Launched(NamedTuple):
    """A machine of ours that stands before its first instruction, and what to say about its start."""

    session: Session
    journey: Journey
    kernel: Kernel
    options: QemuOptions
    remarks: tuple[str, ...]


@contextmanager
def launched(options: argparse.Namespace) -> Iterator[Launched]:
    """Start what the options ask for, and end it when the context ends.

    gdb takes longest to start, so it goes first: the kernel is read meanwhile.

    :raise PvhdbgError: for a kernel that is none or can't boot by PVH, and for a machine that can't start.
    """
    mi_log = None if options.mi_log is None else str(options.mi_log)
    with as_exits(), Session(GdbOptions(options.gdb or "gdb", options.gdbinit, mi_log)) as session:
        from pvhdbg.boot.journey import Journey

        kernel, remarks = _kernel(options, session.folder)
        qemu = _qemu_options(options, kernel)
        session.boot(qemu, kernel.symbols)
        session.wait_ready()
        journey = Journey(session.target, session.runner, kernel.facts, reading=session.target.physical)
        yield Launched(session, journey, kernel, qemu, remarks)


def machine_facts(launch: Launched) -> MachineFacts:
    from pvhdbg.boot.document import MachineFacts
    from pvhdbg.errors import TargetError

    try:
        version = launch.session.target.monitor("info version").strip()
    except TargetError:
        version = None
    options = launch.options
    return MachineFacts(
        qemu=version,
        machine=options.machine,
        accel=options.accel,
        cpu=options.effective_cpu,
        memory=options.memory,
        append=options.append,
        initrd=options.initrd,
        argv=tuple(launch.session.qemu.argv),
    )


def _kernel(options: argparse.Namespace, folder: Path) -> tuple[Kernel, tuple[str, ...]]:
    """The kernel, and what preflight has to say about it.

    :raise GuestError: if QEMU would refuse it and nobody said --force.
    """
    from pvhdbg.image.load import open_kernel
    from pvhdbg.image.preflight import preflight

    path = options.kernel
    if path is None:
        from pvhdbg import guest

        path = guest.ELF
    kernel = open_kernel(path, folder, options.symbols)
    verdicts = preflight(kernel.facts.elf, options.machine, options.append)
    return kernel, ()
