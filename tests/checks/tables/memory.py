"""Rules about the memory map, the modules, the command line, the RSDP, and the placement of all of them."""

from __future__ import annotations

from typing import Any

from pvhdbg.image.facts import Segment
from tests.build import CMDLINE, MAP, RAMDISK, START_INFO, Range
from tests.checks.cases import (
    BLOB,
    FREEBSD,
    HOBBY,
    LINUX,
    MACHINE,
    NAME,
    RFC,
    Row,
    blob,
    entry,
    prepare,
)

GIB, FOUR_GIB, TOP = 1 << 30, 1 << 32, 1 << 64
WHOLE: tuple[Range, ...] = ((0, 0x9FC00, 1), (0x100000, 0x1FF00000, 1))
RSDP = 0xE0000
GOOD_RSDP = b"RSD PTR " + bytes([0x100 - sum(b"RSD PTR ") % 0x100]) + bytes(27)


def many(count: int) -> list[Range]:
    return [*WHOLE, *((FOUR_GIB + (index << 20), 1 << 20, 2) for index in range(count - len(WHOLE)))]


def mapped(count: int, low: int = 0x20000) -> dict[str, Any]:
    return {"table": many(count), "memmap_paddr": low}


MEMMAP = (
    Row("PVH201", entry, lambda: entry(WHOLE)),
    Row("PVH202", lambda: entry((*WHOLE, (0x9F000, 0x1000, 2))), lambda: entry((*WHOLE, (0x9FC00, 0x400, 2)))),
    Row("PVH203", lambda: entry(WHOLE[::-1]), lambda: entry((*WHOLE, (0, 0, 0)))),
    Row("PVH204", lambda: entry((*WHOLE, (TOP - 4096, 8192, 2))), lambda: entry((*WHOLE, (TOP - 8192, 4096, 2)))),
    Row("PVH205", lambda: entry((*WHOLE, (FOUR_GIB, 4096, 6))), lambda: entry((*WHOLE, (FOUR_GIB, 4096, 7)))),
    Row("PVH206", lambda: entry(WHOLE, puts=((0xEFC20 + 20, b"\1"),)), lambda: entry(WHOLE)),
    Row("PVH207", lambda: entry(**mapped(127)), lambda: entry(**mapped(126))),
    Row("PVH207", lambda: entry(**blob(many(300))), lambda: entry(**blob(many(126)))),
    Row("PVH208", lambda: entry(((0, GIB, 2),)), lambda: entry(((0, GIB, 1),))),
    Row("PVH209", lambda: entry(((0, 0x9FC00, 1),)), lambda: entry(((0x1000000, 0x2800000, 1),))),
    Row("PVH210", lambda: entry(((0, 0x1C000000, 1),)), lambda: entry(((0, 0x1F000000, 1),))),
    Row(
        "PVH210",
        lambda: entry(machine=MACHINE._replace(argv=("qemu", "-m", "512M", "-m", "1G"))),
        lambda: entry(machine=MACHINE._replace(memory="1G", argv=("qemu", "-m", "1G", "-m", "size=512M"))),
    ),
    Row("PVH211", lambda: entry(((0, 0x20000000, 1),)), lambda: entry(((0, 0xA0000, 1), (0x100000, GIB, 1)))),
    Row("PVH212", lambda: entry(None, version=1, memmap_paddr=1 << 40, memmap_entries=3), entry),
)

