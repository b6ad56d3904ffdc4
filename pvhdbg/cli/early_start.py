"""Start QEMU before anything else is imported or read: loading a kernel takes longer than examining it."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from stat import S_ISREG
from typing import TYPE_CHECKING

from pvhdbg import guest
from pvhdbg.errors import PvhdbgError

if TYPE_CHECKING:
    import argparse

    from pvhdbg.live.debuggee.screen_machine import ScreenMachine
    from pvhdbg.live.debuggee.stub_machine import StubMachine
    from pvhdbg.live.qemu.options import QemuOptions

_ELF_64 = b"\x7fELF\x02\x01"
_X86_64_AT, _X86_64 = 18, b"\x3e\0"
_QEMU = "qemu-system-x86_64"


def start(
    options: argparse.Namespace, machine: ScreenMachine | StubMachine, no_snapshots: str | None
) -> QemuOptions | None:
    """Start QEMU if its options can be known without examining the kernel file: for a 64-bit ELF file.

    `no_snapshots` is why QEMU takes no snapshots; None if it does. Return QEMU's options; None if QEMU was not started.
    Report no errors: the real start does, and those of the kernel file come first.
    """
    kernel = guest.ELF if options.kernel is None else options.kernel
    initrd = options.initrd
    if options.load:
        return None
    with suppress(OSError, PvhdbgError):
        if not options.xen and _is_plain(kernel) and (initrd is None or S_ISREG(initrd.stat().st_mode)):
            qemu = qemu_options(options, str(kernel), _QEMU)._replace(no_snapshots=no_snapshots)
            machine.boot(qemu)
            return qemu
    return None


def qemu_options(options: argparse.Namespace, kernel: str, binary: str, loaded: str | None = None) -> QemuOptions:
    """Return QEMU's options for this kernel file. `binary` is the QEMU to use if the user has not named one.

    If `loaded` is not None, QEMU loads that file as data in addition, and `kernel` jumps to it.
    """
    from pvhdbg.live.qemu.options import QemuOptions

    return QemuOptions(
        kernel=kernel,
        loaded=loaded,
        initrd=None if options.initrd is None else str(options.initrd),
        append=options.append,
        memory=options.memory,
        machine=options.machine,
        accel=options.accel,
        cpu=options.cpu,
        binary=options.qemu or binary,
        args=tuple(options.qemu_args),
    )


def _is_plain(kernel: Path) -> bool:
    if not S_ISREG(kernel.stat().st_mode):
        return False
    with kernel.open("rb") as file:
        head = file.read(_X86_64_AT + len(_X86_64))
    return head.startswith(_ELF_64) and head.endswith(_X86_64)
