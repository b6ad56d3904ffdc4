"""Why QEMU or gdb did not start, and who is at fault: the user, the kernel file or this computer."""

from __future__ import annotations

import re
from contextlib import suppress
from pathlib import Path
from resource import RLIMIT_NOFILE, getrlimit
from typing import TYPE_CHECKING

from pvhdbg.abi.text import printable
from pvhdbg.errors import GuestError, MachineError, PvhdbgError, TargetError, UserError
from pvhdbg.lazy_pattern import pattern
from pvhdbg.live.gdb.process import DAMAGED_CACHE
from pvhdbg.live.system import exit_report, programs
from pvhdbg.live.system.os_errors import MORE_FILES
from pvhdbg.live.system.programs import GDB, QEMU
from pvhdbg.named_tuple import NamedTuple

if TYPE_CHECKING:
    from pvhdbg.live.qemu.options import QemuOptions
    from pvhdbg.live.qemu.process import Qemu
    from pvhdbg.live.system.programs import Program

_FEW_FILES = 32
"""QEMU needs fewer files than this to boot a kernel. With too few it can't open the kernel, and does not say why."""


class _Cause(NamedTuple):
    """A pattern in QEMU's message, and the error to raise for it."""

    pattern: re.Pattern[str]
    error: type[PvhdbgError]
    hint: str | None = None


_KVM = r"/dev/kvm|KVM kernel module|initialize kvm|KVM:|kvm_\w|error: failed to set MSR|kvm: |KVM is not"
"""What QEMU writes about KVM itself. The word alone may be part of a file name."""

# The first match counts. Sources: hw/i386/x86.c, hw/i386/multiboot.c, accel/kvm/kvm-all.c, softmmu/physmem.c,
# softmmu/vl.c.
_CAUSES = (
    _Cause(pattern(r"-machine accel="), UserError, "choose the accelerator with --accel"),
    _Cause(pattern(r"could not open kernel file|reading initrd|requires KVM"), UserError),
    _Cause(pattern(r"initrd is too large"), UserError, "give the guest more memory with -m, or pass a smaller initrd"),
    _Cause(
        pattern(r"PVH ELF Note|elf kernel|could not load kernel|a 32bit one|kernel header|kernel image|ram disk"),
        GuestError,
        "run `pvhdbg inspect KERNEL` to see which boot protocols the file supports",
    ),
    _Cause(
        pattern(r"kvm_buf_set_msrs"),
        MachineError,
        "try --cpu host,-arch-capabilities: this KVM can't provide all features of the host's CPU",
    ),
    _Cause(pattern(_KVM, re.IGNORECASE), MachineError, "use --accel tcg to run without KVM"),
    _Cause(
        pattern(r"qemu_thread_create|Too many open files|jit buffer"),
        MachineError,
        "raise the limits that `ulimit -a` shows",
    ),
    _Cause(pattern(r"[Cc]annot allocate|guest memory"), MachineError, "give the guest less memory with --memory"),
    _Cause(
        pattern(
            r"machine type|machine\.|-machine |CPU model|-cpu\.|-m |RAM size|invalid accelerator|"
            r"maxmem|max-size|memory slots"
        ),
        UserError,
    ),
)


_EI_CLASS, _ELFCLASS64 = 4, b"\2"
_EXIT_TIMEOUT = 3.0
_CANNOT_RUN = (126, 127)
"""The exit statuses of a shell and of the dynamic linker for a program that cannot run."""


def connection_failure(qemu: Qemu | None, client: str, error: TargetError) -> PvhdbgError:
    """Return the error if `client`, which is gdb or pvhdbg, could not connect to QEMU: probably QEMU has ended."""
    if qemu is not None and qemu.death(_EXIT_TIMEOUT) is not None:
        return qemu_failure(qemu.options, qemu.returncode or 0, qemu.last_error())
    return MachineError(f"{client} can't connect to QEMU: {error}", error.hint)


def qemu_failure(options: QemuOptions, returncode: int, message: str) -> PvhdbgError:
    """Return the error for a QEMU that ended before its guest could start.

    `message` is QEMU's last error message, or empty.
    """
    end = f"QEMU {exit_report.describe_exit(returncode)}"
    text = f"{end}: {message}" if message else f"{end} without a message"
    if error := _wrong_machine_or_cpu(options, returncode, message) or _wrong_class(options, message):
        return error
    for cause in _CAUSES:
        if cause.pattern.search(message):
            return _caused(cause, text)
    if returncode < 0:
        end = f"{end} while loading the kernel"
        return GuestError(f"{end}: {message}" if message else end, "check the file with `pvhdbg inspect KERNEL`")
    if problem := _version_problem(options.binary, QEMU):
        return problem
    if options.args:
        return UserError(text, f"check the arguments after --: {' '.join(options.args)}")
    # A QEMU that reports an error of its own does run: installing it would not help.
    is_running = message and returncode not in _CANNOT_RUN
    return MachineError(text, None if is_running else QEMU.hint(options.binary))


def _caused(cause: _Cause, text: str) -> PvhdbgError:
    if cause.error is GuestError and getrlimit(RLIMIT_NOFILE)[0] < _FEW_FILES:
        return MachineError(text, MORE_FILES)
    return cause.error(text, cause.hint)


def _wrong_machine_or_cpu(options: QemuOptions, returncode: int, message: str) -> UserError | None:
    """Return an error if QEMU does not know the machine type or the CPU, or if one of them is `help`."""
    list_with = f"list them with: {options.binary}"
    if "unsupported machine type" in message:
        machine = options.machine.partition(",")[0]
        return UserError(f'unsupported machine type "{printable(machine)}"', f"{list_with} -M help")
    if "unable to find CPU model" in message:
        return UserError(f"QEMU {exit_report.describe_exit(returncode)}: {message}", f"{list_with} -cpu help")
    if not returncode and "help" in (options.machine, options.cpu):
        option = "-M" if options.machine == "help" else "-cpu"
        return UserError("pvhdbg does not list machine types and CPUs", f"{list_with} {option} help")
    return None


def _wrong_class(options: QemuOptions, message: str) -> UserError | None:
    """Return an error if a QEMU for 32-bit guests was given a 64-bit kernel, for which it has no message of its own."""
    if "elf kernel" not in message or "i386" not in Path(options.binary).name:
        return None
    with suppress(OSError), Path(options.kernel).open("rb") as file:
        if file.read(_EI_CLASS + 1)[_EI_CLASS:] == _ELFCLASS64:
            name = printable(Path(options.binary).name)
            return UserError(f"{name} can't load a 64-bit kernel", "use qemu-system-x86_64 (--qemu)")
    return None


def gdb_failure(binary: str, message: str) -> MachineError:
    """Return the error for a gdb that ended before it was connected."""
    hint = "run the command again" if DAMAGED_CACHE in message else GDB.hint(binary)
    return _version_problem(binary, GDB) or MachineError(message, hint)


def _version_problem(binary: str, program: Program) -> MachineError | None:
    """Return an error if `binary` is another program or too old. None if it is not, or can't report its version."""
    try:
        line = programs.version(binary)
    except MachineError:
        return None
    problem = program.problem(line) if line else None
    return MachineError(f"{binary}: {printable(problem)}", program.version_hint(binary)) if problem else None
