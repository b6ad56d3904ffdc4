"""Why QEMU or gdb did not start, and whose fault that is."""

from __future__ import annotations

import re
import subprocess
from typing import TYPE_CHECKING, NamedTuple

from pvhdbg.errors import GuestError, MachineError, PvhdbgError, UserError
from pvhdbg.live import child

if TYPE_CHECKING:
    from pvhdbg.live.qemu_options import QemuOptions

OLDEST_QEMU = (5, 2)
OLDEST_GDB = (11, 0)
_NEEDED = "install the package {}, {}.{} or newer"


class _Fault(NamedTuple):
    words: re.Pattern[str]
    error: type[PvhdbgError]
    hint: str | None = None


# The first that is found in QEMU's last words counts. Sources: hw/i386/x86.c, hw/i386/multiboot.c, accel/kvm/kvm-all.c,
# softmmu/physmem.c, softmmu/vl.c.
_FAULTS = (
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
    _Fault(re.compile(r"[Cc]annot allocate|guest memory"), MachineError, "give the guest less with --memory"),
    _Fault(re.compile(r"machine type|machine\.|CPU model|-cpu\.|-m |RAM size|invalid accelerator"), UserError),
)


def refusal(options: QemuOptions, returncode: int, words: str) -> PvhdbgError:
    """The error for a QEMU that ended before its guest could start."""
    message = f"QEMU {child.manner(returncode)}" + (f": {words}" if words else " without a word")
    for fault in _FAULTS:
        if fault.words.search(words):
            return fault.error(message, fault.hint)
    if returncode < 0:
        return GuestError(message, "it read the kernel when it died")
    if old := _too_old(options.binary, OLDEST_QEMU):
        return MachineError(f"{options.binary} is {old}", _NEEDED.format("qemu-system-x86", *OLDEST_QEMU))
    if options.args:
        return UserError(message, f"among the arguments given to it: {' '.join(options.args)}")
    return MachineError(message, "the package is qemu-system-x86")


def silence(binary: str, obituary: str) -> MachineError:
    """The error for a gdb that ended before it was connected."""
    if old := _too_old(binary, OLDEST_GDB):
        return MachineError(f"{binary} is {old}", _NEEDED.format("gdb", *OLDEST_GDB))
    return MachineError(obituary, "the package is gdb")


def _too_old(binary: str, oldest: tuple[int, int]) -> str | None:
    """The version, if it is older. Asked only when something failed: it costs as much as a start."""
    try:
        said = subprocess.run([binary, "--version"], capture_output=True, timeout=10, check=False).stdout
    except (OSError, subprocess.TimeoutExpired):
        return None
    found = re.search(rb"(\d+)\.(\d+)", said.split(b"\n")[0])
    if found is None or (int(found[1]), int(found[2])) >= oldest:
        return None
    return f"version {found[0].decode()}"
