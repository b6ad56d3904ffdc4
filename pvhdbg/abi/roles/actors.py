"""The Role type, and names for the programs that write and read boot data."""

from __future__ import annotations

from pvhdbg.named_tuple import NamedTuple


class Role(NamedTuple):
    """Which programs write a field, which read it, and why it matters.

    `written_by` and `read_by` are phrases that complete "Written by …; read by ….", and `text` is sentences.
    """

    written_by: str
    read_by: str
    text: str


NO_PROGRAM = "no program"
VMM = "the VMM (QEMU's pvh.bin or qboot, Cloud Hypervisor, Firecracker, Xen's toolstack)"
PVH = "init_pvh_bootparams, called by xen_prepare_pvh"
BUILD = "the kernel's build, into the bzImage"
LOADER = "the boot loader"
REAL_MODE = "the kernel's real-mode code, from BIOS calls"
IN_PVH = "init_pvh_bootparams in a PVH boot"
"""For fields that another program writes when a kernel boots via the Linux boot protocol."""
