"""Rules about what start_info points to besides the memory map: the modules, the command line and the RSDP."""

from __future__ import annotations

from pvhdbg.boot.record.document import VmmFacts
from tests.build import CMDLINE, MAP, MODLIST, RAMDISK, START_INFO
from tests.checks.cases import (
    BLOB,
    FREEBSD,
    HOBBY,
    MACHINE,
    NAME,
    RFC,
    Row,
    blob,
    entry,
    error,
    info,
    prepare,
    warning,
)
from tests.checks.tables.entry import COPY, OTHER_GUEST

FOUR_GIB = 1 << 32
WITHOUT_INITRD = MACHINE._replace(initrd=None)
RSDP = 0xE0000
GOOD_RSDP = b"RSD PTR " + bytes([0x100 - sum(b"RSD PTR ") % 0x100]) + bytes(27)

MODULES = (
    Row("PVH301", lambda: entry(modlist_paddr=1 << 40), error("start_info.modlist_paddr", START_INFO + 0x10), entry),
    Row(
        "PVH301",
        lambda: entry(modlist_paddr=1 << 30, puts=((1 << 30, bytes(32)),)),
        error("start_info.modlist_paddr", START_INFO + 0x10),
        lambda: entry(modlist_paddr=1 << 30, puts=((1 << 30, b"\1" + bytes(31)),)),
    ),
    Row(
        "PVH301",
        lambda: entry(modlist_paddr=1 << 40, **OTHER_GUEST),
        warning("start_info.modlist_paddr", START_INFO + 0x10),
        lambda: entry(modlist_paddr=1 << 40, nr_modules=0),
    ),
    Row(
        "PVH301",
        lambda: entry(nr_modules=4097, puts=((MODLIST, bytes(4096 * 32)),)),
        warning("start_info.modlist_paddr", START_INFO + 0x10),
        lambda: entry(nr_modules=4096, puts=((MODLIST, bytes(4096 * 32)),)),
    ),
    Row(
        "PVH302",
        lambda: entry(nr_modules=0),
        warning("start_info.modlist_paddr", START_INFO + 0x10),
        lambda: entry(modules=()),
    ),
    Row(
        "PVH302",
        lambda: entry(nr_modules=0, image=FREEBSD),
        error("start_info.modlist_paddr", START_INFO + 0x10),
        lambda: entry(modules=(), image=FREEBSD),
    ),
    Row(
        "PVH303",
        lambda: entry(modules=()),
        error("start_info.nr_modules", START_INFO + 0xC),
        lambda: entry(modules=(), machine=MACHINE._replace(initrd=None)),
    ),
    Row(
        "PVH303",
        lambda: entry(modules=(), machine=MACHINE._replace(initrd_size=1)),
        error("start_info.nr_modules", START_INFO + 0xC),
        lambda: entry(modules=(), machine=MACHINE._replace(initrd_size=0)),
    ),
    Row(
        "PVH303",
        lambda: entry(modules=(), machine=MACHINE._replace(initrd=None, argv=("-initrd", "x"))),
        error("start_info.nr_modules", START_INFO + 0xC),
        lambda: entry(modules=(), machine=MACHINE._replace(initrd=None, argv=("-initrd",))),
    ),
    Row(
        "PVH304",
        lambda: entry(modules=((0, 8, 0, 0),)),
        error("modules[0].paddr", MODLIST),
        lambda: entry(modules=((RAMDISK, 1, 0, 0),)),
    ),
    Row(
        "PVH304",
        lambda: entry(modules=((RAMDISK, 0, 0, 0),)),
        error("modules[0].size", MODLIST + 0x8),
        lambda: entry(
            **blob() | {"modules": ((0, 0, 0, 0), (BLOB, 124, NAME, 0))}, machine=MACHINE._replace(initrd=None)
        ),
    ),
    Row(
        "PVH304",
        lambda: entry(modules=((0, 8, 0, 0),), **OTHER_GUEST),
        warning("modules[0].paddr", MODLIST),
        lambda: entry(modules=((8, 8, 0, 0),), **OTHER_GUEST),
    ),
    Row(
        "PVH304",
        lambda: entry(modules=((0, 0, 0, 0),), machine=WITHOUT_INITRD),
        info("modules[0].paddr", MODLIST),
        lambda: entry(modules=(), machine=WITHOUT_INITRD),
    ),
    Row(
        "PVH305",
        lambda: entry(modules=((FOUR_GIB, 1, 0, 0),)),
        error("modules[0].paddr", MODLIST),
        lambda: entry(modules=((FOUR_GIB - 1, 1, 0, 0),)),
    ),
    Row(
        "PVH305",
        lambda: entry(modules=((RAMDISK, FOUR_GIB, 0, 0),), **OTHER_GUEST),
        warning("modules[0].size", MODLIST + 8),
        lambda: entry(modules=((RAMDISK, FOUR_GIB - 1, 0, 0), (FOUR_GIB, 1, 0, 0)), **OTHER_GUEST),
    ),
    Row("PVH306", lambda: entry(modules=((RAMDISK, 1 << 29, 0, 0),)), error("modules[0].paddr", MODLIST), entry),
    Row(
        "PVH306",
        lambda: entry(modules=((RAMDISK, 1 << 29, 0, 0),), **OTHER_GUEST),
        warning("modules[0].paddr", MODLIST),
        lambda: entry(modules=((RAMDISK, 0x20000000 - RAMDISK, 0, 0),), **OTHER_GUEST),
    ),
    Row(
        "PVH306",
        lambda: entry(modules=((RAMDISK, 1, 0, 0), (0x20000000, 1, 0, 0))),
        warning("modules[1].paddr", MODLIST + 0x20),
        lambda: entry(modules=((RAMDISK, 1, 0, 0), (0x1FFFFFFF, 1, 0, 0))),
    ),
    Row(
        "PVH306",
        lambda: entry(((0x100000, 0x1FEFF000, 1), (0x1FFFF000, 0x1000, 2)), modules=((0x1FFFE000, 0x2000, 0, 0),)),
        info("modules[0].paddr", MODLIST),
        lambda: entry(((0x100000, 0x1FEFF000, 1), (0x1FFFF000, 0x1000, 2)), modules=((0x1FFFE000, 0x1000, 0, 0),)),
    ),
    Row(
        "PVH306",
        lambda: entry(((0x100000, 0x1EF00000, 1),), modules=((0x1FFFE000, 0x2001, 0, 0),)),
        error("modules[0].paddr", MODLIST),
        lambda: entry(((0x100000, 0x1EF00000, 1),), modules=((0x1EFFF000, 0x1000, 0, 0),)),
    ),
    Row(
        "PVH306",
        lambda: entry(((0x100000, 0x1EF00000, 1),), modules=((0x1FFFE000, 0x2000, 0, 0),)),
        info("modules[0].paddr", MODLIST),
        lambda: entry(((0x100000, 0x1EF00000, 1),), modules=((0x1EFFF000, 0x1000, 0, 0),)),
    ),
    Row("PVH307", lambda: entry(modules=((RAMDISK, 1, 0, 9),)), info("modules[0].reserved", MODLIST + 0x18), entry),
    Row(
        "PVH308",
        lambda: entry(modules=((RAMDISK, 1, 1 << 40, 0),)),
        warning("modules[0].cmdline_paddr", MODLIST + 0x10),
        entry,
    ),
    Row(
        "PVH309",
        lambda: entry(modules=((RAMDISK, 1, 0, 0),) * 2),
        info("start_info.nr_modules", START_INFO + 0xC),
        lambda: entry(**blob()),
    ),
    Row(
        "PVH309",
        lambda: entry(**blob(table=MAP)),
        info("start_info.nr_modules", START_INFO + 0xC),
        lambda: entry(symbols=RFC, **blob(table=MAP)),
    ),
    Row(
        "PVH309",
        lambda: entry(nr_modules=2),
        info("start_info.nr_modules", START_INFO + 0xC),
        lambda: entry(nr_modules=2, magic=0),
    ),
    Row(
        "PVH310",
        lambda: entry(**blob(name=b"e820 data ")),
        warning("modules[1].cmdline", NAME),
        lambda: entry(**blob()),
    ),
    Row(
        "PVH310",
        lambda: entry(**blob(name=b"E820_DATA")),
        warning("modules[1].cmdline", NAME),
        lambda: entry(**blob(name=b"firmware")),
    ),
    Row(
        "PVH310",
        lambda: entry(modules=((BLOB, 4, NAME, 0),), puts=((NAME, b"e820 data\0"),)),
        warning("modules[0].cmdline", NAME),
        entry,
    ),
    Row(
        "PVH310",
        lambda: entry(symbols=RFC, **blob(name=b"e820 data ")),
        error("modules[1].cmdline", NAME),
        lambda: entry(symbols=RFC, **blob()),
    ),
    Row(
        "PVH311",
        lambda: entry(**blob(size=123)),
        warning("modules[1].size", MODLIST + 0x28),
        lambda: entry(**blob(size=124)),
    ),
    Row(
        "PVH312",
        lambda: entry(image=FREEBSD),
        warning("modules[0].cmdline_paddr", MODLIST + 0x10),
        lambda: entry(image=HOBBY),
    ),
    Row(
        "PVH313",
        lambda: entry(puts=((RAMDISK, b"\x7fELF"),)),
        error("modules[0].paddr", MODLIST),
        lambda: entry(puts=((RAMDISK, b"\x7fELF"),), **OTHER_GUEST),
    ),
    Row(
        "PVH313",
        lambda: entry(puts=((RAMDISK, b"root:x:0:0:\n"),)),
        error("modules[0].paddr", MODLIST),
        lambda: entry(puts=((RAMDISK, b"\0\0\0\x00070701"),)),
    ),
    Row(
        "PVH313",
        lambda: entry(puts=((RAMDISK, b"\x1f\x8c"),)),
        error("modules[0].paddr", MODLIST),
        lambda: entry(puts=((RAMDISK, b"\x1f\x8b"),)),
    ),
    Row(
        "PVH313",
        lambda: entry(puts=((RAMDISK + 1079, b"\x53\xef"),)),
        error("modules[0].paddr", MODLIST),
        lambda: entry(puts=((RAMDISK + 1080, b"\x53\xef"),)),
    ),
    Row(
        "PVH314",
        lambda: entry(modules=(), machine=MACHINE._replace(initrd_size=0)),
        error("start_info.nr_modules", START_INFO + 0xC),
        lambda: entry(machine=MACHINE._replace(initrd_size=0)),
    ),
)

