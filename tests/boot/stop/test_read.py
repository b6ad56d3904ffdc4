"""Guest memory to a Capture: both protocols, the bounds, and memory that lies."""

from __future__ import annotations

from typing import Any

import pytest

from pvhdbg.boot.stop import stages
from pvhdbg.boot.stop.capture import Capture
from pvhdbg.boot.stop.read import MAX_ENTRIES, MAX_MODULES, MAX_STRING, MAX_TEXT, capture
from pvhdbg.errors import MemoryUnreadable
from pvhdbg.views.to_json import document_json
from tests import build
from tests.build import CMDLINE, MEMMAP, MODLIST, START_INFO, Guest

BLOB, NAME = 0x90000, 0x98000
COPY = build.VARIABLES["pvh_start_info"]
BLOB_RANGES: tuple[build.Range, ...] = ((0x0, 0x9F000, 1), (0x100000, 0x7F00000, 1), (0x8000000, 0x1000, 42))
STAGES = (*stages.NAMES, stages.DIED)


class Counting:
    """A target in front of another that counts its answers."""

    def __init__(self, target: build.Noise) -> None:
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
    """A Linux at its entry, its memory map in a module of that name."""
    guest = build.linux_guest()
    values = {"version": 0, "nr_modules": 2, "modlist_paddr": MODLIST, "cmdline_paddr": CMDLINE, **changed}
    guest.put(START_INFO, build.start_info(**values))
    blob = build.e820_blob(BLOB_RANGES)
    guest.put(MODLIST, build.modlist((build.RAMDISK, build.RAMDISK_SIZE, 0, 0), (BLOB, len(blob), NAME, 0)))
    guest.put(BLOB, blob)
    guest.put(NAME, name)
    return guest


def with_start_info(**values: int) -> Guest:
    """A Linux at its entry, with this start_info."""
    guest = build.linux_guest()
    guest.put(START_INFO, build.start_info(**values))
    return guest


def ranges(seen: Capture) -> list[build.Range]:
    assert seen.memory_map is not None
    return [(each.addr, each.size, each.type) for each in seen.memory_map.entries]


def nulls(value: Any, path: str = "") -> list[str]:  # noqa: ANN401 - JSON
    """The paths of all that is null in a JSON value."""
    if value is None:
        return [path]
    if isinstance(value, dict):
        return [found for key, each in value.items() for found in nulls(each, f"{path}.{key}".lstrip("."))]
    if isinstance(value, list):
        return [found for at, each in enumerate(value) for found in nulls(each, f"{path}[{at}]")]
    return []


def test_at_the_entry_everything_that_start_info_leads_to_is_read() -> None:
    seen = build.linux_guest().at("entry")

    assert seen.start_info is not None
    assert (START_INFO, 1) == (seen.start_info.at, seen.start_info.version)
    assert seen.cmdline is not None
    assert (CMDLINE, b"console=ttyS0 earlyprintk=ttyS0") == seen.cmdline
    assert seen.modules is not None
    assert [(build.RAMDISK, build.RAMDISK_SIZE)] == [(each.entry.paddr, each.entry.size) for each in seen.modules]
    assert seen.memory_map is not None
    assert ("memmap", MEMMAP, len(build.MAP)) == seen.memory_map[:3]
    assert list(build.MAP) == ranges(seen)


def test_version_0_has_no_fields_of_version_1() -> None:
    seen = with_start_info(version=0, memmap_paddr=MEMMAP, memmap_entries=6).at("entry")
    shown = document_json.stop(seen)["start_info"]

    assert [None] * 3 == [shown[name] for name in ("memmap_paddr", "memmap_entries", "reserved")]
    assert "not in version 0 of the structure" == seen.missing["start_info.memmap_paddr"]
    assert seen.bytes_at(START_INFO, 40) is not None
    assert seen.bytes_at(START_INFO, 41) is None


def test_a_later_version_is_read_as_version_1() -> None:
    seen = with_start_info(version=7, memmap_paddr=MEMMAP, memmap_entries=2).at("entry")

    assert list(build.MAP[:2]) == ranges(seen)


def test_version_0_behind_a_wrong_magic_is_no_reason_to_leave_something_out() -> None:
    guest = build.linux_guest()
    raw = build.start_info(magic=0, memmap_paddr=MEMMAP, memmap_entries=6)
    guest.put(START_INFO, raw[:4] + bytes(4) + raw[8:])
    seen = guest.at("entry")

    assert seen.start_info is not None
    assert (0, MEMMAP, 6) == (seen.start_info.version, seen.start_info.memmap_paddr, seen.start_info.memmap_entries)
    assert seen.memory_map is not None
    assert "none" == seen.memory_map.protocol


