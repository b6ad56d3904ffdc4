"""Why QEMU or gdb did not start, and whose fault it is: the user's, the kernel file's or this computer's."""

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


class _Cause(NamedTuple):
    """A pattern in QEMU's message, and the error to raise for it."""

    pattern: re.Pattern[str]
    error: type[PvhdbgError]
    hint: str | None = None


# The first match counts. Sources: hw/i386/x86.c, hw/i386/multiboot.c, accel/kvm/kvm-all.c, softmmu/physmem.c,
# softmmu/vl.c.
_CAUSES = (
    _Cause(
        re.compile(r"unsupported machine type"), UserError, "use -M microvm, q35 or pc, or another type that QEMU has"
    ),
    _Cause(re.compile(r"-machine accel="), UserError, "choose the accelerator with --accel"),
    _Cause(re.compile(r"could not open kernel file|reading initrd|requires KVM"), UserError),
    _Cause(
        re.compile(r"PVH ELF Note|elf kernel|could not load kernel|a 32bit one|kernel header|kernel image|ram disk"),
        GuestError,
        "run `pvhdbg inspect KERNEL` to see what the file offers a loader",
    ),
    _Cause(
        re.compile(r"kvm_buf_set_msrs"),
        MachineError,
        "try --cpu host,-arch-capabilities: this KVM can't provide everything that the host's CPU has",
    ),
    _Cause(re.compile(r"kvm", re.IGNORECASE), MachineError, "use --accel tcg to run without KVM"),
    _Cause(
        re.compile(r"qemu_thread_create|Too many open files"), MachineError, "raise the limits that `ulimit -a` shows"
    ),
    _Cause(re.compile(r"[Cc]annot allocate|guest memory"), MachineError, "give the guest less memory with --memory"),
    _Cause(
        re.compile(r"machine type|machine\.|-machine |CPU model|-cpu\.|-m |RAM size|invalid accelerator"), UserError
    ),
)


def qemu_failure(options: QemuOptions, returncode: int, message: str) -> PvhdbgError:
    """Return the error for a QEMU that ended before its guest could start. `message` is QEMU's last one, or empty."""
    end = f"QEMU {exit_report.describe_exit(returncode)}"
    text = f"{end}: {message}" if message else f"{end} without a message"
    for cause in _CAUSES:
        if cause.pattern.search(message):
            return cause.error(text, cause.hint)
    if not returncode and "help" in (options.machine, options.cpu):
        option = "-M" if options.machine == "help" else "-cpu"
        return UserError(
            "pvhdbg does not list machine types and CPUs", f"list them with: {options.binary} {option} help"
        )
    if returncode < 0:
        end = f"{end} while loading the kernel"
        return GuestError(f"{end}: {message}" if message else end, "check the file with `pvhdbg inspect KERNEL`")
    if problem := _version_problem(options.binary, QEMU):
        return problem
    if options.args:
        return UserError(text, f"check the arguments after --: {' '.join(options.args)}")
    return MachineError(text, "install the package qemu-system-x86")


def gdb_failure(binary: str, message: str) -> MachineError:
    """Return the error for a gdb that ended before it was connected."""
    return _version_problem(binary, GDB) or MachineError(message, "install the package gdb")


def _version_problem(binary: str, program: Program) -> MachineError | None:
    """Return an error if the program that failed is another one or too old; None if it is not, or can't be asked."""
    try:
        line = programs.version(binary)
    except MachineError:
        return None
    problem = program.problem(line) if line else None
    return MachineError(f"{binary}: {printable(problem)}", program.install_hint) if problem else None