MODULES = (
    Row("PVH301", lambda: entry(modlist_paddr=1 << 40), entry),
    Row("PVH302", lambda: entry(nr_modules=0), lambda: entry(modules=())),
    Row("PVH303", lambda: entry(modules=()), lambda: entry(modules=(), machine=MACHINE._replace(initrd=None))),
    Row(
        "PVH303",
        lambda: entry(modules=(), machine=MACHINE._replace(initrd=None, argv=("-initrd", "x"))),
        lambda: entry(modules=(), machine=MACHINE._replace(initrd=None, argv=("-initrd",))),
    ),
    Row("PVH304", lambda: entry(modules=((0, 8, 0, 0),)), lambda: entry(modules=((RAMDISK, 1, 0, 0),))),
    Row(
        "PVH304",
        lambda: entry(modules=((RAMDISK, 0, 0, 0),)),
        lambda: entry(
            **blob() | {"modules": ((0, 0, 0, 0), (BLOB, 124, NAME, 0))}, machine=MACHINE._replace(initrd=None)
        ),
    ),
    Row("PVH305", lambda: entry(modules=((FOUR_GIB, 1, 0, 0),)), lambda: entry(modules=((FOUR_GIB - 1, 1, 0, 0),))),
    Row("PVH306", lambda: entry(modules=((RAMDISK, 1 << 29, 0, 0),)), entry),
    Row("PVH307", lambda: entry(modules=((RAMDISK, 1, 0, 9),)), entry),
    Row("PVH308", lambda: entry(modules=((RAMDISK, 1, 1 << 40, 0),)), entry),
    Row("PVH309", lambda: entry(modules=((RAMDISK, 1, 0, 0),) * 2), lambda: entry(**blob())),
    Row("PVH309", lambda: entry(**blob(table=MAP)), lambda: entry(symbols=RFC, **blob(table=MAP))),
    Row("PVH309", lambda: entry(nr_modules=2), lambda: entry(nr_modules=2, magic=0)),
    Row("PVH310", lambda: entry(**blob(name=b"e820 data ")), lambda: entry(**blob())),
    Row("PVH310", lambda: entry(**blob(name=b"E820_DATA")), lambda: entry(**blob(name=b"firmware"))),
    Row("PVH310", lambda: entry(modules=((BLOB, 4, NAME, 0),), puts=((NAME, b"e820 data\0"),)), entry),
    Row("PVH311", lambda: entry(**blob(size=123)), lambda: entry(**blob(size=124))),
    Row("PVH312", lambda: entry(image=FREEBSD), lambda: entry(image=HOBBY)),
)

LONG = b"x" * 2047
CMDLINES = (
    Row("PVH320", lambda: entry(cmdline_paddr=0), lambda: entry(cmdline_paddr=0, machine=MACHINE._replace(append=""))),
    Row("PVH320", lambda: entry(puts=((CMDLINE, b"\0"),)), entry),
    Row("PVH321", lambda: entry(cmdline_paddr=1 << 40), lambda: entry(cmdline_paddr=0)),
    Row("PVH322", lambda: entry(puts=((0x8000, LONG + b"y\0"),), cmdline_paddr=0x8000), entry),
    Row(
        "PVH322",
        lambda: entry(puts=((0x8000, LONG * 3 + b"\0"),), cmdline_paddr=0x8000),
        lambda: entry(puts=((0x8000, LONG + b"\0"),), cmdline_paddr=0x8000),
    ),
    Row("PVH323", lambda: entry(puts=((CMDLINE, b"\x1b[\0"),)), lambda: entry(puts=((CMDLINE, b"a\tb~\0"),))),
    Row(
        "PVH324",
        lambda: entry(machine=MACHINE._replace(argv=("-append", "quiet"))),
        lambda: entry(machine=MACHINE._replace(append="quiet", argv=("-append", "console=ttyS0 "))),
    ),
    Row("PVH324", lambda: entry(puts=((CMDLINE, b"quiet\0"),)), lambda: entry(puts=((CMDLINE + 31, b" more\0"),))),
)

RSDPS = (
    Row("PVH330", entry, lambda: entry(rsdp_paddr=RSDP)),
    Row(
        "PVH331",
        lambda: entry(rsdp_paddr=RSDP, puts=((RSDP, b"RSD PTR\0" + bytes(28)),)),
        lambda: entry(rsdp_paddr=RSDP, puts=((RSDP, GOOD_RSDP),)),
    ),
    Row(
        "PVH332",
        lambda: entry(rsdp_paddr=RSDP, puts=((RSDP, GOOD_RSDP[:19] + b"\1" + GOOD_RSDP[20:]),)),
        lambda: entry(rsdp_paddr=RSDP, puts=((RSDP, GOOD_RSDP[:35] + b"\1"),)),
    ),
)

TWO_SEGMENTS = LINUX._replace(segments=(*LINUX.segments, Segment(0x1000000, 0, 1, 1)))
PLACES = (
    Row("PVH340", entry, lambda: entry(((0x100000, GIB, 1),), machine=MACHINE._replace(memory=None))),
    Row("PVH341", lambda: entry(modules=((0x37FFFFF, 2, 0, 0),)), lambda: entry(modules=((0x3800000, 2, 0, 0),))),
    Row(
        "PVH341",
        lambda: entry(cmdline_paddr=START_INFO - 4, puts=((START_INFO - 4, b"abcd"),)),
        lambda: entry(cmdline_paddr=START_INFO - 4, puts=((START_INFO - 4, b"abc\0"),), image=TWO_SEGMENTS),
    ),
    Row("PVH342", lambda: entry(((0x100000, GIB, 1),)), lambda: prepare(table=MAP)),
)

ROWS = (*MEMMAP, *MODULES, *CMDLINES, *RSDPS, *PLACES)