ON_FIRECRACKER = MACHINE._replace(vmm=VmmFacts("firecracker", "1.16", ()))
ON_GOKVM = MACHINE._replace(vmm=VmmFacts("gokvm", "", ()), initrd=None)
ON_ANOTHER = MACHINE._replace(vmm=VmmFacts("../of a hostile recording", "", ()))
LONG = b"x" * 2047
CMDLINES = (
    Row(
        "PVH320",
        lambda: entry(cmdline_paddr=0),
        error("start_info.cmdline_paddr", START_INFO + 0x18),
        lambda: entry(cmdline_paddr=0, machine=MACHINE._replace(append="")),
    ),
    Row("PVH320", lambda: entry(puts=((CMDLINE, b"\0"),)), error("start_info.cmdline_paddr", START_INFO + 0x18), entry),
    Row(
        "PVH320",
        lambda: entry(puts=((CMDLINE, b"\0"),), machine=ON_GOKVM),
        warning("start_info.cmdline_paddr", START_INFO + 0x18),
        lambda: entry(machine=ON_GOKVM),
    ),
    Row(
        "PVH320",
        lambda: entry(puts=((CMDLINE, b"\0"),), machine=ON_GOKVM._replace(initrd="initrd.img")),
        error("start_info.cmdline_paddr", START_INFO + 0x18),
        lambda: entry(machine=ON_GOKVM._replace(initrd="initrd.img")),
    ),
    Row(
        "PVH321",
        lambda: entry(cmdline_paddr=1 << 40),
        error("start_info.cmdline_paddr", START_INFO + 0x18),
        lambda: entry(cmdline_paddr=0),
    ),
    Row(
        "PVH321",
        lambda: entry(cmdline_paddr=1 << 40, **OTHER_GUEST),
        warning("start_info.cmdline_paddr", START_INFO + 0x18),
        lambda: entry(cmdline_paddr=1 << 40, magic=0),
    ),
    Row(
        "PVH321",
        lambda: entry(puts=((0x8FFE, b"ab"),), cmdline_paddr=0x8FFE),
        warning("start_info.cmdline_paddr", START_INFO + 0x18),
        lambda: entry(puts=((0x8FFE, b"a\0"),), cmdline_paddr=0x8FFE),
    ),
    Row(
        "PVH322", lambda: entry(puts=((0x8000, LONG + b"y\0"),), cmdline_paddr=0x8000), error("cmdline", 0x8000), entry
    ),
    Row(
        "PVH322",
        lambda: entry(puts=((0x8000, LONG * 3 + b"\0"),), cmdline_paddr=0x8000),
        error("cmdline", 0x8000),
        lambda: entry(puts=((0x8000, LONG + b"\0"),), cmdline_paddr=0x8000),
    ),
    Row(
        "PVH322",
        lambda: entry(puts=((0x8000, LONG + b"y\0"),), cmdline_paddr=0x8000, **OTHER_GUEST),
        warning("cmdline", 0x8000),
        lambda: entry(puts=((0x8000, LONG + b"\0"),), cmdline_paddr=0x8000, **OTHER_GUEST),
    ),
    Row(
        "PVH325",
        lambda: entry(puts=((0x8000, LONG + b"\0"),), cmdline_paddr=0x8000, machine=ON_FIRECRACKER),
        info("cmdline", 0x8000),
        lambda: entry(puts=((0x8000, LONG[1:] + b"\0"),), cmdline_paddr=0x8000, machine=ON_FIRECRACKER),
    ),
    Row(
        "PVH325",
        lambda: entry(puts=((0x8000, LONG + b"\0"),), cmdline_paddr=0x8000, machine=ON_FIRECRACKER),
        info("cmdline", 0x8000),
        lambda: entry(puts=((0x8000, LONG + b"\0"),), cmdline_paddr=0x8000, machine=ON_ANOTHER),
    ),
    Row(
        "PVH323",
        lambda: entry(puts=((CMDLINE, b"\x1b[\0"),)),
        info("cmdline", CMDLINE),
        lambda: entry(puts=((CMDLINE, b"a\tb~\0"),)),
    ),
    Row(
        "PVH323",
        lambda: entry(puts=((CMDLINE + 3, b"\x7f"),)),
        info("cmdline", CMDLINE + 3),
        lambda: entry(puts=((CMDLINE + 3, b"~ "),)),
    ),
    Row(
        "PVH324",
        lambda: entry(machine=MACHINE._replace(argv=("-append", "quiet"))),
        info("cmdline", CMDLINE),
        lambda: entry(machine=MACHINE._replace(append="quiet", argv=("-append", "console=ttyS0 "))),
    ),
    Row(
        "PVH324",
        lambda: entry(puts=((CMDLINE, b"quiet\0"),)),
        info("cmdline", CMDLINE),
        lambda: entry(puts=((CMDLINE + 31, b" more\0"),)),
    ),
    Row("PVH324", lambda: entry(puts=((CMDLINE + 30, b"\0"),)), error("cmdline", CMDLINE), entry),
    Row("PVH324", lambda: entry(puts=((CMDLINE + 30, b"\0"),), **OTHER_GUEST), warning("cmdline", CMDLINE), entry),
)

