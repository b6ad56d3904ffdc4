"""Rules that hold only for one guest: what FreeBSD, NetBSD, Xen, OSv, Nanos and others demand of the boot data."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pvhdbg.boot.record.document import VmmFacts
from tests.build import CMDLINE, MAP, MEMMAP, MODLIST, RAMDISK, RAMDISK_SIZE, START_INFO
from tests.checks.cases import HOBBY, LINUX, MACHINE, NAME, Row, entry, error, info, warning

if TYPE_CHECKING:
    from pvhdbg.checks.case import Case

WITHOUT_XEN = MACHINE._replace(vmm=VmmFacts("xen-domu", "", ()))
ON_XEN = MACHINE._replace(accel="kvm", argv=("qemu-system-x86_64", "-accel", "kvm,xen-version=0x40011"))
NAMED = (RAMDISK, RAMDISK_SIZE, NAME, 0)
FOUR_GIB = 1 << 32
MANY = tuple((0x100000 * index, 0x1000, 2) for index in range(1, 169))
LONG = b"x" * 100
WORDS = b"console=com0\0\0\0\0"


def of(name: str, *arguments: Any, **differences: Any) -> Case:  # noqa: ANN401 - the arguments of another function
    """Return a case at the entry of the guest with this profile."""
    image = LINUX if name == "linux" else HOBBY._replace(guest=name)
    return entry(*arguments, image=image, symbols={}, **differences)


FREEBSD = (
    Row("PVH611", lambda: of("freebsd", None), error("start_info.version", START_INFO + 4), lambda: of("freebsd")),
    Row(
        "PVH611",
        lambda: of("freebsd", memmap_paddr=0, memmap_entries=0),
        error("start_info.memmap_paddr", START_INFO + 0x28),
        lambda: of("freebsd", memmap_paddr=0, memmap_entries=0, machine=ON_XEN),
    ),
    Row(
        "PVH611",
        lambda: of("freebsd", None),
        error("start_info.version", START_INFO + 4),
        lambda: of("netbsd", None),
    ),
    Row(
        "PVH612",
        lambda: of("freebsd", modules=(NAMED,), puts=((NAME, b"initrd\0"),)),
        warning("modules[0].cmdline", NAME),
        lambda: of("freebsd", modules=(NAMED,), puts=((NAME, b"header\0"),)),
    ),
    Row(
        "PVH612",
        lambda: of("freebsd", modules=(NAMED,), puts=((NAME, b"headers\0"),)),
        warning("modules[0].cmdline", NAME),
        lambda: of("linux", modules=(NAMED,), puts=((NAME, b"headers\0"),)),
    ),
)
NETBSD = (
    Row(
        "PVH613",
        lambda: of("netbsd", puts=((CMDLINE, WORDS + b"rest"),), cmdline_paddr=CMDLINE + 1),
        warning("cmdline", CMDLINE + 1),
        lambda: of("netbsd", puts=((CMDLINE, WORDS + b"rest"),)),
    ),
    Row(
        "PVH613",
        lambda: of("netbsd", puts=((CMDLINE, b"-v\0x" + b"junk"),)),
        warning("cmdline", CMDLINE),
        lambda: of("netbsd-current", puts=((CMDLINE, b"-v\0x" + b"junk"),)),
    ),
    Row(
        "PVH614",
        lambda: of("netbsd", MANY, puts=((CMDLINE, bytes(200)),), memmap_paddr=0x20000),
        error("start_info.memmap_entries", START_INFO + 0x30),
        lambda: of("netbsd", MANY[:-1], puts=((CMDLINE, bytes(200)),), memmap_paddr=0x20000),
    ),
    Row(
        "PVH614",
        lambda: of("netbsd", MANY[:164], puts=((CMDLINE, LONG + bytes(100)),), memmap_paddr=0x20000),
        error("start_info.memmap_entries", START_INFO + 0x30),
        lambda: of("linux", MANY[:164], puts=((CMDLINE, LONG + bytes(100)),), memmap_paddr=0x20000),
    ),
    Row(
        "PVH615",
        lambda: of("netbsd", cmdline_paddr=FOUR_GIB),
        error("start_info.cmdline_paddr", START_INFO + 0x18),
        lambda: of("netbsd", cmdline_paddr=FOUR_GIB - 0x1000),
    ),
    Row(
        "PVH615",
        lambda: of("netbsd-current", memmap_paddr=FOUR_GIB + MEMMAP),
        error("start_info.memmap_paddr", START_INFO + 0x28),
        lambda: of("linux", memmap_paddr=FOUR_GIB + MEMMAP),
    ),
)
EIGHT = tuple((RAMDISK + 0x1000 * index, 0x1000, 0, 0) for index in range(8))
XEN = (
    Row(
        "PVH616",
        lambda: of("xen-guest", modules=EIGHT),
        error("start_info.nr_modules", START_INFO + 0xC),
        lambda: of("xen-guest", modules=EIGHT[:7]),
    ),
    Row(
        "PVH616",
        lambda: of("xen-guest", modules=EIGHT),
        error("start_info.nr_modules", START_INFO + 0xC),
        lambda: of("grub", modules=EIGHT),
    ),
    Row(
        "PVH617",
        lambda: of("xen-guest", modules=((FOUR_GIB, 0x1000, 0, 0),)),
        error("modules[0].paddr", MODLIST),
        lambda: of("xen-guest", modules=((FOUR_GIB - 0x1000, 0x1000, 0, 0),)),
    ),
    Row(
        "PVH617",
        lambda: of("xen-guest", modules=((RAMDISK, 0x1000, FOUR_GIB, 0),), cmdline_paddr=FOUR_GIB),
        (*error("start_info.cmdline_paddr", START_INFO + 0x18), *error("modules[0].cmdline_paddr", MODLIST + 0x10)),
        lambda: of("linux", modules=((RAMDISK, 0x1000, FOUR_GIB, 0),), cmdline_paddr=FOUR_GIB),
    ),
    Row("PVH618", lambda: of("xen-guest"), warning("kernel.guest"), lambda: of("xen-guest", machine=ON_XEN)),
    Row("PVH618", lambda: of("grub"), warning("kernel.guest"), lambda: of("linux")),
    Row("PVH618", lambda: of("grub", machine=WITHOUT_XEN), info("kernel.guest"), lambda: of("linux")),
    Row("PVH618", lambda: of("mini-os"), warning("kernel.guest"), lambda: of("freebsd")),
)
UNIKERNELS = (
    Row(
        "PVH619",
        lambda: of("osv", puts=((0x1080, b"verbose\0"),), cmdline_paddr=0x1080),
        error("cmdline", 0x1080),
        lambda: of("osv", puts=((0x1100, b"verbose\0"),), cmdline_paddr=0x1100),
    ),
    Row(
        "PVH619",
        lambda: of("osv", puts=((0x2000, b"verbose\0"),), cmdline_paddr=0x2000),
        error("cmdline", 0x2000),
        lambda: of("osv", puts=((0x2000 + 24 * len(MAP), b"verbose\0"),), cmdline_paddr=0x2000 + 24 * len(MAP)),
    ),
    Row(
        "PVH619",
        lambda: of("osv", MAP, memmap_paddr=0x1F80),
        error("memory_map", 0x1F80),
        lambda: of("linux", MAP, memmap_paddr=0x1F80),
    ),
    Row("PVH620", lambda: of("nanos"), info("cmdline", CMDLINE), lambda: of("nanos", cmdline_paddr=0)),
    Row("PVH620", lambda: of("nanos"), info("cmdline", CMDLINE), lambda: of("osv")),
    Row("PVH621", lambda: of("asterinas", None), error("start_info.version", START_INFO + 4), lambda: of("asterinas")),
    Row("PVH621", lambda: of("hermit", None), error("start_info.version", START_INFO + 4), lambda: of("nanos", None)),
    Row(
        "PVH621",
        lambda: of("rust-hypervisor-firmware", None),
        error("start_info.version", START_INFO + 4),
        lambda: of("linux", None),
    ),
)
ROWS = (*FREEBSD, *NETBSD, *XEN, *UNIKERNELS)
