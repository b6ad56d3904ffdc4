"""Rules about the memory map, and about the placement of everything that was handed over."""

from __future__ import annotations

from functools import partial
from typing import Any

from pvhdbg.boot.stop.capture import Overwritten
from pvhdbg.checks.case import Case
from pvhdbg.image.facts import Segment
from tests import build
from tests.build import CMDLINE, MAP, MODLIST, RAMDISK, RAMDISK_SIZE, START_INFO, Range
from tests.checks.cases import (
    BLOB,
    LINUX,
    LINUX_32,
    MACHINE,
    Row,
    blob,
    entry,
    error,
    info,
    prepare,
    warning,
)
from tests.checks.tables.entry import OTHER_GUEST

IN_PARTS = LINUX._replace(
    segments=(Segment(0x1000000, 0xC1000000, 0x600000, 0x800000), Segment(0x2000000, 0xC2000000, 0x1000, 0x2000))
)
GIB, FOUR_GIB, TOP = 1 << 30, 1 << 32, 1 << 64
WHOLE: tuple[Range, ...] = ((0, 0x9FC00, 1), (0x100000, 0x1FF00000, 1))
MEMMAP_AT, COUNT_AT = build.MEMMAP, START_INFO + 0x30


def many(count: int) -> list[Range]:
    return [*WHOLE, *((FOUR_GIB + (index << 20), 1 << 20, 2) for index in range(count - len(WHOLE)))]


def mapped(count: int, low: int = 0x20000) -> dict[str, Any]:
    return {"table": many(count), "memmap_paddr": low}


def overwritten(*items: tuple[int, int]) -> Case:
    """Return a case at the entry whose image was overwritten at these addresses, with this many bytes each."""
    case = entry()
    found = tuple(Overwritten(paddr, size, b"\x90", b"\0") for paddr, size in items)
    return Case(case.stop._replace(capture=case.capture._replace(overwritten=found)), case.machine)


def _table(signature: bytes, size: int, size_byte: tuple[int, int]) -> bytes:
    """Return a table of the firmware with a correct checksum. `size_byte` is the offset and value of its size."""
    raw = bytearray(signature.ljust(size, b"\0"))
    raw[size_byte[0]] = size_byte[1]
    raw[-1] = -sum(raw) & 0xFF
    return bytes(raw)


MP_TABLE, SMBIOS, SMBIOS_3 = (
    _table(b"_MP_", 16, (8, 1)),
    _table(b"_SM_", 0x1F, (5, 0x1F)) + b"\0",
    _table(b"_SM3_", 0x18, (6, 0x18)),
)
NO_EBDA = tuple(range_ for range_ in MAP if range_[0] != 0x9FC00)
NO_BIOS = tuple(range_ for range_ in MAP if range_[0] != 0xF0000)

