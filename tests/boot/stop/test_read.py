"""Read guest memory to a Capture: both protocols, the limits, and hostile data."""

from __future__ import annotations

from typing import Any

import pytest

from pvhdbg.boot.stop import stages
from pvhdbg.boot.stop.capture import Capture
from pvhdbg.boot.stop.map_entries import decode_entries
from pvhdbg.boot.stop.read import MAX_ENTRIES, MAX_MODULES, MAX_STRING, MAX_TEXT, read_capture
from pvhdbg.errors import MemoryUnreadable
from pvhdbg.views.to_json import document_json
from tests import build
from tests.build import CMDLINE, MEMMAP, MODLIST, START_INFO, Guest

BLOB, NAME, COPY = 0x90000, 0x98000, build.VARIABLES["pvh_start_info"]
BLOB_RANGES: tuple[build.Range, ...] = ((0x0, 0x9F000, 1), (0x100000, 0x7F00000, 1), (0x8000000, 0x1000, 42))
STAGES = (*stages.NAMES, stages.DIED)
RECORDED_LATER = {"code", "serial", "log"}  # by boot/run/stop_recorder.py


class Counting:
    """A Target that forwards every call to another Target and counts the reads."""

    def __init__(self, target: build.RandomTarget) -> None:
        self._target = target
        self.reads = 0
        self.bytes = 0

    def read_phys(self, paddr: int, size: int) -> bytes:
        if paddr + size > 1 << 64:
            raise MemoryUnreadable(paddr, size)
        self.reads += 1
        self.bytes += size
        return self._target.read_phys(paddr, size)

    def register(self, name: str) -> int:
        return self._target.register(name)

    def symbol(self, name: str) -> int:
        return self._target.symbol(name)


def rfc_guest(name: bytes = b"e820 data\0", **changed: int) -> Guest:
    """Return a Linux at its entry. The memory map is in a module with the given name."""
    guest = build.linux_guest()
    values = {"version": 0, "nr_modules": 2, "modlist_paddr": MODLIST, "cmdline_paddr": CMDLINE, **changed}
    guest.put(START_INFO, build.start_info(**values))
    blob = build.e820_blob(BLOB_RANGES)
    guest.put(MODLIST, build.modlist((build.RAMDISK, build.RAMDISK_SIZE, 0, 0), (BLOB, len(blob), NAME, 0)))
    guest.put(BLOB, blob)
    guest.put(NAME, name)
    return guest


def with_start_info(**values: int) -> Guest:
    """Return a Linux at its entry with these values in start_info."""
    guest = build.linux_guest()
    guest.put(START_INFO, build.start_info(**values))
    return guest


def map_of(capture: Capture) -> list[build.Range]:
    assert capture.memory_map is not None
    return list(decode_entries(capture.memory_map.entries))


def nulls(value: Any, path: str = "") -> list[str]:  # noqa: ANN401 - JSON
    """Return the path of every None in a parsed JSON value."""
    if value is None:
        return [path]
    if isinstance(value, dict):
        return [below for key, child in value.items() for below in nulls(child, f"{path}.{key}".lstrip("."))]
    if isinstance(value, list):
        return [below for index, child in enumerate(value) for below in nulls(child, f"{path}[{index}]")]
    return []


def test_at_the_entry_everything_that_start_info_points_to_is_read() -> None:
    capture = build.linux_guest().at("entry")

    assert capture.start_info is not None
    assert (START_INFO, 1) == (capture.start_info.at, capture.start_info.version)
    assert capture.cmdline is not None
    assert (CMDLINE, b"console=ttyS0 earlyprintk=ttyS0") == capture.cmdline
    assert capture.modules is not None
    assert [(build.RAMDISK, build.RAMDISK_SIZE)] == [
        (module.entry.paddr, module.entry.size) for module in capture.modules
    ]
    assert capture.memory_map is not None
    assert ("memmap", MEMMAP, len(build.MAP)) == capture.memory_map[:3]
    assert list(build.MAP) == map_of(capture)


def test_version_0_has_no_fields_of_version_1() -> None:
    capture = with_start_info(version=0, memmap_paddr=MEMMAP, memmap_entries=6).at("entry")
    in_json = document_json.stop(capture)["start_info"]
    absent = ("memmap_paddr", "memmap_entries", "reserved")
    reasons = {path: why for path, why in capture.missing.items() if path.startswith("start_info.")}

    assert [None] * 3 == [in_json[name] for name in absent]
    assert {f"start_info.{name}": "not in version 0 of the structure" for name in absent} == reasons
    assert capture.bytes_at(START_INFO, 40) is not None
    assert capture.bytes_at(START_INFO, 41) is None


