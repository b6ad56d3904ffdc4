"""What a QEMU is started with, and its command line."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from pvhdbg.errors import UserError

if TYPE_CHECKING:
    from pvhdbg.image.facts import ImageFacts

DEFAULT_APPEND = "console=ttyS0 earlyprintk=ttyS0"


_OURS = {
    "kernel": "name the kernel first: pvhdbg KERNEL",
    "initrd": "-i FILE does",
    "append": "-a STRING does",
    "m": "-m SIZE does",
    "M": "-M NAME does, with its properties behind a comma",
    "machine": "-M NAME does, with its properties behind a comma",
    "accel": "--accel does",
    "enable-kvm": "--accel kvm does",
    "cpu": "--cpu does",
    "S": "the guest is stopped before its first instruction anyway; `starti` and --stage entry stop it at its entry",
    "s": "pvhdbg's gdb is on QEMU's one stub; for a QEMU with a stub of your own there is `pvhdbg attach`",
    "gdb": "pvhdbg's gdb is on QEMU's one stub; for a QEMU with a stub of your own there is `pvhdbg attach`",
    "action": "a guest that resets itself or shuts down is kept, to be looked at",
    "preconfig": "pvhdbg has no machine to look at before there is one",
    "incoming": "pvhdbg looks at a machine from its reset on; `pvhdbg attach` takes one as it is",
    "loadvm": "pvhdbg looks at a machine from its reset on; `pvhdbg attach` takes one as it is",
    "daemonize": "QEMU would outlive pvhdbg",
}
"""What can't be given to QEMU past us, for we give it ourselves or count on it, and what to do instead."""


class QemuOptions(NamedTuple):
    """`kernel` and `initrd` are paths, `append` the command line, `memory` as QEMU's -m takes it.

    `cpu` is by default all that TCG has, and the host's under KVM. `args` go to QEMU as they stand, after ours.
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
    """File descriptors QEMU inherits: two listening UNIX sockets, and a connected one."""

    gdb: int
    qmp: int
    serial: int


def qemu_binary(facts: ImageFacts, *, linux: bool) -> str:
    """The QEMU for this guest.

    gdb connects a 32-bit Linux's symbols to a 32-bit stub only; every other guest runs on the 64-bit one.
    """
    from pvhdbg.image.facts import EM_386

    return "qemu-system-i386" if linux and facts.machine == EM_386 else "qemu-system-x86_64"


def command_line(options: QemuOptions, channels: Channels) -> list[str]:
    """:raise UserError: for an argument that is not the user's to give."""
    for each in options.args:
        name = each.removeprefix("-").removeprefix("-")
        if name != each and name in _OURS:
            raise UserError(f"{each} is not for QEMU's own arguments after --", _OURS[name])
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