MEMMAP = (
    Row("PVH201", entry, info("memory_map.entries[5].size", MEMMAP_AT + 0x80), lambda: entry(WHOLE)),
    Row(
        "PVH201",
        lambda: entry(((0, 0, 0),) * 6, machine=MACHINE._replace(machine="microvm")),
        info("memory_map.entries", MEMMAP_AT),
        lambda: entry(WHOLE),
    ),
    Row(
        "PVH202",
        lambda: entry((*WHOLE, (0x9F000, 0x1000, 2))),
        warning("memory_map.entries[2]", MEMMAP_AT + 0x30),
        lambda: entry((*WHOLE, (0x9FC00, 0x400, 2))),
    ),
    Row(
        "PVH202",
        lambda: entry((*WHOLE, (0x9F000, 0x1000, 1))),
        info("memory_map.entries[2]", MEMMAP_AT + 0x30),
        lambda: entry((*WHOLE, (0x9F000, 0, 1))),
    ),
    Row(
        "PVH203",
        lambda: entry(WHOLE[::-1]),
        info("memory_map.entries[1].addr", MEMMAP_AT + 0x18),
        lambda: entry((*WHOLE, (0, 0, 0))),
    ),
    Row(
        "PVH204",
        lambda: entry((*WHOLE, (TOP - 4096, 8192, 2))),
        error("memory_map.entries[2].size", MEMMAP_AT + 0x38),
        lambda: entry((*WHOLE, (TOP - 8192, 4096, 2))),
    ),
    Row(
        "PVH204",
        lambda: entry((*WHOLE, (TOP - 4096, 4096, 2))),
        warning("memory_map.entries[2].size", MEMMAP_AT + 0x38),
        lambda: entry((*WHOLE, (TOP - 4096, 4095, 2))),
    ),
    Row(
        "PVH204",
        lambda: entry((*WHOLE, (TOP - 4096, 4097, 2)), **OTHER_GUEST),
        warning("memory_map.entries[2].size", MEMMAP_AT + 0x38),
        lambda: entry(WHOLE, **OTHER_GUEST),
    ),
    Row(
        "PVH205",
        lambda: entry((*WHOLE, (FOUR_GIB, 4096, 6))),
        info("memory_map.entries[2].type", MEMMAP_AT + 0x40),
        lambda: entry((*WHOLE, (FOUR_GIB, 4096, 7))),
    ),
    Row(
        "PVH206",
        lambda: entry(WHOLE, puts=((0xEFC20 + 20, b"\1"),)),
        info("memory_map.entries[0]", MEMMAP_AT + 0x14),
        lambda: entry(WHOLE),
    ),
    Row(
        "PVH207",
        lambda: entry(**mapped(127)),
        info("start_info.memmap_entries", START_INFO + 0x30),
        lambda: entry(**mapped(126)),
    ),
    Row(
        "PVH207",
        lambda: entry(**blob(many(300))),
        error("memory_map.nr_entries", BLOB),
        lambda: entry(**blob(many(126))),
    ),
    *(
        Row("PVH207", partial(entry, **mapped(count)), severity("start_info.memmap_entries", COUNT_AT), entry)
        for count, severity in (
            *((128, info), (129, warning), (168, warning), (169, error), (255, error), (256, error), (257, error)),
        )
    ),
    Row(
        "PVH207",
        lambda: entry(**mapped(169), **OTHER_GUEST),
        warning("start_info.memmap_entries", COUNT_AT),
        lambda: entry(**mapped(126), **OTHER_GUEST),
    ),
    Row(
        "PVH207",
        lambda: entry(**mapped(256), **OTHER_GUEST),
        warning("start_info.memmap_entries", COUNT_AT),
        lambda: entry(None, memmap_entries=256),
    ),
    Row(
        "PVH208",
        lambda: entry(((0, GIB, 2),)),
        error("memory_map.entries[0]", MEMMAP_AT),
        lambda: entry(((0, GIB, 1),)),
    ),
    Row(
        "PVH208",
        lambda: entry(((0, 0x9FC00, 1), (0x100000, 0x1FF00000, 2))),
        error("memory_map.entries[1]", MEMMAP_AT + 0x18),
        lambda: entry(((0, 0x9FC00, 1), (0x100000, 0x1FF00000, 2), (GIB, GIB, 1))),
    ),
    Row(
        "PVH208",
        lambda: entry(((0, 0x9FC00, 1),), image=LINUX_32),
        warning("memory_map.entries", MEMMAP_AT),
        lambda: entry(((0, 0x100001, 1),), image=LINUX_32),
    ),
    Row(
        "PVH208",
        lambda: entry(((0, GIB, 2),), **OTHER_GUEST),
        warning("memory_map.entries[0]", MEMMAP_AT),
        lambda: entry((), **OTHER_GUEST),
    ),
    Row(
        "PVH209",
        lambda: entry(((0, 0x1800000, 1),)),
        warning("kernel.segments[0]"),
        lambda: entry(((0x1000000, 0x2800000, 1),)),
    ),
    Row(
        "PVH209",
        lambda: entry(((0x10000000, 0x10000000, 1),), image=IN_PARTS),
        warning("kernel.segments[0]"),
        lambda: entry(((0, 0x9FC00, 1), (0x100000, 0x1FF00000, 2)), image=IN_PARTS),
    ),
    Row(
        "PVH209",  # past the end of the machine's memory, there is nothing to list
        lambda: entry(((0, 0x1800000, 1),), machine=MACHINE._replace(memory="40M")),
        warning("kernel.segments[0]"),
        lambda: entry(((0, 0x1800000, 1),), machine=MACHINE._replace(memory="24M")),
    ),
    Row(
        "PVH210",
        lambda: entry(((0, 0x1C000000, 1),)),
        error("memory_map.entries", MEMMAP_AT),
        lambda: entry(((0, 0x1F000000, 1),)),
    ),
    Row(
        "PVH210",
        lambda: entry(((0, 0x10000000, 1), (0x10000000, 0x10000000, 2))),
        error("memory_map.entries[1]", MEMMAP_AT + 0x18),
        lambda: entry(((0, 0x9FC00, 1), (0x100000, 0x1FF00000, 2))),
    ),
    Row(
        "PVH210",
        lambda: entry(machine=MACHINE._replace(argv=("qemu", "-m", "512M", "-m", "1G"))),
        error("memory_map.entries", MEMMAP_AT),
        lambda: entry(machine=MACHINE._replace(memory="1G", argv=("qemu", "-m", "1G", "-m", "size=512M"))),
    ),
    Row(
        "PVH211",
        lambda: entry(((0, 0x20000000, 1),)),
        info("memory_map.entries[0]", MEMMAP_AT),
        lambda: entry(((0, 0xA0000, 1), (0x100000, GIB, 1))),
    ),
    Row(
        "PVH212",
        lambda: entry(None, version=1, memmap_paddr=1 << 40, memmap_entries=3),
        error("memory_map.paddr", 0x10000000000),
        entry,
    ),
    Row(
        "PVH212",
        lambda: entry(None, version=1, memmap_paddr=GIB, memmap_entries=3, puts=((GIB, bytes(72)),)),
        error("memory_map.paddr", GIB),
        lambda: entry(
            None,
            version=1,
            memmap_paddr=GIB,
            memmap_entries=3,
            puts=((GIB, bytes(72)),),
            machine=MACHINE._replace(memory="2G"),
        ),
    ),
    Row(
        "PVH213",
        lambda: entry(((0, 0x9FC00, 1), (0x20000000, 0x1FF00000, 1))),
        error("memory_map.entries[1]", MEMMAP_AT + 0x18),
        lambda: entry(((0, 0x20000000, 1), (0x20000000, 0x1FF00000, 2), (1 << 31, GIB, 1))),
    ),
    Row(
        "PVH213",
        lambda: entry(((0, 0x20001001, 1),)),
        error("memory_map.entries[0]", MEMMAP_AT),
        lambda: entry(((0, 0x20001001, 1),), machine=MACHINE._replace(memory="513M")),
    ),
    Row(
        "PVH213",
        lambda: entry(((0, 0x20000001, 1),)),
        info("memory_map.entries[0]", MEMMAP_AT),
        lambda: entry(((0, 0x20000000, 1),)),
    ),
    Row(
        "PVH213",
        lambda: entry(((0, GIB, 1),)),
        error("memory_map.entries[0]", MEMMAP_AT),
        lambda: entry(((0, (1 << 64) - 1, 1), (1, (1 << 64) - 1, 1)), machine=MACHINE._replace(memory="8G")),
    ),
)

