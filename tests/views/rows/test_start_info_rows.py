from pvhdbg.boot.stop.capture import Capture
from pvhdbg.views.rows.row import Row
from pvhdbg.views.rows.start_info_rows import module_rows, start_info_rows
from tests import build

PLACE = 0x9000


def entry(**values: int) -> Capture:
    """A guest with a start_info of these fields, and all that qboot leaves."""
    guest = build.linux_guest()
    guest.put(build.START_INFO, build.start_info(**values))
    return guest.at("entry")


def row(capture: Capture, name: str) -> Row:
    return next(each for each in start_info_rows(capture) if each.name == name)


def meaning(name: str, **values: int) -> str:
    return row(entry(**values), name).meaning


def test_the_meanings_of_a_usual_boot_tell_what_the_pointers_lead_to() -> None:
    meanings = {each.name: each.meaning for each in start_info_rows(build.boot().stops[0])}

    assert {
        "magic": "right",
        "version": "carries a memory map",
        "flags": "none set",
        "nr_modules": "the ramdisk",
        "modlist_paddr": "1 module: 130.6 KiB",
        "cmdline_paddr": '"console=ttyS0 earlyprintk=ttyS0"',
        "rsdp_paddr": "there is none",
        "memmap_paddr": "6 entries: 511.6 MiB of RAM",
        "memmap_entries": "",
        "reserved": "",
    } == meanings


def test_a_wrong_magic_is_said_with_the_right_one() -> None:
    assert "wrong: should be 0x336ec578" == meaning("magic", magic=0x41414141)


def test_a_version_that_nobody_knows_is_said() -> None:
    assert "newer than 1, the last one known" == meaning("version", version=7)


def test_flags_are_named_and_those_without_a_name_are_shown() -> None:
    assert "PRIVILEGED | INITDOMAIN | 0x1000" == meaning("flags", flags=0x1003)


def test_a_reserved_field_that_is_not_0_is_said() -> None:
    assert "should be 0" == meaning("reserved", reserved=1)


def test_version_0_has_no_map_and_each_field_of_it_says_so() -> None:
    rows = start_info_rows(entry(version=0))
    later = {each.name: (each.value, each.meaning) for each in rows if each.offset and each.offset >= 0x28}

    assert (
        dict.fromkeys(("memmap_paddr", "memmap_entries", "reserved"), ("-", "not in version 0 of the structure"))
        == later
    )


def test_a_pointer_can_be_followed_and_a_null_one_not() -> None:
    capture = entry(cmdline_paddr=build.CMDLINE)

    assert (build.CMDLINE, None) == (row(capture, "cmdline_paddr").leads_to, row(capture, "rsdp_paddr").leads_to)


def test_an_acpi_root_pointer_is_recognised_by_its_signature() -> None:
    guest = build.linux_guest()
    guest.put(build.START_INFO, build.start_info(rsdp_paddr=PLACE))
    guest.put(PLACE, b"RSD PTR " + bytes(28))

    assert "ACPI root pointer" == row(guest.at("entry"), "rsdp_paddr").meaning


def test_other_bytes_where_the_root_pointer_should_be_are_shown() -> None:
    guest = build.linux_guest()
    guest.put(build.START_INFO, build.start_info(rsdp_paddr=PLACE))
    guest.put(PLACE, b"\x1bSD PTR ".ljust(36))

    assert "no ACPI root pointer there: 1b 53 44 20 50 54 52 20" == row(guest.at("entry"), "rsdp_paddr").meaning


def test_a_pointer_to_nowhere_says_why_nothing_was_read() -> None:
    capture = entry(cmdline_paddr=1 << 40, nr_modules=1, modlist_paddr=1 << 41)

    assert "unreadable: 256 bytes at 0x10000000000" in row(capture, "cmdline_paddr").meaning
    assert "unreadable: 32 bytes at 0x20000000000" == row(capture, "modlist_paddr").meaning


def test_a_map_that_is_pointed_to_but_has_no_entries_is_said() -> None:
    assert "memmap_entries is 0: nobody looks there" == meaning("memmap_paddr", memmap_paddr=build.MEMMAP)


def test_the_second_module_can_be_the_memory_map() -> None:
    guest = build.linux_guest()
    guest.put(build.START_INFO, build.start_info(version=0, nr_modules=3, modlist_paddr=build.MODLIST))
    modules = ((0x100000, 4096, 0, 0), (PLACE, 124, PLACE + 512, 0), (0x200000, 1, 0, 0))
    guest.put(build.MODLIST, build.modlist(*modules))
    guest.put(PLACE, build.e820_blob(build.MAP))
    guest.put(PLACE + 512, b"e820 data\0")
    rows = module_rows(guest.at("entry"))
    roles = [each.meaning for each in rows if each.depth == 0]

    assert ["the ramdisk", "the memory map", "Linux does not look at it"] == roles
    assert '"e820 data"' == next(each for each in rows if each.path == "modules[1].cmdline_paddr").meaning


def test_a_first_module_without_bytes_is_no_ramdisk() -> None:
    guest = build.linux_guest()
    guest.put(build.MODLIST, build.modlist((0, 0, 0, 0)))

    assert "the ramdisk's place, empty: no ramdisk" == module_rows(guest.at("entry"))[0].meaning


def test_a_module_list_that_was_cut_says_so() -> None:
    capture = build.look(build.Noise(0, 0xFF), "entry")

    assert "truncated: the guest claims 4294967295 entries, only 4096 were read" == module_rows(capture)[-1].meaning
