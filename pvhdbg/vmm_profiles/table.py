"""The names of the profiles. A profile's file is imported only when the profile is used."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pvhdbg.vmm_profiles.profile import Profile

QEMU = "qemu"
NAMES = (
    QEMU,
    "firecracker",
    "cloud-hypervisor",
    "libkrun",
    "alioth",
    "gokvm",
    "openvmm",
    "rfc2017",
    "xen-domu",
    "xen-dom0",
)

WITHOUT_MAP = ("rfc2017", "xen-dom0")
"""The VMMs that hand over version 0, without a memory map: many kernels do not boot with it."""


def profile(name: str) -> Profile:
    """Return a profile by its name, one of NAMES."""
    found: Profile = import_module(f"pvhdbg.vmm_profiles.{name.replace('-', '_')}").PROFILE
    return found
