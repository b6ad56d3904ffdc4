import pytest

from pvhdbg.boot.stop.capture import EMPTY_CAPTURE, Capture
from pvhdbg.views.rows.row import Row
from pvhdbg.views.rows.start_info_rows import module_rows, rsdp_meaning, start_info_rows
from tests import build

PLACE = 0x9000


def entry_with(**fields: int) -> Capture:
    """Return the entry capture of a guest whose start_info has these fields."""
    guest = build.linux_guest()
    guest.put(build.START_INFO, build.start_info(**fields))
    return guest.at("entry")


def row_named(capture: Capture, name: str) -> Row:
    return next(row for row in start_info_rows(capture) if row.name == name)


def meaning(name: str, **fields: int) -> str:
    return row_named(entry_with(**fields), name).meaning


def test_the_meanings_of_a_normal_boot_describe_what_the_pointers_lead_to() -> None:
    meanings = {row.name: row.meaning for row in start_info_rows(build.boot().stops[0])}

    assert {
        "magic": "correct",
        "version": "has a memory map",
        "flags": "none set",
        "nr_modules": "the ramdisk",
        "modlist_paddr": "1 module, 130.6 KiB",
        "cmdline_paddr": '"console=ttyS0 earlyprintk=ttyS0"',
        "rsdp_paddr": "no RSDP",
        "memmap_paddr": "6 entries, 511.6 MiB of RAM",
        "memmap_entries": "",
        "reserved": "",
    } == meanings


def test_a_wrong_magic_is_shown_with_the_correct_one() -> None:
    assert "wrong: must be 0x336ec578" == meaning("magic", magic=0x41414141)


def test_a_version_above_1_is_unknown() -> None:
    assert "unknown version: newer than 1" == meaning("version", version=7)


def test_flags_are_named_and_unknown_flags_are_shown_in_hex() -> None:
    assert "PRIVILEGED | INITDOMAIN | 0x1000" == meaning("flags", flags=0x1003)


def test_a_reserved_field_that_is_not_0_is_reported() -> None:
    assert "must be 0" == meaning("reserved", reserved=1)


def test_fields_that_version_0_lacks_show_the_reason() -> None:
    rows = start_info_rows(entry_with(version=0))
    later = {row.name: (row.value, row.meaning) for row in rows if row.offset and row.offset >= 0x28}

    assert (
        dict.fromkeys(("memmap_paddr", "memmap_entries", "reserved"), ("-", "not in version 0 of the structure"))
        == later
    )


def test_a_pointer_can_be_followed_unless_it_is_0() -> None:
    capture = entry_with(cmdline_paddr=build.CMDLINE)

    assert (build.CMDLINE, None) == (
        row_named(capture, "cmdline_paddr").leads_to,
        row_named(capture, "rsdp_paddr").leads_to,
    )


def test_the_rsdp_is_recognized_by_its_signature() -> None:
    guest = build.linux_guest()
    guest.put(build.START_INFO, build.start_info(rsdp_paddr=PLACE))
    guest.put(PLACE, b"RSD PTR " + bytes(28))

    assert "ACPI RSDP" == row_named(guest.at("entry"), "rsdp_paddr").meaning


def test_an_rsdp_that_was_not_read_has_the_reason_if_there_is_one() -> None:
    capture = EMPTY_CAPTURE._replace(missing={"rsdp": "not captured: 36 bytes at 0x9000"})

    assert "not captured: 36 bytes at 0x9000" == rsdp_meaning(capture, PLACE)
    assert "ACPI RSDP" == rsdp_meaning(EMPTY_CAPTURE, PLACE)


def test_a_wrong_rsdp_signature_is_shown() -> None:
    guest = build.linux_guest()
    guest.put(build.START_INFO, build.start_info(rsdp_paddr=PLACE))
    guest.put(PLACE, b"\x1bSD PTR ".ljust(36))

    assert "not an RSDP, wrong signature: 1b 53 44 20 50 54 52 20" == row_named(guest.at("entry"), "rsdp_paddr").meaning


def test_a_pointer_to_unmapped_memory_shows_the_reason() -> None:
    capture = entry_with(cmdline_paddr=1 << 40, nr_modules=1, modlist_paddr=1 << 41)

    assert "not captured: 256 bytes at 0x10000000000" in row_named(capture, "cmdline_paddr").meaning
    assert "not captured: 32 bytes at 0x20000000000" == row_named(capture, "modlist_paddr").meaning


def test_a_memory_map_without_entries_is_ignored() -> None:
    assert "ignored: memmap_entries is 0" == meaning("memmap_paddr", memmap_paddr=build.MEMMAP)


def test_module_1_can_be_the_memory_map() -> None:
    guest = build.linux_guest()
    guest.put(build.START_INFO, build.start_info(version=0, nr_modules=3, modlist_paddr=build.MODLIST))
    modules = ((0x100000, 4096, 0, 0), (PLACE, 124, PLACE + 512, 0), (0x200000, 1, 0, 0))
    guest.put(build.MODLIST, build.modlist(*modules))
    guest.put(PLACE, build.e820_blob(build.MAP))
    guest.put(PLACE + 512, b"e820 data\0")
    rows = module_rows(guest.at("entry"))
    roles = [row.meaning for row in rows if row.depth == 0]

    assert ["the ramdisk", "the memory map", "ignored by Linux"] == roles
    assert '"e820 data"' == next(row for row in rows if row.path == "modules[1].cmdline_paddr").meaning


@pytest.mark.parametrize(
    ("paddr", "size", "expected"),
    [
        (0, 0, "no ramdisk: address or size is 0"),
        (0, 1, "no ramdisk: address or size is 0"),
        (1, 0, "no ramdisk: address or size is 0"),
        (1, 1, "the ramdisk"),
    ],
)
def test_an_empty_module_0_is_not_a_ramdisk(paddr: int, size: int, expected: str) -> None:
    guest = build.linux_guest()
    guest.put(build.MODLIST, build.modlist((paddr, size, 0, 0)))

    assert expected == module_rows(guest.at("entry"))[0].meaning


@pytest.mark.parametrize(("reserved", "expected"), [(0, ""), (1, "must be 0")])
def test_each_field_of_a_module_has_its_meaning(reserved: int, expected: str) -> None:
    guest = build.linux_guest()
    guest.put(build.MODLIST, build.modlist((build.RAMDISK, 0x1000, 0, reserved)))
    meanings = {row.name: row.meaning for row in module_rows(guest.at("entry")) if row.depth}

    assert {"paddr": "", "size": "4 KiB", "cmdline_paddr": "no command line", "reserved": expected} == meanings


def test_a_truncated_module_list_ends_with_the_reason() -> None:
    capture = build.capture_target(build.RandomTarget(0, 0xFF), "entry")

    assert "truncated: the guest claims 4294967295 entries, only 4096 were read" == module_rows(capture)[-1].meaning
