"""QEMU's own handover, from the firmware of its machine. pvhdbg changes nothing."""

from __future__ import annotations

from pvhdbg.vmm_profiles.profile import Fact, Profile

PROFILE = Profile(
    name="qemu",
    title="QEMU, as it is",
    version="",
    commit="",
    repository="",
    facts=(Fact("the firmware builds the boot data: qboot on microvm, SeaBIOS and pvh.bin on pc and q35", "pc-bios/"),),
    layout=None,
)
