"""QEMU's options, and the command line made from them."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from pvhdbg.errors import UserError

if TYPE_CHECKING:
    from pvhdbg.image.facts import ImageFacts

DEFAULT_APPEND = "console=ttyS0 earlyprintk=ttyS0"

_ATTACH_TO_STUB = "use `pvhdbg attach` for a QEMU with your own stub: pvhdbg needs the only stub of its QEMU"
_ATTACH_LATER = "use `pvhdbg attach` for such a QEMU: pvhdbg starts a machine at its reset"
_REFUSED = {
    "kernel": "name the kernel: pvhdbg KERNEL",
    "initrd": "use -i FILE",
    "append": "use -a STRING",
    "m": "use -m SIZE",
    "M": "use -M NAME; properties follow after a comma",
    "machine": "use -M NAME; properties follow after a comma",
    "accel": "use --accel",
    "enable-kvm": "use --accel kvm",
    "cpu": "use --cpu",
    "S": "omit it: the guest always starts stopped; `starti` and `--stage entry` run it to its entry",
    "s": _ATTACH_TO_STUB,
    "gdb": _ATTACH_TO_STUB,
    "action": "omit it: pvhdbg keeps a guest that resets or shuts down, so that you can look at it",
    "preconfig": "omit it: pvhdbg needs the machine to exist when gdb connects",
    "incoming": _ATTACH_LATER,
    "loadvm": _ATTACH_LATER,
    "daemonize": "omit it: QEMU would outlive pvhdbg",
}
"""The QEMU options that users must not pass after `--`, because pvhdbg sets them or depends on their default, and a
hint for each.
"""


class QemuOptions(NamedTuple):
    """What to start QEMU with. `kernel` and `initrd` are paths, `append` is the guest's command line, and `memory` is
    the argument for QEMU's -m.

    `cpu` defaults to "max" under TCG and "host" under KVM. `args` are passed to QEMU unchanged, after pvhdbg's own.
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

    @property
    def effective_cpu(self) -> str:
        return self.cpu or ("host" if self.accel == "kvm" else "max")


class Channels(NamedTuple):
    """The file descriptors that QEMU inherits: `gdb` and `qmp` are listening UNIX sockets, `serial` a connected one."""

    gdb: int
    qmp: int
    serial: int


def qemu_binary(facts: ImageFacts, *, linux: bool) -> str:
    """Return the QEMU binary for this guest.

    With the symbols of a 32-bit Linux, gdb connects only to a 32-bit stub. All other guests use the 64-bit QEMU.
    """
    from pvhdbg.image.facts import EM_386

    return "qemu-system-i386" if linux and facts.machine == EM_386 else "qemu-system-x86_64"


def command_line(options: QemuOptions, channels: Channels) -> list[str]:
    """Return QEMU's command line.

    :raise UserError: if the user's own arguments contain an option of _REFUSED.
    """
    for argument in options.args:
        name = argument.removeprefix("-").removeprefix("-")
        if name != argument and name in _REFUSED:
            raise UserError(f"{argument}: cannot be passed to QEMU after `--`", _REFUSED[name])
    initrd = ["-initrd", options.initrd] if options.initrd is not None else []
    return [
        options.binary,
        *("-nodefaults", "-no-user-config", "-display", "none"),
        *("-machine", options.machine, "-accel", options.accel, "-cpu", options.effective_cpu, "-m", options.memory),
        *("-kernel", options.kernel, *initrd, "-append", options.append),
        *("-S", "-no-reboot", "-no-shutdown"),
        *("-chardev", f"socket,id=pvhdbg-gdb,fd={channels.gdb},server=on,wait=off", "-gdb", "chardev:pvhdbg-gdb"),
        *("-chardev", f"socket,id=pvhdbg-qmp,fd={channels.qmp},server=on,wait=off"),
        *("-mon", "chardev=pvhdbg-qmp,mode=control"),
        *("-chardev", f"socket,id=pvhdbg-serial,fd={channels.serial}", "-serial", "chardev:pvhdbg-serial"),
        *options.args,
    ]
