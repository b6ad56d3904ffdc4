"""QEMU's options, and the command line made from them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pvhdbg.errors import UserError
from pvhdbg.named_tuple import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pvhdbg.image.facts import ImageFacts
    from pvhdbg.live.qemu.xen import XenImage

DEFAULT_APPEND = "console=ttyS0 earlyprintk=ttyS0"

_ATTACH_TO_STUB = "omit it, or start QEMU yourself and use `pvhdbg attach`: a QEMU has only one gdb stub"
_ATTACH_LATER = "start QEMU yourself and use `pvhdbg attach`: pvhdbg always boots its own QEMU from reset"
_SET_BY_PVHDBG = {
    "kernel": "name the kernel: pvhdbg KERNEL",
    "initrd": "use -i FILE",
    "append": "use -a STRING",
    "m": "use -m SIZE",
    "M": "use -M NAME, with properties after a comma",
    "machine": "use -M NAME, with properties after a comma",
    "accel": "use --accel",
    "enable-kvm": "use --accel kvm",
    "cpu": "use --cpu",
    "S": "omit it: the guest always starts stopped; `starti` and `--stage entry` run it to its entry",
    "s": _ATTACH_TO_STUB,
    "gdb": _ATTACH_TO_STUB,
}
"""QEMU options that pvhdbg sets, with the hint for a user who passes one after `--`."""
_UNSUPPORTED = {
    "action": "omit it: pvhdbg keeps a guest that resets or shuts down, so that you can look at it",
    "preconfig": "omit it: pvhdbg needs the machine to exist when gdb connects",
    "incoming": _ATTACH_LATER,
    "loadvm": _ATTACH_LATER,
    "daemonize": "omit it: QEMU would outlive pvhdbg",
}
"""QEMU options that pvhdbg does not work with, with the hint for a user who passes one after `--`."""


ONLY_ON_SCREEN = "only the screen takes snapshots"
"""Why there are no snapshots if QEMU is not started for a screen."""
MOST_MEMORY = 2 << 30
"""The largest guest memory for which `--snapshots auto` takes snapshots: QEMU reads all memory for each one.

Measured with Linux 6.1 on two busy cores, to save / to load: 512 MiB 47-94 / 62 ms, 2 GiB 123-181 / 96-103 ms,
4 GiB 139-198 / 74-101 ms, 8 GiB 272-341 / 142-155 ms.
"""


class QemuOptions(NamedTuple):
    """What to start QEMU with. `kernel` and `initrd` are paths, `append` is the guest's command line, and `memory` is
    the argument for QEMU's -m.

    `cpu` defaults to "max" under TCG and "host" under KVM. `args` are passed to QEMU unchanged, after pvhdbg's own
    options. `no_snapshots` is why this QEMU takes no snapshots; None if it does. `loaded` is an ELF file that QEMU
    loads as data, without starting it. `xen` is the hypervisor that starts the kernel; None if QEMU itself starts it.
    """

    kernel: str
    initrd: str | None = None
    append: str = DEFAULT_APPEND
    memory: str = "512M"
    machine: str = "microvm"
    accel: str = "tcg"
    cpu: str | None = None
    binary: str = "qemu-system-x86_64"
    args: tuple[str, ...] = ()
    no_snapshots: str | None = ONLY_ON_SCREEN
    loaded: str | None = None
    xen: XenImage | None = None

    @property
    def effective_cpu(self) -> str:
        return self.cpu or ("host" if self.accel == "kvm" else "max")


class Channels(NamedTuple):
    """The file descriptors that QEMU inherits: the listening UNIX sockets `gdb` and `qmp`, and the pipe `serial`."""

    gdb: int
    qmp: int
    serial: int


def qemu_binary(facts: ImageFacts, *, linux: bool) -> str:
    """Return the QEMU binary for this guest.

    With the symbols of a 32-bit Linux, gdb connects only to a 32-bit stub. All other guests use the 64-bit QEMU.
    """
    from pvhdbg.image.facts import EM_386

    return "qemu-system-i386" if linux and facts.machine == EM_386 else "qemu-system-x86_64"


SNAPSHOTS_OFF = "snapshots are off"
"""How a reason begins that `--snapshots on` removes."""


def why_no_snapshots(setting: str, memory: str, args: Sequence[str]) -> str | None:
    """Return why the QEMU of a screen takes no snapshots; None if it does.

    `setting` is the argument of --snapshots, `memory` that of -m, and `args` are the user's own arguments for QEMU.
    """
    if setting == "off":
        return f"{SNAPSHOTS_OFF} (--snapshots off)"
    if setting == "on":
        return None
    from pvhdbg.boot.record.document import ram_size

    if (ram_size(memory) or 0) > MOST_MEMORY:
        return f"{SNAPSHOTS_OFF}, because the guest has more than {MOST_MEMORY >> 30} GiB of memory"
    if any("snapshot" in argument for argument in args):
        return f"{SNAPSHOTS_OFF}, because QEMU's own arguments use snapshots"
    return None


def command_line(options: QemuOptions, channels: Channels) -> list[str]:
    """Return QEMU's command line.

    :raise UserError: if the user's own arguments contain an option that pvhdbg sets or does not work with.
    """
    for argument in options.args:
        name = argument.removeprefix("-").removeprefix("-") if argument.startswith("-") else ""
        if name in _SET_BY_PVHDBG:
            message = f"{argument}: pvhdbg sets this option itself; it cannot be passed after `--`"
            raise UserError(message, _SET_BY_PVHDBG[name])
        if name in _UNSUPPORTED:
            raise UserError(f"{argument}: cannot be passed after `--`", _UNSUPPORTED[name])
    return [
        options.binary,
        *("-nodefaults", "-no-user-config", "-display", "none"),
        *("-machine", options.machine, "-accel", options.accel, "-cpu", options.effective_cpu, "-m", options.memory),
        *_guest(options),
        *("-S", "-no-reboot", "-no-shutdown"),
        *("-chardev", f"socket,id=pvhdbg-gdb,fd={channels.gdb},server=on,wait=off", "-gdb", "chardev:pvhdbg-gdb"),
        *("-chardev", f"socket,id=pvhdbg-qmp,fd={channels.qmp},server=on,wait=off"),
        *("-mon", "chardev=pvhdbg-qmp,mode=control"),
        *("-chardev", f"file,id=pvhdbg-serial,path=/proc/self/fd/{channels.serial}"),
        *("-serial", "chardev:pvhdbg-serial"),
        *options.args,
    ]


def _guest(options: QemuOptions) -> list[str]:
    if options.xen is not None:
        from pvhdbg.live.qemu import xen

        return xen.arguments(options.xen, options.kernel, options.initrd, options.append)
    loaded = [] if options.loaded is None else ["-device", f"loader,file={options.loaded.replace(',', ',,')}"]
    initrd = ["-initrd", options.initrd] if options.initrd is not None else []
    return ["-kernel", options.kernel, *loaded, *initrd, "-append", options.append]
