"""Both protocols for the memory map, and their limits. The tests rewrite start_info at the entry with plain gdb."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

import pytest

from tests.guest.machine import PARAMS_READ, boot_rewritten

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

Range = tuple[int, int, int]

MAGIC = 0x336EC578
# Free RAM below 640 KiB. The map does not need to be aligned.
MODLIST, CMDLINE, NAME, MAP = 0x90000, 0x90100, 0x90200, 0x90301
INITRD = (0x5000000, 0x1234, 0, 0)
E820_DATA = b"e820 data\0"
ISA = (0xA0000, 0x60000, 2)

# Unsorted, overlapping, empty and adjacent ranges. No real firmware has all of them in one map.
ODD_MAP: list[Range] = [
    (0x100000, 0xFF00000, 1),
    (0, 0x9F000, 1),
    (0x9F000, 0xC00, 1),
    (0x9FC00, 0x400, 2),
    (0xE0000, 0x20000, 4),
    (0x5000000, 0, 5),
    (0x6000000, 0x1000, 3),
    (0x6000800, 0x1000, 5),
    (0x20000000, 0x1000, 12),
    (0x20001000, 0x1000, 12),
    (0x20002000, 0x1000, 6),
    (0x30000000, 0x1000, 0xEFFFFFFF),
    (0xFD00000000, 0x300000000, 7),
    (0x40000000, 0x1000, 0),
]
ODD_MAP_LINES = [
    "BIOS-e820: [mem 0x0000000000000000-0x000000000009fbff] usable",
    "BIOS-e820: [mem 0x000000000009fc00-0x00000000000dffff] reserved",
    "BIOS-e820: [mem 0x00000000000e0000-0x00000000000fffff] ACPI NVS",
    "BIOS-e820: [mem 0x0000000000100000-0x0000000005ffffff] usable",
    "BIOS-e820: [mem 0x0000000006000000-0x00000000060007ff] ACPI data",
    "BIOS-e820: [mem 0x0000000006000800-0x00000000060017ff] unusable",
    "BIOS-e820: [mem 0x0000000006001800-0x000000000fffffff] usable",
    "BIOS-e820: [mem 0x0000000020000000-0x0000000020000fff] persistent (type 12)",
    "BIOS-e820: [mem 0x0000000020001000-0x0000000020001fff] persistent (type 12)",
    "BIOS-e820: [mem 0x0000000020002000-0x0000000020002fff] type 6",
    "BIOS-e820: [mem 0x0000000030000000-0x0000000030000fff] soft reserved",
    "BIOS-e820: [mem 0x000000fd00000000-0x000000ffffffffff] persistent (type 7)",
]


def start_info(version: int, nr_modules: int, memmap_entries: int = 0, **changed: int) -> bytes:
    fields = {"magic": MAGIC, "modlist": MODLIST, "cmdline": CMDLINE, "rsdp": 0xF0000, "memmap": MAP} | changed
    first = struct.pack("<4I", fields["magic"], version, 0, nr_modules)
    return first + struct.pack("<4Q2I", *list(fields.values())[1:], memmap_entries, 0)


def modules(*entries: Sequence[int]) -> bytes:
    return b"".join(struct.pack("<4Q", *entry) for entry in entries)


def memmap(ranges: Sequence[Range]) -> bytes:
    return b"".join(struct.pack("<QQII", *range_, 0xBAD) for range_ in ranges)


def packed(ranges: Sequence[Range]) -> bytes:
    return b"".join(struct.pack("<QQI", *range_) for range_ in ranges)


def blob(ranges: Sequence[Range]) -> bytes:
    return struct.pack("<I", len(ranges)) + packed(ranges)


def pages(count: int) -> list[Range]:
    return [(number << 21, 0x200000, 1) for number in range(count)]


def boot_params(copied: Sequence[Range], nr_entries: int, **header: int) -> bytes:
    """Return the expected boot_params and the bytes after it. `nr_entries` is the count without the ISA range."""
    params = bytearray(PARAMS_READ)
    put(params, 0x2D0, packed(copied))
    if nr_entries < 127:
        put(params, 0x2D0 + 20 * nr_entries, packed([ISA]))
    params[0x1E8] = nr_entries + (nr_entries < 127)
    put(params, 0x206, b"\x0c\x02")
    params[0x210] = 0xB0
    put(params, 0x218, struct.pack("<II", header.get("image", 0), header.get("size", 0)))
    put(params, 0x228, struct.pack("<I", header.get("cmdline", CMDLINE)))
    put(params, 0x70, struct.pack("<Q", 0xF0000))
    return bytes(params)


def put(params: bytearray, offset: int, content: bytes) -> None:
    params[offset : offset + len(content)] = content


@pytest.mark.parametrize("count", [1, 126, 127, 128, 129, 200, 255, 256, 260])
def test_a_memmap_table_is_copied_up_to_its_count_in_one_byte(count: int, tmp_path: Path) -> None:
    memory = {CMDLINE: b"\0", MAP: memmap(pages(count))}
    boot = boot_rewritten(tmp_path, start_info(1, 0, count), memory)

    assert boot_params(pages(count % 256), count % 256) == boot.params


@pytest.mark.parametrize("count", [1, 126, 127, 128, 255, 256, 300])
def test_an_e820_module_is_copied_completely_although_its_count_is_one_byte(count: int, tmp_path: Path) -> None:
    memory = {
        MODLIST: modules(INITRD, (MAP, 0, NAME, 0)),
        CMDLINE: b"\0",
        NAME: E820_DATA,
        MAP: blob(pages(count)),
    }
    boot = boot_rewritten(tmp_path, start_info(0, 2), memory)

    assert boot_params(pages(count), count % 256, image=INITRD[0], size=INITRD[1]) == boot.params


def test_the_memmap_table_is_preferred_to_the_module(tmp_path: Path) -> None:
    table = memmap(pages(3))
    module = MAP + len(table)
    memory = {
        MODLIST: modules(INITRD, (module, 0, NAME, 0)),
        NAME: E820_DATA,
        MAP: table,
        module: blob(pages(9)),
    }
    boot = boot_rewritten(tmp_path, start_info(1, 2, 3), memory)

    assert boot_params(pages(3), 3, image=INITRD[0], size=INITRD[1]) == boot.params


def test_the_memmap_fields_of_version_0_are_ignored(tmp_path: Path) -> None:
    memory = {MODLIST: modules(INITRD, (MAP, 0, NAME, 0)), NAME: E820_DATA, MAP: blob(pages(9))}
    boot = boot_rewritten(tmp_path, start_info(0, 2, 3), memory)

    assert boot_params(pages(9), 9, image=INITRD[0], size=INITRD[1]) == boot.params


def test_addresses_are_truncated_to_32_bits(tmp_path: Path) -> None:
    memory = {MODLIST: modules((0x123456789A000, 0x1FFFFFFFF, 0, 0)), MAP: memmap(pages(3))}
    boot = boot_rewritten(tmp_path, start_info(1, 1, 3, cmdline=0x2000000AB), memory)

    assert boot_params(pages(3), 3, image=0x6789A000, size=0xFFFFFFFF, cmdline=0xAB) == boot.params


@pytest.mark.parametrize("protocol", ["memmap", "e820-module"])
def test_the_kernel_sorts_the_map_joins_ranges_and_resolves_overlaps(protocol: str, tmp_path: Path) -> None:
    if protocol == "memmap":
        handover = start_info(1, 0, len(ODD_MAP))
        memory = {CMDLINE: b"odd\0", MAP: memmap(ODD_MAP)}
    else:
        handover = start_info(0, 2)
        memory = {CMDLINE: b"odd\0", MODLIST: modules(INITRD, (MAP, 0, NAME, 0)), NAME: E820_DATA, MAP: blob(ODD_MAP)}
    boot = boot_rewritten(tmp_path, handover, memory)

    assert ODD_MAP_LINES == [line for line in boot.lines if line.startswith("BIOS-e")]
    assert "Command line: odd" in boot.lines
    assert "halting" == boot.lines[-1]


@pytest.mark.parametrize(
    "ranges", [[], [(0, 0x9FC00, 1), (0x100000, 0xFFFFFFFFFFFFFFFF, 1)]], ids=["one entry", "past the end"]
)
def test_without_a_usable_map_the_kernel_assumes_low_memory_and_panics(ranges: list[Range], tmp_path: Path) -> None:
    # 256 entries are counted as 0, so only the ISA range is left.
    memory = {CMDLINE: b"\0", MAP: memmap(ranges)}
    boot = boot_rewritten(tmp_path, start_info(1, 0, len(ranges) or 256), memory)

    assert [
        "BIOS-e801: [mem 0x0000000000000000-0x000000000009efff] usable",
        "panic: the memory map has no RAM above 1 MiB",
        "halting",
    ] == boot.lines[-3:]


@pytest.mark.parametrize("name", [b"e820 data ", b"e820 dat\0", b"E820 data\0", b"e820 data2\0", b"\0", None])
def test_a_module_with_another_name_is_not_a_map_and_the_guest_dies_silently(
    name: bytes | None, tmp_path: Path
) -> None:
    memory = {
        MODLIST: modules(INITRD, (MAP, 4 + 20 * 9, NAME if name else 0, 0)),
        NAME: name or E820_DATA,
        MAP: blob(pages(9)),
    }
    boot = boot_rewritten(tmp_path, start_info(0, 2), memory)

    assert "ud2" in boot.gdb_output
    assert "init_pvh_bootparams" in boot.gdb_output
    assert [] == boot.lines


@pytest.mark.parametrize(
    ("handover", "function"),
    [
        (start_info(1, 0, 3, magic=MAGIC + 1), "xen_prepare_pvh"),
        (start_info(1, 0, 0), "init_pvh_bootparams"),
        (start_info(0, 0, 3), "init_pvh_bootparams"),
        (start_info(0, 1), "init_pvh_bootparams"),
    ],
    ids=["wrong magic", "no entries", "version 0", "one module"],
)
def test_without_magic_or_map_the_guest_dies_silently(handover: bytes, function: str, tmp_path: Path) -> None:
    boot = boot_rewritten(tmp_path, handover, {MODLIST: modules(INITRD, (MAP, 0, NAME, 0)), NAME: E820_DATA})

    assert "ud2" in boot.gdb_output
    assert function in boot.gdb_output
    assert [] == boot.lines


def test_a_table_above_the_first_gib_faults(tmp_path: Path) -> None:
    boot = boot_rewritten(tmp_path, start_info(1, 0, 3, memmap=0x40000000), {CMDLINE: b"\0"})

    assert "map_from_memmap" in boot.gdb_output
    assert "ud2" not in boot.gdb_output
    assert [] == boot.lines
