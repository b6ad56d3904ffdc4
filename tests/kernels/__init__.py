"""Debian's own kernels, as the tests use them, in a cache outside the checkout.

`fetch.py` fills it; here is only what is in it: one folder a package, named <package>_<version>, one file in each.
"""

import os
import re
from pathlib import Path
from typing import NamedTuple

from tests.kernels.apt import numbers


class Wanted(NamedTuple):
    """One file out of one Debian package, whatever version of it apt offers."""

    package: str
    """Pattern of the package's whole name."""
    member: str
    """Pattern of the file's whole path in the package."""
    architecture: str | None = None
    """Debian's name of it, where it isn't this machine's own."""


# What follows 6.1 or 6.12 in a package's name: .0-56, .117+deb12, .0-0.deb11.13
_ABI = r"\.\d+(?:[-+.](?:deb|bpo)?\d+)*"

WANTED = {
    "vmlinux-6.1": Wanted(rf"linux-image-6\.1{_ABI}-cloud-amd64-dbg", r"usr/lib/debug/boot/vmlinux-.*"),
    "vmlinux-6.12": Wanted(rf"linux-image-6\.12{_ABI}-cloud-amd64-dbg", r"usr/lib/debug/boot/vmlinux-.*"),
    "vmlinux-6.1-686": Wanted(rf"linux-image-6\.1{_ABI}-686-pae-dbg", r"usr/lib/debug/boot/vmlinux-.*", "i386"),
    "vmlinuz-6.1-cloud": Wanted(rf"linux-image-6\.1{_ABI}-cloud-amd64", r"boot/vmlinuz-.*"),  # LZ4, the legacy frame
    "vmlinuz-6.12-cloud": Wanted(rf"linux-image-6\.12{_ABI}-cloud-amd64", r"boot/vmlinuz-.*"),  # zstd
    "vmlinuz-6.1": Wanted(rf"linux-image-6\.1{_ABI}-amd64", r"boot/vmlinuz-.*"),  # xz
    "grub": Wanted(r"grub-xen-host", r"usr/lib/grub-xen/grub-i386-xen_pvh\.bin"),
    "xen": Wanted(r"xen-utils-4\.\d+", r"usr/lib/xen-4\.\d+/boot/xen-shim"),
}


class MissingError(Exception):
    """Neither in the cache nor offered by this machine's apt."""


def cache() -> Path:
    """Return the folder that holds one folder a package."""
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(home) / "pvhdbg" / "kernels"


def cached(wanted: Wanted) -> list[Path]:
    """Return the files there are, newest first."""
    folders = (path for path in cache().glob("*_*") if re.fullmatch(wanted.package, path.name.partition("_")[0]))
    files = (file for folder in folders for file in folder.iterdir())
    return sorted(files, key=lambda file: numbers(file.parent.name.partition("_")[2]), reverse=True)


def find(name: str) -> Path:
    """Return the newest cached file of that name in WANTED.

    :raise MissingError: there is none; the message says how to get it.
    """
    for file in cached(WANTED[name]):
        return file
    raise MissingError(f"{name} is not in {cache()}: `make test` fetches it where apt offers it")


def vmlinux(release: str) -> Path:
    """Return the ELF with debug information: "6.1", "6.12", or of a 32-bit kernel, "6.1-686"."""
    return find(f"vmlinux-{release}")


def vmlinuz(release: str) -> Path:
    """Return the bzImage: "6.1-cloud" (LZ4), "6.12-cloud" (zstd) or "6.1" (xz)."""
    return find(f"vmlinuz-{release}")


def grub_pvh() -> Path:
    """Return GRUB's 32-bit PVH image, a guest without any of Linux's symbols."""
    return find("grub")


def xen_shim() -> Path:
    """Return Xen itself as a 32-bit PVH guest, which has a multiboot header too."""
    return find("xen")


def rfc_vmlinux() -> Path:
    """Return Linux 6.1 as it would be had the RFC been merged: the map is a module called "e820 data"."""
    from tests.kernels import rfc

    return rfc.find()