def test_version_0_without_a_second_module_has_no_map() -> None:
    seen = with_start_info(version=0, nr_modules=1, modlist_paddr=MODLIST).at("entry")

    assert seen.memory_map is not None
    assert ("none", None, 0, ()) == seen.memory_map
    assert "version 0 has no memory map, and there is no module 1" == seen.missing["memory_map.paddr"]


def test_no_entries_is_no_map_whatever_its_address() -> None:
    seen = with_start_info(memmap_paddr=MEMMAP, memmap_entries=0).at("entry")

    assert seen.memory_map is not None
    assert "none" == seen.memory_map.protocol
    assert seen.missing["memory_map.paddr"].startswith("memmap_entries is 0")


@pytest.mark.parametrize("version", [0, 1])
def test_the_second_module_named_e820_data_is_the_map(version: int) -> None:
    seen = rfc_guest(version=version).at("entry")

    assert seen.memory_map is not None
    assert ("e820-module", BLOB, 3) == seen.memory_map[:3]
    assert list(BLOB_RANGES) == ranges(seen)


def test_a_memmap_table_comes_before_the_module() -> None:
    seen = rfc_guest(version=1, memmap_paddr=MEMMAP, memmap_entries=len(build.MAP)).at("entry")

    assert list(build.MAP) == ranges(seen)


@pytest.mark.parametrize(
    "name", [b"e820 data \0", b"E820 data\0", b"e820 dat\0", b" e820 data\0", b"e820 data\n\0", b"e820 data=1\0", b"\0"]
)
def test_a_second_module_of_nearly_that_name_is_no_map(name: bytes) -> None:
    seen = rfc_guest(name).at("entry")

    assert seen.memory_map is not None
    assert "none" == seen.memory_map.protocol
    assert seen.missing["memory_map.paddr"].endswith('module 1 is not named "e820 data"')


def test_the_name_without_its_nul_is_no_map() -> None:
    guest = rfc_guest(b"e820 data")
    guest.put(NAME + 9, b"?" * (build.PAGE - 9))
    seen = guest.at("entry")

    assert seen.memory_map is not None
    assert "none" == seen.memory_map.protocol


@pytest.mark.parametrize("named", [[True], [True, False], [True, False, True]])
def test_only_the_second_module_can_be_the_map(named: list[bool]) -> None:
    guest = rfc_guest(nr_modules=len(named))
    guest.put(MODLIST, build.modlist(*((BLOB, 64, NAME if each else 0, 0) for each in named)))
    seen = guest.at("entry")

    assert seen.memory_map is not None
    assert "none" == seen.memory_map.protocol


def test_modules_beyond_the_limit_are_cut_off() -> None:
    seen = with_start_info(nr_modules=MAX_MODULES + 1, modlist_paddr=0x200000)
    seen.put(0x200000, build.modlist((0x1000, 1, 0, 0)) * (MAX_MODULES + 1))
    found = seen.at("entry")

    assert found.modules is not None
    assert MAX_MODULES == len(found.modules) == 4_096
    assert "truncated: the guest claims 4097 entries, only 4096 were read" == found.missing["modules"]


@pytest.mark.parametrize("claimed", [MAX_ENTRIES, MAX_ENTRIES + 1, (1 << 32) - 1])
def test_map_entries_beyond_the_limit_are_cut_off(claimed: int) -> None:
    guest = with_start_info(memmap_paddr=0x200000, memmap_entries=claimed)
    guest.put(0x200000, bytes(24 * (MAX_ENTRIES + 1)))
    seen = guest.at("entry")

    assert seen.memory_map is not None
    assert (claimed, 16_384) == (seen.memory_map.nr_entries, len(seen.memory_map.entries))
    assert (claimed > MAX_ENTRIES) == ("memory_map.entries" in seen.missing)


def test_a_blobs_entries_beyond_the_limit_are_cut_off() -> None:
    guest = rfc_guest()
    guest.put(MODLIST, build.modlist((0, 0, 0, 0), (0x200000, 0, NAME, 0)))
    guest.put(0x200000, (MAX_ENTRIES + 1).to_bytes(4, "little") + bytes(20 * (MAX_ENTRIES + 1)))
    seen = guest.at("entry")

    assert MAX_ENTRIES == len(ranges(seen))
    assert "truncated: the guest claims 16385 entries, only 16384 were read" == seen.missing["memory_map.entries"]


