"""All guest profiles, and the one that fits a kernel file."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pvhdbg.guest_profiles.bsd import FREEBSD, NETBSD, NETBSD_CURRENT
from pvhdbg.guest_profiles.hypervisors import GRUB, MINI_OS, RUST_HYPERVISOR_FIRMWARE, XEN
from pvhdbg.guest_profiles.linux import LINUX, LINUX_32, TEACHING
from pvhdbg.guest_profiles.profile import GuestProfile, Marks
from pvhdbg.guest_profiles.unikernels import ASTERINAS, HERMIT, NANOS, OSV

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Iterable

OTHER = GuestProfile(
    name="other",
    title="any other guest",
    marks=Marks(),
    stages=(),
    variables=(),
    argument="",
    reads="unknown data: pvhdbg does not know this guest.",
    ignores="unknown data.",
    requires="an unknown handover.",
    source="Xen docs/misc/pvh.pandoc, which holds for every PVH guest",
    without="pvhdbg does not know this guest",
)
PROFILES = (
    TEACHING,
    LINUX,
    LINUX_32,
    FREEBSD,
    NETBSD,
    NETBSD_CURRENT,
    XEN,
    GRUB,
    MINI_OS,
    RUST_HYPERVISOR_FIRMWARE,
    OSV,
    NANOS,
    ASTERINAS,
    HERMIT,
    OTHER,
)
"""The profiles, in the order in which they are tried: the first one that fits is used."""

_BY_NAME = {profile.name: profile for profile in PROFILES}
_XEN, _GUEST_OS = "Xen", 6
_MAX_NOTES = 64

Note = tuple[str, int, bytes]
"""The owner, the type and the descriptor of an ELF note."""


def named(name: str) -> GuestProfile | None:
    """Return the profile with this name; None if there is none."""
    return _BY_NAME.get(name)


def guest_os(notes: Iterable[Note]) -> str:
    """Return the text of Xen's GUEST_OS note, or the empty string if there is none."""
    names = (desc for owner, kind, desc in notes if (owner, kind) == (_XEN, _GUEST_OS))
    return next(names, b"").partition(b"\0")[0].decode("latin-1")


def recognize(
    notes: Iterable[Note],
    symbols: Container[str],
    elf_class: int,
    contains: Callable[[bytes], bool] = lambda _: False,
) -> GuestProfile:
    """Return the profile that fits a kernel file. `contains` searches a string in its segments; it is asked last."""
    first = [note for note, _ in zip(notes, range(_MAX_NOTES), strict=False)]
    os_name, owners = guest_os(first), {owner for owner, *_ in first}
    for profile in PROFILES:
        if _fits(profile.marks, symbols, os_name, owners):
            return _of_class(profile, elf_class)
    for profile in PROFILES:
        if profile.marks.string and contains(profile.marks.string):
            return _of_class(profile, elf_class)
    return OTHER


def _fits(marks: Marks, symbols: Container[str], os_name: str, owners: Container[str]) -> bool:
    if marks.symbols and all(name in symbols for name in marks.symbols):
        return True
    is_os = bool(marks.guest_os) and os_name.startswith(marks.guest_os)
    return is_os or (bool(marks.note_owner) and marks.note_owner in owners)


def _of_class(profile: GuestProfile, elf_class: int) -> GuestProfile:
    return LINUX_32 if profile is LINUX and elf_class == 32 else profile
