"""Why QEMU or gdb did not start, and whose fault that is."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from pvhdbg.abi.text import printable
from pvhdbg.errors import GuestError, MachineError, PvhdbgError, UserError
from pvhdbg.live.system import exit_report, programs
from pvhdbg.live.system.programs import GDB, QEMU

if TYPE_CHECKING:
    from pvhdbg.live.qemu.options import QemuOptions
    from pvhdbg.live.system.programs import Program


class _Fault(NamedTuple):
    words: re.Pattern[str]
    error: type[PvhdbgError]
    hint: str | None = None


# The first that is found in QEMU's last words counts. Sources: hw/i386/x86.c, hw/i386/multiboot.c, accel/kvm/kvm-all.c,
# softmmu/physmem.c, softmmu/vl.c.
_FAULTS = (
    _Fault(re.compile(r"unsupported machine type"), UserError, "-M takes microvm, q35 or pc, and what else QEMU has"),
    _Fault(re.compile(r"-machine accel="), UserError, "--accel names the accelerator"),
    _Fault(re.compile(r"could not open kernel file|reading initrd|requires KVM"), UserError),
    _Fault(
        re.compile(r"PVH ELF Note|elf kernel|could not load kernel|a 32bit one|kernel header|kernel image|ram disk"),
        GuestError,
        "`pvhdbg inspect KERNEL` shows what the file offers a loader",
    ),
    _Fault(
        re.compile(r"kvm_buf_set_msrs"),
        MachineError,
        "this KVM can't give all of the host's CPU: try --cpu host,-arch-capabilities",
    ),
    _Fault(re.compile(r"kvm", re.IGNORECASE), MachineError, "--accel tcg needs no KVM"),
    _Fault(re.compile(r"qemu_thread_create|Too many open files"), MachineError, "`ulimit -a` shows what it may have"),
    _Fault(re.compile(r"[Cc]annot allocate|guest memory"), MachineError, "give the guest less with --memory"),
    _Fault(
        re.compile(r"machine type|machine\.|-machine |CPU model|-cpu\.|-m |RAM size|invalid accelerator"), UserError
    ),
)


def refusal(options: QemuOptions, returncode: int, words: str) -> PvhdbgError:
    """The error for a QEMU that ended before its guest could start."""
    message = f"QEMU {exit_report.describe_exit(returncode)}" + (f": {words}" if words else " without a word")
    for fault in _FAULTS:
        if fault.words.search(words):
            return fault.error(message, fault.hint)
    if not returncode and "help" in (options.machine, options.cpu):
        return UserError("the machine types and CPUs that there are QEMU lists itself", f"{options.binary} -cpu help")
    if returncode < 0:
        return GuestError(message, "it read the kernel when it died")
    if unfit := _unfit(options.binary, QEMU):
        return unfit
    if options.args:
        return UserError(message, f"among the arguments given to it: {' '.join(options.args)}")
    return MachineError(message, "the package is qemu-system-x86")


def silence(binary: str, message: str) -> MachineError:
    """The error for a gdb that ended before it was connected."""
    return _unfit(binary, GDB) or MachineError(message, "the package is gdb")


def _unfit(binary: str, program: Program) -> MachineError | None:
    """What is wrong with a program that failed, if its version tells."""
    try:
        line = programs.version(binary)
    except MachineError:
        return None
    problem = program.problem(line) if line else None
    return MachineError(f"{binary}: {printable(problem)}", program.install_hint) if problem else None