@pytest.mark.parametrize(
    ("length", "shown", "is_cut"),
    [
        (65_535, 65_535, False),
        (MAX_STRING, MAX_STRING, True),
        (MAX_STRING + 200, MAX_STRING, True),
        (2 * MAX_STRING, MAX_STRING, True),
    ],
)
@pytest.mark.parametrize("offset", [0, 1, 255])
def test_a_string_ends_at_its_nul_or_at_the_limit(length: int, shown: int, is_cut: bool, offset: int) -> None:
    guest = with_start_info(cmdline_paddr=0x200000 + offset)
    guest.put(0x200000 + offset, b"x" * length + b"\0")
    seen = guest.at("entry")

    assert seen.cmdline is not None
    assert shown == len(seen.cmdline.raw) <= 65_536
    assert is_cut == ("cmdline" in seen.missing)


def test_a_string_that_runs_into_memory_that_is_not_there_is_shown_up_to_it() -> None:
    guest = with_start_info(cmdline_paddr=0x200FF0)
    guest.put(0x200FF0, b"x" * 16)
    seen = guest.at("entry")

    assert seen.cmdline is not None
    assert b"x" * 16 == seen.cmdline.raw
    assert "unreadable: 256 bytes at 0x201000" == seen.missing["cmdline"]


def test_a_strings_page_is_all_that_is_touched() -> None:
    guest = with_start_info(cmdline_paddr=0x200FFA)
    guest.put(0x200FFA, b"quiet\0")
    seen = guest.at("entry")

    assert seen.cmdline is not None
    assert b"quiet" == seen.cmdline.raw
    assert "cmdline" not in seen.missing


def test_addresses_of_0_lead_nowhere_and_say_so() -> None:
    seen = with_start_info(nr_modules=1, modlist_paddr=MODLIST).at("entry")

    assert seen.cmdline is None
    assert "cmdline_paddr is 0" == seen.missing["cmdline"]
    assert "its cmdline_paddr is 0" == seen.missing["modules[0].cmdline"]
    assert "rsdp" not in seen.missing


@pytest.mark.parametrize("address", [0x7000000, (1 << 64) - 8])
def test_what_lies_in_no_memory_is_missing_and_the_rest_is_there(address: int) -> None:
    pointers = dict.fromkeys(("modlist_paddr", "cmdline_paddr", "memmap_paddr", "rsdp_paddr"), address)
    seen = with_start_info(nr_modules=1, memmap_entries=3, **pointers).at("entry")

    assert seen.start_info is not None
    assert (b"", ()) == (seen.cmdline.raw if seen.cmdline else None, seen.modules)
    assert {"cmdline", "modules", "memory_map.entries", "rsdp"} <= seen.missing.keys()


def test_a_start_info_in_no_memory_leaves_nothing_to_follow() -> None:
    guest = build.linux_guest()
    guest.registers["rbx"] = 0x7000000
    seen = guest.at("entry")

    assert [None] * 4 == [seen.start_info, seen.cmdline, seen.modules, seen.memory_map]
    assert "unreadable: 40 bytes at 0x7000000" == seen.missing["start_info"]
    assert "start_info is missing" == seen.missing["memory_map"]


def test_only_the_low_half_of_rbx_is_ebx() -> None:
    guest = build.linux_guest()
    guest.registers["rbx"] = 0xDEADBEEF << 32 | START_INFO
    seen = guest.at("entry")

    assert seen.start_info is not None
    assert START_INFO == seen.start_info.at


def test_where_ebx_was_not_seen_there_is_no_start_info_later() -> None:
    seen = build.linux_guest().at("prepare")

    assert seen.start_info is None
    assert "EBX at the entry was not captured" == seen.missing["start_info"]


def test_after_the_entry_the_kernels_copy_is_followed() -> None:
    guest = build.linux_guest()
    build.page_tables(guest)
    guest.symbols["pvh_start_info"] = build.KERNEL_MAP + COPY
    guest.put(COPY, build.start_info(cmdline_paddr=0x300000))
    guest.put(0x300000, b"the copy's\0")
    seen = guest.at("prepare", START_INFO)

    assert seen.cmdline is not None
    assert b"the copy's" == seen.cmdline.raw
    assert seen.effective_start_info is seen.pvh_start_info


