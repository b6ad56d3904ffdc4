"""Find the test kernels: files from Debian packages, in a cache outside the checkout.

fetch.py fills the cache. The cache has one folder per package, named <package>_<version>, with one file in it. Packages
of another release of Debian are in a folder of that release.
"""

import os
import re
from pathlib import Path
from typing import NamedTuple

from tests.kernels import state
from tests.kernels.apt import version_key


class PackageFile(NamedTuple):
    """A file in a Debian package. The version is the one that apt offers."""

    package: str
    """A regular expression that matches the whole name of the package."""
    member: str
    """A regular expression that matches the whole path in the package. If the file's name does not have the kernel's
    release, the expression has a group for it.
    """
    architecture: str | None = None
    """Debian's name of the architecture; None for the architecture of this machine."""
    suite: str | None = None
    """Debian's name of the release; None for the release of this machine."""


# The part of a package's name after 6.1 or 6.12: .0-56, .117+deb12, .0-0.deb11.13
_ABI = r"\.\d+(?:[-+.](?:deb|bpo)?\d+)*"

FILES = {
    "vmlinux-6.1": PackageFile(rf"linux-image-6\.1{_ABI}-cloud-amd64-dbg", r"usr/lib/debug/boot/vmlinux-.*"),
    "vmlinux-6.12": PackageFile(rf"linux-image-6\.12{_ABI}-cloud-amd64-dbg", r"usr/lib/debug/boot/vmlinux-.*"),
    "vmlinux-6.1-686": PackageFile(rf"linux-image-6\.1{_ABI}-686-pae-dbg", r"usr/lib/debug/boot/vmlinux-.*", "i386"),
    "vmlinux-5.10": PackageFile(
        rf"linux-image-5\.10{_ABI}-cloud-amd64-dbg", r"usr/lib/debug/boot/vmlinux-.*", suite="bullseye"
    ),
    "vmlinux-sid": PackageFile(
        r"linux-image-[\d.]+(?:[-+](?:deb)?\d+)?-cloud-amd64-dbg",
        r"usr/lib/debug/lib/modules/([^/]+)/vmlinux",
        suite="sid",
    ),
    "vmlinuz-6.1-cloud": PackageFile(rf"linux-image-6\.1{_ABI}-cloud-amd64", r"boot/vmlinuz-.*"),  # legacy LZ4
    "vmlinuz-6.12-cloud": PackageFile(rf"linux-image-6\.12{_ABI}-cloud-amd64", r"boot/vmlinuz-.*"),  # zstd
    "vmlinuz-6.1": PackageFile(rf"linux-image-6\.1{_ABI}-amd64", r"boot/vmlinuz-.*"),  # xz
    "grub": PackageFile(r"grub-xen-host", r"usr/lib/grub-xen/grub-i386-xen_pvh\.bin"),
    "hypervisor": PackageFile(r"xen-hypervisor-4\.\d+-amd64", r"boot/xen-4\.[\d.]+-amd64\.gz"),
    "xen": PackageFile(r"xen-utils-4\.\d+", r"usr/lib/xen-4\.\d+/boot/xen-shim"),
}


class MissingError(Exception):
    """A test kernel is not in the cache."""


def cache() -> Path:
    """Return the folder of the cache."""
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(home) / "pvhdbg" / "kernels"


GDB_INDEX = (f"set index-cache directory {cache() / 'gdb-index'}", "set index-cache enabled on")
"""gdb's commands to store an index of each kernel's debug information, and to use it: a second gdb then loads the
symbols in a quarter of the time.
"""


def cached(file: PackageFile) -> list[Path]:
    """Return the cached versions of a file, newest first."""
    folder = cache() / (file.suite or "")
    folders = (path for path in folder.glob("*_*") if re.fullmatch(file.package, path.name.partition("_")[0]))
    paths = (path for folder in folders for path in folder.iterdir())
    return sorted(paths, key=lambda path: version_key(path.parent.name.partition("_")[2]), reverse=True)


def find(name: str) -> Path:
    """Return the newest cached version of a file in FILES.

    :raise MissingError: if the file is not in the cache. The message says how to get it.
    """
    state.check_may_use(state.FETCHED)
    for path in cached(FILES[name]):
        return path
    raise MissingError(f"{name} is not in {cache()}: `make test` fetches it if apt offers it")


def vmlinux(release: str) -> Path:
    """Return an ELF file with debug information: "5.10", "6.1", "6.12", "sid" (the newest) or the 32-bit "6.1-686"."""
    return find(f"vmlinux-{release}")


def vmlinuz(release: str) -> Path:
    """Return a bzImage: "6.1-cloud" (LZ4), "6.12-cloud" (zstd) or "6.1" (xz)."""
    return find(f"vmlinuz-{release}")


def grub_pvh() -> Path:
    """Return GRUB's 32-bit PVH image, a guest without symbols."""
    return find("grub")


def xen_shim() -> Path:
    """Return Xen as a 32-bit PVH guest. It also has a multiboot header."""
    return find("xen")


def xen_hypervisor() -> Path:
    """Return Xen as a hypervisor: the file of /boot, which `pvhdbg --xen` starts."""
    return find("hypervisor")


def rfc_vmlinux() -> Path:
    """Return a Linux 6.1 with the 2017 RFC protocol: the memory map is a module named "e820 data"."""
    from tests.kernels import rfc

    state.check_may_use(state.BUILT)
    return rfc.find()
