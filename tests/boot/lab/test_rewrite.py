import re

import pytest

from pvhdbg.abi.start_info import SIZE_V0
from pvhdbg.boot.lab.assignment import parse_assignment
from pvhdbg.boot.lab.rewrite import EntryChange, apply_changes
from pvhdbg.boot.record.document import Rewrite
from pvhdbg.boot.run import entry_changes
from pvhdbg.boot.stop.capture import Capture
from pvhdbg.boot.stop.map_entries import decode_entries
from pvhdbg.boot.stop.protocols import AS_IS, E820_MODULE, MEMMAP, NO_MAP, PROTOCOLS, V0
from pvhdbg.errors import TargetError, UserError
from pvhdbg.target.recording import Recording
from tests import build
from tests.build import CMDLINE, MAP, MODLIST, RAMDISK, RAMDISK_SIZE, START_INFO, Guest, Range
from tests.build import MEMMAP as TABLE

FREE = 0x10000


class Writable(Recording):
    """A guest whose memory can be written at any address."""

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


def rewrite(guest: Guest, *changes: str) -> tuple[tuple[Rewrite, ...], Capture]:
    """Make changes as `--protocol` and `--set` do. Return what was written, and a new capture of the entry."""
    parsed: list[EntryChange] = [change if change in PROTOCOLS else parse_assignment(change) for change in changes]
    return apply_changes(Writable(guest), build.linux(), guest.at("entry"), parsed)


def protocol_and_map(capture: Capture) -> tuple[str, list[Range]]:
    assert capture.memory_map is not None
    return capture.memory_map.protocol, list(decode_entries(capture.memory_map.entries))


@pytest.mark.parametrize("typed", ["nosuch=1", "start_info.magic=0x1ffffffff", "start_info.magic=1"])
def test_after_the_entry_a_change_that_no_option_can_make_is_refused_as_at_the_entry(typed: str) -> None:
    guest = build.linux_guest()
    guest.put(START_INFO, build.start_info())
    entry, change = guest.at("entry"), parse_assignment(typed)
    is_possible = typed.endswith("magic=1")
    with pytest.raises(UserError) as refused:
        entry_changes.write(Writable(guest), build.linux(), None, [change], [entry])

    assert is_possible == (str(refused.value) == "boot data can only be changed at the entry")
    assert is_possible == (f"use --set {typed.replace('=1', '=0x1')}," in (refused.value.hint or ""))


def test_as_is_changes_nothing() -> None:
    guest = build.linux_guest()
    before = guest.at("entry")
    rewrites, entry = rewrite(guest, AS_IS)

    assert ((), before.start_info, before.memory_map) == (rewrites, entry.start_info, entry.memory_map)


# --protocol e820-module


def test_e820_module_hands_the_map_over_as_module_1_with_its_name() -> None:
    _, entry = rewrite(build.linux_guest(), E820_MODULE)
    blob = FREE, 4 + 20 * len(MAP)

    assert (E820_MODULE, list(MAP)) == protocol_and_map(entry)
    assert entry.start_info is not None
    assert entry.modules is not None
    assert (0, 2) == (entry.start_info.version, entry.start_info.nr_modules)
    assert [(RAMDISK, RAMDISK_SIZE), blob] == [(module.entry.paddr, module.entry.size) for module in entry.modules]
    assert b"e820 data" == (entry.modules[1].cmdline and entry.modules[1].cmdline.raw)


def test_without_an_initrd_module_0_is_empty() -> None:
    guest = build.linux_guest()
    guest.put(START_INFO + 12, bytes(12))
    _, entry = rewrite(guest, E820_MODULE)

    assert entry.modules is not None
    assert [(0, 0, 0), (FREE, 4 + 20 * len(MAP), FREE + 128)] == [
        (module.entry.paddr, module.entry.size, module.entry.cmdline_paddr) for module in entry.modules
    ]


def test_module_1_becomes_module_2() -> None:
    guest = build.linux_guest()
    guest.put(START_INFO + 12, (2).to_bytes(4, "little"))
    guest.put(MODLIST + 32, build.modlist((0x5000000, 7, 0, 0)))
    _, entry = rewrite(guest, E820_MODULE)

    assert entry.modules is not None
    assert [RAMDISK, FREE, 0x5000000] == [module.entry.paddr for module in entry.modules]


def test_a_rewrite_has_its_path_and_the_bytes_before_and_after() -> None:
    rewrites, _ = rewrite(build.linux_guest(), E820_MODULE)

    assert ["memory_map", "modules[1].cmdline", "modules", *(f"start_info.{name}" for name in FIELDS)] == [
        rewrite.path for rewrite in rewrites
    ]
    assert Rewrite("start_info.version", START_INFO + 4, b"\1\0\0\0", b"\0\0\0\0") == rewrites[-1]


FIELDS = ("nr_modules", "modlist_paddr", "version")