@pytest.mark.parametrize("elf_class", [32, 64])
def test_a_pointer_of_the_kernels_has_a_word_of_its_class(elf_class: int) -> None:
    guest = Guest(build.linux()._replace(elf_class=elf_class))
    guest.symbols["e820_table"] = build.KERNEL_MAP + build.VARIABLES["e820_table"]
    guest.put(build.VARIABLES["e820_table"], build.TABLE.to_bytes(elf_class // 8, "little") + b"\xff" * 8)
    guest.put(build.TABLE, build.e820_blob(build.SANITISED))
    seen = guest.at("e820")

    assert seen.e820_table is not None
    assert (build.TABLE, len(build.SANITISED)) == (seen.e820_table.paddr, seen.e820_table.nr_entries)


def test_each_stage_reads_what_is_valid_there_and_says_why_not_the_rest() -> None:
    keys = (stages.START_INFO, stages.PVH_START_INFO, stages.BOOT_PARAMS, stages.KERNEL_BOOT_PARAMS, stages.E820_TABLE)
    there = [[key for key in keys if getattr(stop, key) is not None] for stop in build.boot().stops]
    entry, *_, e820 = build.boot().stops

    assert [[*keys[:1]], [*keys[:2]], [*keys[:3]], [keys[3]], [*keys[3:]]] == there
    assert "not valid before stage prepare" == entry.missing["pvh_start_info"]
    assert "no longer valid at stage e820" == e820.missing["start_info"]


def test_where_the_guest_died_only_registers_and_code_are_read() -> None:
    guest = build.linux_guest()
    guest.run_at(0x1000850, "0f0b")
    seen = guest.at(stages.DIED)

    assert 0x1000850 == seen.rip
    assert "not read where the guest died" == seen.missing["start_info"]
    assert bytes.fromhex("0f0b") == seen.bytes_at(0x1000850, 2)


@pytest.mark.parametrize("stage", STAGES)
def test_everything_that_is_null_has_its_reason(stage: str) -> None:
    guest = Guest()
    guest.registers = dict.fromkeys(guest.registers)
    empty, whole = guest.at(stage), build.linux_guest().at(stage)

    for seen in (empty, whole):
        assert set() == set(nulls(document_json.stop(seen))) - seen.missing.keys()


@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize("byte", [None, 0x00, 0x7F, 0xFF])
def test_whatever_memory_holds_reading_ends_within_its_bounds(stage: str, byte: int | None) -> None:
    target = Counting(build.Noise(7, byte))
    seen = capture(target, stage, build.linux(), START_INFO)

    assert stage == seen.stage
    assert set() == set(nulls(document_json.stop(seen))) - seen.missing.keys()
    # Twice the tables at their limits, all strings together, and what is read for the checks.
    assert target.bytes < 2 * (MAX_MODULES * 32 + MAX_ENTRIES * 24) + MAX_TEXT + MAX_STRING + 0x4000
    assert target.reads < MAX_TEXT // 256 + MAX_MODULES + 100


def test_a_start_info_of_ones_is_shown_as_it_is() -> None:
    guest = build.linux_guest()
    guest.put(START_INFO, b"\xff" * 56)
    seen = guest.at("entry")

    assert seen.start_info is not None
    assert (1 << 32) - 1 == seen.start_info.nr_modules
    assert (seen.modules, seen.memory_map and seen.memory_map.entries) == ((), ())
    assert {"modules", "memory_map.entries", "cmdline", "rsdp"} <= seen.missing.keys()


def test_strings_of_many_modules_end_at_the_limit_for_all_of_them() -> None:
    guest = with_start_info(nr_modules=200, modlist_paddr=0x200000)
    guest.put(0x200000, build.modlist((0, 0, 0x300000, 0)) * 200)
    guest.put(0x300000, b"x" * (MAX_STRING + 1))
    seen = guest.at("entry")

    assert seen.modules is not None
    lengths = [len(each.cmdline.raw) for each in seen.modules if each.cmdline]
    assert [MAX_STRING] * (MAX_TEXT // MAX_STRING) == lengths[: MAX_TEXT // MAX_STRING]
    assert {0} == set(lengths[MAX_TEXT // MAX_STRING :])
    assert (
        "truncated after 0 bytes: the strings of this stop exceed 4194304 bytes" == seen.missing["modules[199].cmdline"]
    )
