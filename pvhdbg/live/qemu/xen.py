"""QEMU with a real Xen, which starts the kernel as its PVH dom0. Nested virtualization (SVM) works under TCG.

Source: Xen docs/misc/xen-command-line.pandoc, and experiments with Xen 4.17 on QEMU 7.2.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

from pvhdbg.errors import MachineError, UserError
from pvhdbg.lazy_pattern import pattern
from pvhdbg.live.system import cache
from pvhdbg.named_tuple import NamedTuple
from pvhdbg.target.stub import XenReport

MACHINE = "q35,kernel-irqchip=off"
CPU = "EPYC,+svm,+npt,-rdtscp,-monitor"
"""QEMU 7.2 has no NRIP save: Xen cannot skip an intercepted RDTSCP, and ends dom0. Xen itself crashes in MWAIT."""
DEVICES = ("-device", "amd-iommu")
"""Xen starts no PVH dom0 without an IOMMU."""
DEFAULT_MEMORY = "2G"
DEFAULT_APPEND = "console=hvc0 earlyprintk=xen"
_XEN_COMMAND_LINE = "com1=115200,8n1 console=com1 loglvl=all guest_loglvl=all dom0=pvh dom0_mem=512M noreboot cpuidle=0"
_PATTERN = "xen-4*.gz"
_GET = "pass Xen's image with --xen-image FILE, install it in /boot, or run `make xen`"
_REASON = pattern(
    rb"^\(XEN\) (d0v\d+ Triple fault[^\r\n]{0,80}|Domain 0 \(vcpu#\d+\) crashed[^\r\n:]{0,80}"
    rb"|Hardware Dom0 (?:crashed|halted|shutdown)[^\r\n]{0,80})",
    re.MULTILINE,
)
_DUMP = pattern(rb"^\(XEN\) RIP: .*?^\(XEN\) ds: [^\n]*", re.MULTILINE | re.DOTALL)
_REGISTER = pattern(rb"\b([a-z0-9]{2,3}): *([0-9a-f]{4,16})\b")
_NAMES = {"fsb": "fs_base", "gsb": "gs_base", "gss": "k_gs_base"}
_VERSION = pattern(rb"\(XEN\) Xen version ([0-9][!-~]{0,40})")


class XenImage(NamedTuple):
    """Xen itself. `path` is the file that the user has, `elf` the unpacked file that QEMU starts by multiboot."""

    path: str
    elf: str


def find_image(named: Path | None) -> Path:
    """Return the file that contains Xen: the one that the user named, the newest in /boot, or the newest in the cache.

    :raise MachineError: if there is none.
    """
    if named is not None:
        return named
    downloads = cache.folder("kernels", os.environ)
    for folder, glob in ((Path("/boot"), _PATTERN), (downloads, f"xen-hypervisor-*/{_PATTERN}")):
        if folder is not None and (found := sorted(folder.glob(glob), key=_version)):
            return found[-1]
    raise MachineError("--xen: Xen's image was not found in /boot or in pvhdbg's cache", _GET)


def _version(path: Path) -> tuple[list[int], str]:
    numbers = [int(number) for number in re.findall(r"\d{1,9}", f"{path.parent.name}/{path.name}")]
    return numbers, str(path)


def arguments(image: XenImage, kernel: str, initrd: str | None, append: str) -> list[str]:
    """Return the QEMU options that start Xen with these modules: dom0's kernel, and its initrd.

    :raise UserError: if a path has a character that separates the modules.
    """
    modules = [f"{_module_path(kernel)} {append.replace(',', ',,')}"]
    if initrd is not None:
        modules.append(_module_path(initrd))
    return ["-kernel", image.elf, "-initrd", ",".join(modules), "-append", _XEN_COMMAND_LINE, *DEVICES]


def _module_path(path: str) -> str:
    if " " in path:
        raise UserError(
            f"{path}: QEMU cannot pass this file to Xen: its path has a space", "move the file to a path without spaces"
        )
    return path.replace(",", ",,")


def version(console: bytes) -> str:
    """Return the version that Xen has printed to its console; empty if there is none."""
    match = _VERSION.search(console)
    return match[1].decode("ascii") if match else ""


def report(console: bytes) -> XenReport | None:
    """Return why Xen has ended dom0, and the last registers that it printed; None if it has printed no reason."""
    reason = _REASON.search(console)
    if reason is None:
        return None
    dump = _DUMP.search(console, reason.start())
    pairs = _REGISTER.findall(dump[0]) if dump else ()
    registers = {_NAMES.get(name.decode(), name.decode()): int(value, 16) for name, value in pairs}
    return XenReport(reason[1].decode("ascii", "replace"), registers)