RSDPS = (
    Row("PVH330", entry, info("start_info.rsdp_paddr", START_INFO + 0x20), lambda: entry(rsdp_paddr=RSDP)),
    Row(
        "PVH331",
        lambda: entry(rsdp_paddr=RSDP, puts=((RSDP, b"RSD PTR\0" + bytes(28)),)),
        warning("start_info.rsdp_paddr", RSDP),
        lambda: entry(rsdp_paddr=RSDP, puts=((RSDP, GOOD_RSDP),)),
    ),
    Row(
        "PVH332",
        lambda: entry(rsdp_paddr=RSDP, puts=((RSDP, GOOD_RSDP[:19] + b"\1" + GOOD_RSDP[20:]),)),
        warning("start_info.rsdp_paddr", RSDP),
        lambda: entry(rsdp_paddr=RSDP, puts=((RSDP, GOOD_RSDP[:35] + b"\1"),)),
    ),
    Row(
        "PVH333",
        lambda: entry(puts=((0xF59E0, GOOD_RSDP),)),
        warning("start_info.rsdp_paddr", START_INFO + 0x20),
        lambda: entry(puts=((0xF59E8, GOOD_RSDP),)),
    ),
    Row(
        "PVH333",
        lambda: prepare(puts=((0xF59E0, GOOD_RSDP),)),
        warning("pvh_start_info.rsdp_paddr", COPY + 0x20),
        lambda: prepare(puts=((0xF59E0, GOOD_RSDP[:8] + b"\0" + GOOD_RSDP[9:]),)),
    ),
    Row(
        "PVH333",
        lambda: entry(puts=((0x40E, b"\x00\x9d"), (0x9D000, GOOD_RSDP))),
        warning("start_info.rsdp_paddr", START_INFO + 0x20),
        lambda: entry(puts=((0x40E, b"\x00\x9d"), (0x9D400, GOOD_RSDP))),
    ),
)

ROWS = (*MODULES, *CMDLINES, *RSDPS)