def test_a_later_version_is_read_as_version_1() -> None:
    capture = with_start_info(version=7, memmap_paddr=MEMMAP, memmap_entries=2).at("entry")

    assert list(build.MAP[:2]) == map_of(capture)


def test_a_wrong_magic_with_version_0_still_reads_all_fields() -> None:
    guest = build.linux_guest()
    raw = build.start_info(magic=0, memmap_paddr=MEMMAP, memmap_entries=6)
    guest.put(START_INFO, raw[:4] + bytes(4) + raw[8:])
    capture = guest.at("entry")

    assert capture.start_info is not None
    assert (0, MEMMAP, 6) == (
        capture.start_info.version,
        capture.start_info.memmap_paddr,
        capture.start_info.memmap_entries,
    )
    assert capture.memory_map is not None
    assert "none" == capture.memory_map.protocol


def test_version_0_without_a_second_module_has_no_map() -> None:
    capture = with_start_info(version=0, nr_modules=1, modlist_paddr=MODLIST).at("entry")

    assert capture.memory_map is not None
    assert ("none", None, 0, ()) == capture.memory_map
    assert "version 0 has no memory map, and there is no module 1" == capture.missing["memory_map.paddr"]


def test_a_memmap_table_without_entries_is_not_a_map() -> None:
    capture = with_start_info(memmap_paddr=MEMMAP, memmap_entries=0).at("entry")

    assert capture.memory_map is not None
    assert "none" == capture.memory_map.protocol
    assert capture.missing["memory_map.paddr"].startswith("memmap_entries is 0")


@pytest.mark.parametrize("version", [0, 1])
def test_module_1_with_the_name_e820_data_is_the_map(version: int) -> None:
    capture = rfc_guest(version=version).at("entry")

    assert capture.memory_map is not None
    assert ("e820-module", BLOB, 3) == capture.memory_map[:3]
    assert list(BLOB_RANGES) == map_of(capture)


def test_a_memmap_table_takes_precedence_over_the_module() -> None:
    capture = rfc_guest(version=1, memmap_paddr=MEMMAP, memmap_entries=len(build.MAP)).at("entry")

    assert list(build.MAP) == map_of(capture)


@pytest.mark.parametrize(
    "name", [b"e820 data \0", b"E820 data\0", b"e820 dat\0", b" e820 data\0", b"e820 data\n\0", b"e820 data=1\0", b"\0"]
)
def test_module_1_with_a_similar_name_is_not_the_map(name: bytes) -> None:
    capture = rfc_guest(name).at("entry")

    assert capture.memory_map is not None
    assert "none" == capture.memory_map.protocol
    assert capture.missing["memory_map.paddr"].endswith('module 1 is not named "e820 data"')


def test_the_name_without_a_nul_is_not_the_map() -> None:
    guest = rfc_guest(b"e820 data")
    guest.put(NAME + 9, b"?" * (build.PAGE - 9))
    capture = guest.at("entry")

    assert capture.memory_map is not None
    assert "none" == capture.memory_map.protocol


@pytest.mark.parametrize("have_name", [[True], [True, False], [True, False, True]])
def test_only_module_1_can_be_the_map(have_name: list[bool]) -> None:
    guest = rfc_guest(nr_modules=len(have_name))
    guest.put(MODLIST, build.modlist(*((BLOB, 64, NAME if has_name else 0, 0) for has_name in have_name)))
    capture = guest.at("entry")

    assert capture.memory_map is not None
    assert "none" == capture.memory_map.protocol


def test_modules_beyond_the_limit_are_not_read() -> None:
    guest = with_start_info(nr_modules=MAX_MODULES + 1, modlist_paddr=0x200000)
    guest.put(0x200000, build.modlist((0x1000, 1, 0, 0)) * (MAX_MODULES + 1))
    capture = guest.at("entry")

    assert capture.modules is not None
    assert MAX_MODULES == len(capture.modules) == 4_096
    assert "truncated: the guest claims 4097 entries, only 4096 were read" == capture.missing["modules"]


@pytest.mark.parametrize("claimed", [MAX_ENTRIES, MAX_ENTRIES + 1, (1 << 32) - 1])
def test_map_entries_beyond_the_limit_are_not_read(claimed: int) -> None:
    guest = with_start_info(memmap_paddr=0x200000, memmap_entries=claimed)
    guest.put(0x200000, bytes(24 * (MAX_ENTRIES + 1)))
    capture = guest.at("entry")

    assert capture.memory_map is not None
    assert (claimed, 16_384) == (capture.memory_map.nr_entries, len(capture.memory_map.entries))
    assert (claimed > MAX_ENTRIES) == ("memory_map.entries" in capture.missing)