def test_a_map_that_is_already_a_module_stays_where_it_is() -> None:
    guest = build.linux_guest()
    _, once = rewrite(guest, E820_MODULE)
    rewrites, twice = rewrite(guest, E820_MODULE)

    assert (once.modules, once.memory_map) == (twice.modules, twice.memory_map)
    assert ["start_info.version"] == [rewrite.path for rewrite in rewrites]


# --protocol memmap


def test_memmap_converts_a_module_back_to_a_table_and_removes_the_module() -> None:
    guest = build.linux_guest()
    rewrite(guest, E820_MODULE)
    _, entry = rewrite(guest, MEMMAP)

    assert (MEMMAP, list(MAP)) == protocol_and_map(entry)
    assert entry.start_info is not None
    assert entry.modules is not None
    assert (1, 0) == (entry.start_info.version, entry.start_info.reserved)
    assert [RAMDISK] == [module.entry.paddr for module in entry.modules]


def test_memmap_also_removes_the_empty_module_0() -> None:
    guest = build.linux_guest()
    guest.put(START_INFO + 12, bytes(12))
    rewrite(guest, E820_MODULE)
    _, entry = rewrite(guest, MEMMAP)

    assert entry.start_info is not None
    assert (0, 0, ()) == (entry.start_info.nr_modules, entry.start_info.modlist_paddr, entry.modules)


def test_a_map_that_is_already_a_table_is_not_changed() -> None:
    rewrites, _ = rewrite(build.linux_guest(), MEMMAP)

    assert () == rewrites


@pytest.mark.parametrize("protocol", [E820_MODULE, MEMMAP])
def test_without_a_map_there_is_nothing_to_convert(protocol: str) -> None:
    guest = build.linux_guest()
    rewrite(guest, V0)

    with pytest.raises(UserError, match=r"^no memory map to convert$"):
        rewrite(guest, protocol)


def test_a_map_that_was_not_read_completely_is_not_converted() -> None:
    guest = build.linux_guest()
    guest.put(START_INFO, build.start_info(memmap_paddr=0x5000000, memmap_entries=20000))
    guest.put(0x5000000, bytes(24 * 20000))

    with pytest.raises(UserError, match=r"^cannot convert the memory map: only 16384 of 20000 entries were read$"):
        rewrite(guest, E820_MODULE)


# --protocol v0


@pytest.mark.parametrize("first", [AS_IS, E820_MODULE])
def test_v0_removes_the_map_of_either_protocol(first: str) -> None:
    guest = build.linux_guest()
    _, entry = rewrite(guest, first, V0)

    assert (NO_MAP, []) == protocol_and_map(entry)
    assert entry.start_info is not None
    assert entry.modules is not None
    assert SIZE_V0 == len(entry.start_info.raw)
    assert [RAMDISK] == [module.entry.paddr for module in entry.modules]


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
def test_a_field_is_written_at_its_address(path: str, paddr: int, size: int) -> None:
    guest = build.linux_guest()
    before = guest.memory.get(paddr, size)
    rewrites, _ = rewrite(guest, f"{path}=0x5A")

    assert (Rewrite(path, paddr, before, (0x5A).to_bytes(size, "little")),) == rewrites


def test_the_entries_and_the_count_of_a_module_can_be_set() -> None:
    _, entry = rewrite(build.linux_guest(), E820_MODULE, "memory_map.entries[1].size=0x1234", "memory_map.nr_entries=2")

    assert (E820_MODULE, [MAP[0], (0, 0x1234, 1)]) == protocol_and_map(entry)


def test_a_change_builds_on_the_changes_before_it() -> None:
    guest = build.linux_guest()
    guest.put(0x5000, build.memmap([(0, 0x1000, 1), (0x2000, 0x1000, 1)]))
    _, entry = rewrite(
        guest, "start_info.memmap_paddr=0x5000", "start_info.memmap_entries=2", "memory_map.entries[1].type=7"
    )

    assert (MEMMAP, [(0, 0x1000, 1), (0x2000, 0x1000, 7)]) == protocol_and_map(entry)


def test_a_shorter_command_line_replaces_the_old_one_in_place() -> None:
    rewrites, entry = rewrite(build.linux_guest(), 'cmdline="quiet"')

    assert (Rewrite("cmdline", CMDLINE, b"consol", b"quiet\0"),) == rewrites
    assert b"quiet" == (entry.cmdline and entry.cmdline.raw)


def test_a_longer_command_line_gets_new_memory() -> None:
    cmdline = "console=ttyS0 earlyprintk=ttyS0 debug"
    rewrites, entry = rewrite(build.linux_guest(), f'cmdline="{cmdline}"')

    assert [("cmdline", FREE), ("start_info.cmdline_paddr", START_INFO + 24)] == [rewrite[:2] for rewrite in rewrites]
    assert (FREE, cmdline.encode()) == entry.cmdline


def test_a_module_without_a_command_line_gets_one() -> None:
    _, entry = rewrite(build.linux_guest(), 'modules[0].cmdline="initrd"')

    assert entry.modules is not None
    assert (FREE, b"initrd") == entry.modules[0].cmdline
    assert FREE == entry.modules[0].entry.cmdline_paddr


