"""QEMU's own handover, from the firmware of its machine. pvhdbg changes nothing."""

from __future__ import annotations

from pvhdbg.vmm_profiles.profile import Fact, Profile

PROFILE = Profile(
    name="qemu",
    title="QEMU, as it is",
    version="",
    commit="",
    facts=(Fact("the firmware builds the boot data: SeaBIOS with pvh.bin, or qboot on microvm", "pc-bios/"),),
    layout=None,
)