def test_entries_of_an_e820_module_beyond_the_limit_are_not_read() -> None:
    guest = rfc_guest()
    guest.put(MODLIST, build.modlist((0, 0, 0, 0), (0x200000, 0, NAME, 0)))
    guest.put(0x200000, (MAX_ENTRIES + 1).to_bytes(4, "little") + bytes(20 * (MAX_ENTRIES + 1)))
    capture = guest.at("entry")

    assert MAX_ENTRIES == len(map_of(capture))
    assert "truncated: the guest claims 16385 entries, only 16384 were read" == capture.missing["memory_map.entries"]


@pytest.mark.parametrize(
    ("length", "read", "is_truncated"),
    [
        (65_535, 65_535, False),
        (MAX_STRING, MAX_STRING, True),
        (MAX_STRING + 200, MAX_STRING, True),
        (2 * MAX_STRING, MAX_STRING, True),
    ],
)
@pytest.mark.parametrize("offset", [0, 1, 255])
def test_a_string_ends_at_its_nul_or_at_the_limit(length: int, read: int, is_truncated: bool, offset: int) -> None:
    guest = with_start_info(cmdline_paddr=0x200000 + offset)
    guest.put(0x200000 + offset, b"x" * length + b"\0")
    capture = guest.at("entry")

    assert capture.cmdline is not None
    assert read == len(capture.cmdline.raw) <= 65_536
    assert is_truncated == ("cmdline" in capture.missing)


def test_a_string_that_runs_into_unreadable_memory_is_read_up_to_it() -> None:
    guest = with_start_info(cmdline_paddr=0x200FF0)
    guest.put(0x200FF0, b"x" * 16)
    capture = guest.at("entry")

    assert capture.cmdline is not None
    assert b"x" * 16 == capture.cmdline.raw
    assert "not captured: 256 bytes at 0x201000" == capture.missing["cmdline"]


def test_the_page_after_a_string_is_not_read() -> None:
    guest = with_start_info(cmdline_paddr=0x200FFA)
    guest.put(0x200FFA, b"quiet\0")
    capture = guest.at("entry")

    assert capture.cmdline is not None
    assert b"quiet" == capture.cmdline.raw
    assert "cmdline" not in capture.missing


def test_an_address_of_0_is_the_reason_that_a_string_is_missing() -> None:
    capture = with_start_info(nr_modules=1, modlist_paddr=MODLIST).at("entry")

    assert capture.cmdline is None
    assert "cmdline_paddr is 0" == capture.missing["cmdline"]
    assert "its cmdline_paddr is 0" == capture.missing["modules[0].cmdline"]
    assert "rsdp" not in capture.missing


@pytest.mark.parametrize("address", [0x7000000, (1 << 64) - 8])
def test_structures_outside_memory_are_missing_and_the_others_are_read(address: int) -> None:
    pointers = dict.fromkeys(("modlist_paddr", "cmdline_paddr", "memmap_paddr", "rsdp_paddr"), address)
    capture = with_start_info(nr_modules=1, memmap_entries=3, **pointers).at("entry")

    assert capture.start_info is not None
    assert (b"", ()) == (capture.cmdline.raw if capture.cmdline else None, capture.modules)
    assert {"cmdline", "modules", "memory_map.entries", "rsdp"} <= capture.missing.keys()


def test_a_start_info_outside_memory_leaves_everything_missing() -> None:
    guest = build.linux_guest()
    guest.registers["rbx"] = 0x7000000
    capture = guest.at("entry")

    assert [None] * 4 == [capture.start_info, capture.cmdline, capture.modules, capture.memory_map]
    assert "not captured: 40 bytes at 0x7000000" == capture.missing["start_info"]
    assert "start_info is missing" == capture.missing["memory_map"]


def test_only_the_low_half_of_rbx_is_used() -> None:
    guest = build.linux_guest()
    guest.registers["rbx"] = 0xDEADBEEF << 32 | START_INFO
    capture = guest.at("entry")

    assert capture.start_info is not None
    assert START_INFO == capture.start_info.at


def test_without_ebx_at_the_entry_start_info_is_missing_later() -> None:
    capture = build.linux_guest().at("prepare")

    assert capture.start_info is None
    assert "EBX at the entry was not captured" == capture.missing["start_info"]


def test_after_the_entry_the_kernels_copy_is_followed() -> None:
    guest = build.linux_guest()
    build.page_tables(guest)
    guest.symbols["pvh_start_info"] = build.KERNEL_MAP + COPY
    guest.put(COPY, build.start_info(cmdline_paddr=0x300000))
    guest.put(0x300000, b"the copy's\0")
    capture = guest.at("prepare", START_INFO)

    assert capture.cmdline is not None
    assert b"the copy's" == capture.cmdline.raw
    assert capture.effective_start_info is capture.pvh_start_info