def test_new_structures_do_not_overlap() -> None:
    _, entry = rewrite(build.linux_guest(), E820_MODULE, f'cmdline="{"x" * 5000}"', f'modules[0].cmdline="{"y" * 300}"')

    assert (E820_MODULE, list(MAP)) == protocol_and_map(entry)
    assert entry.modules is not None
    assert b"x" * 5000 == (entry.cmdline and entry.cmdline.raw)
    assert b"y" * 300 == (entry.modules[0].cmdline and entry.modules[0].cmdline.raw)


@pytest.mark.parametrize(
    "change",
    [
        "start_info.magic=0x100000000",
        "start_info.version=-1",
        "modules[0].size=0x10000000000000000",
        "memory_map.entries[0].type=4294967296",
    ],
)
def test_a_value_out_of_range_is_rejected(change: str) -> None:
    with pytest.raises(UserError, match=r"is out of range$"):
        rewrite(build.linux_guest(), change)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ("start_info=1", "cannot be set"),
        ("start_info.paddr=1", "struct hvm_start_info has no field paddr"),
        ("start_info[0].magic=1", "cannot be set"),
        ("cmdline[0]=1", "cannot be set"),
        ("modules[0]=1", "cannot be set"),
        ("modules[0].name=1", "struct hvm_modlist_entry has no field name"),
        ("modules[1].paddr=1", "no such module: this boot has only 0"),
        ("memory_map=1", "cannot be set"),
        ("memory_map.paddr=1", "cannot be set"),
        ("memory_map.entries=1", "cannot be set"),
        ("memory_map.entries[6].addr=1", "no such entry: this memory map has 0 to 5"),
        ("memory_map.entries.addr=1", "cannot be set"),
        ("memory_map.other[0].addr=1", "cannot be set"),
        ("memory_map.entries[0].name=1", "struct hvm_memmap_table_entry has no field name"),
        ("memory_map.nr_entries=1", 'the map is not an "e820 data" module'),
        ("boot_params.sentinel=1", "cannot be set"),
        ("registers.rip=1", "cannot be set"),
    ],
)
def test_a_path_that_cannot_be_set_is_rejected_with_a_hint(change: str, reason: str) -> None:
    with pytest.raises(UserError, match=f": {reason}$") as caught:
        rewrite(build.linux_guest(), change)
    assert caught.value.hint


@pytest.mark.parametrize(
    ("path", "meant"),
    [
        ("magic", "start_info.magic"),
        ("memory_map[99].size", "memory_map.entries[99].size"),
        ("memmap[0].type", "memory_map.entries[0].type"),
        ("module[0].paddr", "modules[0].paddr"),
        ("modules.paddr", "modules[0].paddr"),
    ],
)
def test_an_unknown_path_is_rejected_with_the_path_that_was_probably_meant(path: str, meant: str) -> None:
    with pytest.raises(UserError, match=f"^unknown path: {re.escape(path)}$") as caught:
        rewrite(build.linux_guest(), f"{path}=1")

    assert f"did you mean `{meant}`?" == caught.value.hint


def test_an_unknown_path_that_resembles_none_is_rejected_with_the_list() -> None:
    with pytest.raises(UserError, match=r"^unknown path: nonsense\.x$") as caught:
        rewrite(build.linux_guest(), "nonsense.x=1")

    assert caught.value.hint is not None
    assert caught.value.hint.startswith("use start_info.FIELD")


def test_a_boot_without_modules_says_how_to_add_one() -> None:
    with pytest.raises(UserError, match=r"no such module: this boot has none$") as caught:
        rewrite(build.linux_guest(), "start_info.nr_modules=0", "modules[5].paddr=0")

    assert "add a module with -i FILE" == caught.value.hint


def test_a_value_of_the_wrong_type_is_rejected() -> None:
    with pytest.raises(UserError, match=r"^start_info\.magic: expected an integer, not a string$"):
        rewrite(build.linux_guest(), 'start_info.magic="xEn3"')
    with pytest.raises(UserError, match=r"^cmdline: expected a string, not 5$"):
        rewrite(build.linux_guest(), "cmdline=5")


def test_version_0_has_no_fields_of_version_1() -> None:
    with pytest.raises(UserError, match="not in version 0") as caught:
        rewrite(build.linux_guest(), V0, "start_info.memmap_paddr=1")
    assert "start_info.version=1" in (caught.value.hint or "")


def test_without_a_map_no_entry_can_be_set() -> None:
    with pytest.raises(UserError, match=r"there is no memory map$"):
        rewrite(build.linux_guest(), V0, "memory_map.entries[0].type=1")


def test_without_start_info_nothing_can_be_changed() -> None:
    guest = build.linux_guest()
    guest.registers["rbx"] = None

    with pytest.raises(TargetError, match=r"^cannot change start_info: "):
        rewrite(guest, V0)


def test_the_count_of_a_module_has_four_bytes() -> None:
    _, entry = rewrite(build.linux_guest(), E820_MODULE, "memory_map.nr_entries=0x01000000")

    assert entry.memory_map is not None
    assert 0x01000000 == entry.memory_map.nr_entries
