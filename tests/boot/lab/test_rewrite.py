import pytest

from pvhdbg.abi.start_info import SIZE_V0
from pvhdbg.boot.lab.assignment import parse_assignment
from pvhdbg.boot.lab.rewrite import Change, apply
from pvhdbg.boot.record.document import Rewrite
from pvhdbg.boot.stop.capture import Capture
from pvhdbg.boot.stop.protocols import AS_IS, E820_MODULE, MEMMAP, NO_MAP, PROTOCOLS, V0
from pvhdbg.errors import TargetError, UserError
from pvhdbg.target.recording import Recording
from tests import build
from tests.build import CMDLINE, MAP, MODLIST, RAMDISK, RAMDISK_SIZE, START_INFO, Guest, Range
from tests.build import MEMMAP as TABLE

FREE = 0x10000


class Writable(Recording):
    """A guest whose memory can be written, wherever it is."""

    def __init__(self, guest: Guest) -> None:
        super().__init__((), guest.registers, guest.symbols)
        self.guest = guest

    def read_phys(self, paddr: int, size: int) -> bytes:
        self.guest.put(paddr + size, b"")
        for page in range(paddr, paddr + size + 1, 4096):
            self.guest.memory._pages.setdefault(page // 4096, bytearray(4096))
        self.guest.memory._pages.setdefault((paddr + size) // 4096, bytearray(4096))
        return self.guest.memory.get(paddr, size)

    def write_phys(self, paddr: int, data: bytes) -> None:
        self.guest.put(paddr, data)


def rewritten(guest: Guest, *changes: str) -> tuple[tuple[Rewrite, ...], Capture]:
    """A guest at its entry after `--protocol` or `--set` changes."""
    wanted: list[Change] = [each if each in PROTOCOLS else parse_assignment(each) for each in changes]
    return apply(Writable(guest), build.linux(), guest.at("entry"), wanted)


def ranges(seen: Capture) -> tuple[str, list[Range]]:
    assert seen.memory_map is not None
    return seen.memory_map.protocol, [(each.addr, each.size, each.type) for each in seen.memory_map.entries]


def test_as_is_changes_nothing() -> None:
    guest = build.linux_guest()
    before = guest.at("entry")
    done, seen = rewritten(guest, AS_IS)

    assert ((), before.start_info, before.memory_map) == (done, seen.start_info, seen.memory_map)


# --protocol e820-module


def test_the_rfcs_form_has_the_map_as_the_second_module_with_its_name() -> None:
    _, seen = rewritten(build.linux_guest(), E820_MODULE)
    blob = FREE, 4 + 20 * len(MAP)

    assert (E820_MODULE, list(MAP)) == ranges(seen)
    assert seen.start_info is not None
    assert seen.modules is not None
    assert (0, 2) == (seen.start_info.version, seen.start_info.nr_modules)
    assert [(RAMDISK, RAMDISK_SIZE), blob] == [(each.entry.paddr, each.entry.size) for each in seen.modules]
    assert b"e820 data" == (seen.modules[1].cmdline and seen.modules[1].cmdline.raw)


def test_without_an_initrd_the_first_module_is_an_empty_one() -> None:
    guest = build.linux_guest()
    guest.put(START_INFO + 12, bytes(12))
    _, seen = rewritten(guest, E820_MODULE)

    assert seen.modules is not None
    assert [(0, 0, 0), (FREE, 4 + 20 * len(MAP), FREE + 128)] == [
        (each.entry.paddr, each.entry.size, each.entry.cmdline_paddr) for each in seen.modules
    ]


def test_what_was_the_second_module_becomes_the_third() -> None:
    guest = build.linux_guest()
    guest.put(START_INFO + 12, (2).to_bytes(4, "little"))
    guest.put(MODLIST + 32, build.modlist((0x5000000, 7, 0, 0)))
    _, seen = rewritten(guest, E820_MODULE)

    assert seen.modules is not None
    assert [RAMDISK, FREE, 0x5000000] == [each.entry.paddr for each in seen.modules]


def test_each_write_says_what_it_is_what_was_there_and_what_is() -> None:
    done, _ = rewritten(build.linux_guest(), E820_MODULE)

    assert ["memory_map", "modules[1].cmdline", "modules", *(f"start_info.{each}" for each in FIELDS)] == [
        each.path for each in done
    ]
    assert Rewrite("start_info.version", START_INFO + 4, b"\1\0\0\0", b"\0\0\0\0") == done[-1]


FIELDS = ("nr_modules", "modlist_paddr", "version")


def test_the_rfcs_form_stays_what_it_is() -> None:
    guest = build.linux_guest()
    _, once = rewritten(guest, E820_MODULE)
    done, twice = rewritten(guest, E820_MODULE)

    assert (once.modules, once.memory_map) == (twice.modules, twice.memory_map)
    assert ["start_info.version"] == [each.path for each in done]


# --protocol memmap


def test_the_way_back_has_the_same_map_and_no_module_for_it() -> None:
    guest = build.linux_guest()
    rewritten(guest, E820_MODULE)
    _, seen = rewritten(guest, MEMMAP)

    assert (MEMMAP, list(MAP)) == ranges(seen)
    assert seen.start_info is not None
    assert seen.modules is not None
    assert (1, 0) == (seen.start_info.version, seen.start_info.reserved)
    assert [RAMDISK] == [each.entry.paddr for each in seen.modules]


def test_an_empty_module_that_only_made_the_map_the_second_goes_too() -> None:
    guest = build.linux_guest()
    guest.put(START_INFO + 12, bytes(12))
    rewritten(guest, E820_MODULE)
    _, seen = rewritten(guest, MEMMAP)

    assert seen.start_info is not None
    assert (0, 0, ()) == (seen.start_info.nr_modules, seen.start_info.modlist_paddr, seen.modules)


def test_todays_form_stays_what_it_is() -> None:
    done, _ = rewritten(build.linux_guest(), MEMMAP)

    assert () == done


@pytest.mark.parametrize("protocol", [E820_MODULE, MEMMAP])
def test_without_a_map_there_is_nothing_to_hand_over_in_another_form(protocol: str) -> None:
    guest = build.linux_guest()
    rewritten(guest, V0)

    with pytest.raises(UserError, match=r"^there is no memory map"):
        rewritten(guest, protocol)


def test_a_map_that_was_not_read_whole_is_not_handed_over() -> None:
    guest = build.linux_guest()
    guest.put(START_INFO, build.start_info(memmap_paddr=0x5000000, memmap_entries=20000))
    guest.put(0x5000000, bytes(24 * 20000))

    with pytest.raises(UserError, match=r"^of the memory map's 20000 entries only 16384 could be read$"):
        rewritten(guest, E820_MODULE)


# --protocol v0


@pytest.mark.parametrize("first", [AS_IS, E820_MODULE])
def test_version_0_has_no_map_however_it_was_handed_over(first: str) -> None:
    guest = build.linux_guest()
    _, seen = rewritten(guest, first, V0)

    assert (NO_MAP, []) == ranges(seen)
    assert seen.start_info is not None
    assert seen.modules is not None
    assert SIZE_V0 == len(seen.start_info.raw)
    assert [RAMDISK] == [each.entry.paddr for each in seen.modules]


# --set


@pytest.mark.parametrize(
    ("path", "paddr", "size"),
    [
        ("start_info.magic", START_INFO, 4),
        ("start_info.memmap_entries", START_INFO + 48, 4),
        ("start_info.rsdp_paddr", START_INFO + 32, 8),
        ("modules[0].paddr", MODLIST, 8),
        ("modules[0].reserved", MODLIST + 24, 8),
        ("memory_map.entries[0].addr", TABLE, 8),
        ("memory_map.entries[5].type", TABLE + 5 * 24 + 16, 4),
        ("memory_map.entries[1].reserved", TABLE + 24 + 20, 4),
    ],
)
def test_a_field_is_written_where_it_lies(path: str, paddr: int, size: int) -> None:
    guest = build.linux_guest()
    before = guest.memory.get(paddr, size)
    done, _ = rewritten(guest, f"{path}=0x5A")

    assert (Rewrite(path, paddr, before, (0x5A).to_bytes(size, "little")),) == done


def test_the_entries_and_the_count_of_a_module_can_be_set() -> None:
    _, seen = rewritten(
        build.linux_guest(), E820_MODULE, "memory_map.entries[1].size=0x1234", "memory_map.nr_entries=2"
    )

    assert (E820_MODULE, [MAP[0], (0, 0x1234, 1)]) == ranges(seen)


def test_a_change_sees_what_the_one_before_it_made() -> None:
    guest = build.linux_guest()
    guest.put(0x5000, build.memmap([(0, 0x1000, 1), (0x2000, 0x1000, 1)]))
    _, seen = rewritten(
        guest, "start_info.memmap_paddr=0x5000", "start_info.memmap_entries=2", "memory_map.entries[1].type=7"
    )

    assert (MEMMAP, [(0, 0x1000, 1), (0x2000, 0x1000, 7)]) == ranges(seen)


def test_a_shorter_command_line_stays_where_the_old_one_was() -> None:
    done, seen = rewritten(build.linux_guest(), 'cmdline="quiet"')

    assert (Rewrite("cmdline", CMDLINE, b"consol", b"quiet\0"),) == done
    assert b"quiet" == (seen.cmdline and seen.cmdline.raw)


def test_a_longer_command_line_gets_a_new_place() -> None:
    words = "console=ttyS0 earlyprintk=ttyS0 debug"
    done, seen = rewritten(build.linux_guest(), f'cmdline="{words}"')

    assert [("cmdline", FREE), ("start_info.cmdline_paddr", START_INFO + 24)] == [each[:2] for each in done]
    assert (FREE, words.encode()) == seen.cmdline


def test_a_module_without_a_command_line_gets_one() -> None:
    _, seen = rewritten(build.linux_guest(), 'modules[0].cmdline="initrd"')

    assert seen.modules is not None
    assert (FREE, b"initrd") == seen.modules[0].cmdline
    assert FREE == seen.modules[0].entry.cmdline_paddr


def test_new_things_never_lie_over_each_other() -> None:
    _, seen = rewritten(
        build.linux_guest(), E820_MODULE, f'cmdline="{"x" * 5000}"', f'modules[0].cmdline="{"y" * 300}"'
    )

    assert (E820_MODULE, list(MAP)) == ranges(seen)
    assert seen.modules is not None
    assert b"x" * 5000 == (seen.cmdline and seen.cmdline.raw)
    assert b"y" * 300 == (seen.modules[0].cmdline and seen.modules[0].cmdline.raw)


@pytest.mark.parametrize(
    "change",
    [
        "start_info.magic=0x100000000",
        "start_info.version=-1",
        "modules[0].size=0x10000000000000000",
        "memory_map.entries[0].type=4294967296",
    ],
)
def test_a_value_out_of_the_fields_range_is_refused(change: str) -> None:
    with pytest.raises(UserError, match=r"is out of range$"):
        rewritten(build.linux_guest(), change)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("start_info=1", "no such item"),
        ("start_info.paddr=1", "struct hvm_start_info has no paddr"),
        ("start_info[0].magic=1", "no such item"),
        ("cmdline[0]=1", "no such item"),
        ("modules.paddr=1", "no such item"),
        ("modules[0]=1", "no such item"),
        ("modules[0].name=1", "struct hvm_modlist_entry has no name"),
        ("modules[1].paddr=1", "there are 1, counted from 0"),
        ("memory_map=1", "no such item"),
        ("memory_map.paddr=1", "no such item"),
        ("memory_map.entries=1", "no such item"),
        ("memory_map.entries[6].addr=1", "there are 6, counted from 0"),
        ("memory_map.entries.addr=1", "no such item"),
        ("memory_map.other[0].addr=1", "no such item"),
        ("memory_map.entries[0].name=1", "struct hvm_memmap_table_entry has no name"),
        ("memory_map.nr_entries=1", "the map is no module"),
        ("boot_params.sentinel=1", "no such item"),
        ("registers.rip=1", "no such item"),
    ],
)
def test_what_is_not_there_is_refused_with_a_hint(change: str, words: str) -> None:
    with pytest.raises(UserError, match=f": {words}$") as caught:
        rewritten(build.linux_guest(), change)
    assert caught.value.hint


def test_a_string_is_no_integer_and_an_integer_no_string() -> None:
    with pytest.raises(UserError, match=r"^start_info\.magic: takes an integer, not a string$"):
        rewritten(build.linux_guest(), 'start_info.magic="xEn3"')
    with pytest.raises(UserError, match=r"^cmdline: takes a string, not 5$"):
        rewritten(build.linux_guest(), "cmdline=5")


def test_version_0_has_no_fields_of_version_1() -> None:
    with pytest.raises(UserError, match="not in version 0") as caught:
        rewritten(build.linux_guest(), V0, "start_info.memmap_paddr=1")
    assert "start_info.version=1" in (caught.value.hint or "")


def test_without_a_map_no_entry_of_it_can_be_set() -> None:
    with pytest.raises(UserError, match=r"there is no memory map$"):
        rewritten(build.linux_guest(), V0, "memory_map.entries[0].type=1")


def test_without_a_start_info_nothing_can_be_changed() -> None:
    guest = build.linux_guest()
    guest.registers["rbx"] = None

    with pytest.raises(TargetError, match=r"^no start_info to change"):
        rewritten(guest, V0)