@pytest.mark.parametrize("elf_class", [32, 64])
def test_a_kernel_pointer_has_the_size_of_the_elf_class(elf_class: int) -> None:
    guest = Guest(build.linux()._replace(elf_class=elf_class))
    guest.symbols["e820_table"] = build.KERNEL_MAP + build.VARIABLES["e820_table"]
    guest.put(build.VARIABLES["e820_table"], build.TABLE.to_bytes(elf_class // 8, "little") + b"\xff" * 8)
    guest.put(build.TABLE, build.e820_blob(build.SANITIZED))
    capture = guest.at("e820")

    assert capture.e820_table is not None
    assert (build.TABLE, len(build.SANITIZED)) == (capture.e820_table.paddr, capture.e820_table.nr_entries)


def test_a_stage_reads_what_is_valid_there_and_gives_reasons_for_the_rest() -> None:
    keys = (stages.START_INFO, stages.PVH_START_INFO, stages.BOOT_PARAMS, stages.KERNEL_BOOT_PARAMS, stages.E820_TABLE)
    present = [[key for key in keys if getattr(stop, key) is not None] for stop in build.boot().stops]
    entry, *_, e820 = build.boot().stops

    assert [[*keys[:1]], [*keys[:2]], [*keys[:3]], [keys[3]], [*keys[3:]]] == present
    assert "not valid before stage prepare" == entry.missing["pvh_start_info"]
    assert "no longer valid at stage e820" == e820.missing["start_info"]


def test_at_a_death_only_registers_and_code_are_read() -> None:
    guest = build.linux_guest()
    guest.run_at(0x1000850, "0f0b")
    capture = guest.at(stages.DIED)

    assert 0x1000850 == capture.rip
    assert "not read where the guest died" == capture.missing["start_info"]
    assert bytes.fromhex("0f0b") == capture.bytes_at(0x1000850, 2)


@pytest.mark.parametrize("stage", STAGES)
def test_everything_that_is_null_has_a_reason(stage: str) -> None:
    guest = Guest()
    guest.registers = dict.fromkeys(guest.registers)
    empty, complete = guest.at(stage), build.linux_guest().at(stage)

    for capture in (empty, complete):
        assert set() == set(nulls(document_json.stop(capture))) - capture.missing.keys() - RECORDED_LATER


@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize("byte", [None, 0x00, 0x7F, 0xFF])
def test_reading_stays_within_its_limits_whatever_memory_contains(stage: str, byte: int | None) -> None:
    target = Counting(build.RandomTarget(7, byte))
    stop = read_capture(target, stage, build.linux(), START_INFO)

    assert stage == stop.stage
    assert set() == set(nulls(document_json.stop(stop))) - stop.missing.keys() - RECORDED_LATER
    # Two tables of the maximum size, all strings, and the data that is read only for the checks.
    assert target.bytes < 2 * (MAX_MODULES * 32 + MAX_ENTRIES * 24) + MAX_TEXT + MAX_STRING + 0x4000
    assert target.reads < MAX_TEXT // 256 + MAX_MODULES + 100


def test_a_start_info_of_ones_is_decoded_unchanged() -> None:
    guest = build.linux_guest()
    guest.put(START_INFO, b"\xff" * 56)
    capture = guest.at("entry")

    assert capture.start_info is not None
    assert (1 << 32) - 1 == capture.start_info.nr_modules
    assert (capture.modules, capture.memory_map and capture.memory_map.entries) == ((), ())
    assert {"modules", "memory_map.entries", "cmdline", "rsdp"} <= capture.missing.keys()


def test_strings_of_many_modules_are_limited_together() -> None:
    guest = with_start_info(nr_modules=200, modlist_paddr=0x200000)
    guest.put(0x200000, build.modlist((0, 0, 0x300000, 0)) * 200)
    guest.put(0x300000, b"x" * (MAX_STRING + 1))
    capture = guest.at("entry")

    assert capture.modules is not None
    lengths = [len(module.cmdline.raw) for module in capture.modules if module.cmdline]
    assert [MAX_STRING] * (MAX_TEXT // MAX_STRING) == lengths[: MAX_TEXT // MAX_STRING]
    assert {0} == set(lengths[MAX_TEXT // MAX_STRING :])
    assert (
        "truncated after 0 bytes: the strings of this stop exceed 4194304 bytes"
        == capture.missing["modules[199].cmdline"]
    )
