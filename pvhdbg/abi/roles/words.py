"""What a role is, and the names of those who write and read boot data."""

from __future__ import annotations

from typing import NamedTuple


class Role(NamedTuple):
    """Who writes a field, who reads it, and what a learner should know of it."""

    written_by: str
    read_by: str
    text: str


NOBODY = "nobody"
VMM = "the VMM: QEMU's pvh.bin or qboot, Cloud Hypervisor, Firecracker, Xen's toolstack"
PVH = "init_pvh_bootparams, under xen_prepare_pvh"
BUILD = "the kernel's build, in a bzImage"
LOADER = "a boot loader that follows Linux's boot protocol"
REAL_MODE = "the kernel's real-mode code, from the BIOS"