TWO_SEGMENTS = LINUX._replace(segments=(*LINUX.segments, Segment(0x1000000, 0, 1, 1)))
PLACES = (
    Row(
        "PVH340",
        entry,
        info("modules", MODLIST),
        lambda: entry(((0x100000, GIB, 1),), machine=MACHINE._replace(memory=None)),
    ),
    Row(
        "PVH341",
        lambda: entry(modules=((0x37FFFFF, 2, 0, 0),)),
        error("modules[0].paddr", 0x37FFFFF),
        lambda: entry(modules=((0x3800000, 2, 0, 0),)),
    ),
    Row(
        "PVH341",
        lambda: entry(cmdline_paddr=START_INFO - 4, puts=((START_INFO - 4, b"abcd"),)),
        error("start_info", START_INFO),
        lambda: entry(cmdline_paddr=START_INFO - 4, puts=((START_INFO - 4, b"abc\0"),), image=TWO_SEGMENTS),
    ),
    Row(
        "PVH341",
        lambda: entry(modules=((0x37FFFFF, 2, 0, 0),), **OTHER_GUEST),
        warning("modules[0].paddr", 0x37FFFFF),
        lambda: entry(modules=((0x37FFFFF, 0, 0, 0),), **OTHER_GUEST),
    ),
    Row(
        "PVH342",
        lambda: entry(((0x100000, GIB, 1),)),
        warning("start_info", START_INFO)
        + warning("cmdline", CMDLINE)
        + warning("modules", MODLIST)
        + warning("memory_map", MEMMAP_AT),
        lambda: prepare(table=MAP),
    ),
    Row(
        "PVH343",
        lambda: entry(NO_EBDA, puts=((0x9FC00, MP_TABLE),)),
        warning("memory_map.entries", 0x9FC00),
        lambda: entry(puts=((0x9FC00, MP_TABLE),)),
    ),
    Row(
        "PVH343",
        lambda: entry(NO_BIOS, puts=((0xF5000, SMBIOS + SMBIOS_3),)),
        warning("memory_map.entries", 0xF5000) + warning("memory_map.entries", 0xF5020),
        lambda: entry(NO_BIOS, puts=((0xF5000, SMBIOS[:29] + b"\1" + SMBIOS[30:] + SMBIOS_3[:22] + b"\1"),)),
    ),
    Row(
        "PVH344",
        lambda: overwritten((0x1000000, 4096), (0x1002000, 16)),
        error("kernel.segments", 0x1000000),
        overwritten,
    ),
    Row(
        "PVH344",
        lambda: overwritten((CMDLINE, 4), (START_INFO, 8), (START_INFO + 0x30, 8), (RAMDISK + RAMDISK_SIZE, 1)),
        error("kernel.segments", CMDLINE)
        + error("kernel.segments", START_INFO)
        + error("kernel.segments", RAMDISK + RAMDISK_SIZE),
        overwritten,
    ),
)

ROWS = (*MEMMAP, *PLACES)
