from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from pvhdbg import guest
from pvhdbg.boot.model.kernel_behavior import KernelBehavior, behavior_at, behavior_from_symbols, kernel_behavior
from pvhdbg.boot.stop.early_maps import EarlyMaps
from pvhdbg.boot.stop.kernel_probe import (
    ANY_STRING,
    E820_STRING,
    PROBED,
    SymbolsAndStrings,
    link_address,
    probe,
    string_offset,
)
from pvhdbg.errors import SymbolMissing
from pvhdbg.image.debug_info.symbols import Symbols
from pvhdbg.image.facts import ImageFacts, Segment, read_facts
from pvhdbg.target.recording import Recording
from tests import build

LINUX = dict.fromkeys(("xen_prepare_pvh", "mem_map_via_hcall", "pvh_get_root_pointer", "__append_e820_table"), 1)
TABLES = {"e820_table_init": 0xA0010000, "e820_table_kexec_init": 0xA0000000, "e820_table_firmware_init": 0xA0020000}


class FileTarget:
    """A Target that knows only the symbols and strings of a kernel file."""

    def __init__(self, symbols: SymbolsAndStrings) -> None:
        self._symbols = symbols

    def read_phys(self, _paddr: int, _size: int) -> bytes:
        raise NotImplementedError

    def register(self, _name: str) -> int:
        raise NotImplementedError

    def symbol(self, name: str) -> int:
        return self._symbols.address(name)


def behavior_of(path: Path) -> KernelBehavior:
    image = read_facts(str(path))
    symbols = Symbols(str(path))
    with closing(symbols):
        return behavior_from_symbols(probe(FileTarget(SymbolsAndStrings(symbols, image)), image), image, xen=False)


def test_debians_kernels_take_the_memmap_table(debian_vmlinux: Path) -> None:
    behavior = behavior_of(debian_vmlinux)
    is_64_bit = read_facts(str(debian_vmlinux)).elf_class == 64

    assert (True, False, False) == (behavior.memmap, behavior.e820_module, behavior.xen)
    assert (3200 if is_64_bit else 131) == behavior.capacity
    assert (64 if is_64_bit else 32) == (behavior.early and behavior.early.bits)


@pytest.mark.parametrize(
    ("release", "sets_rsdp", "fewest_entries"),
    [("5.10", False, 2), ("6.1", False, 2), ("6.12", False, 2), ("sid", True, None)],
)
def test_only_newer_kernels_set_acpi_rsdp_addr_and_take_a_map_of_one_entry(
    find_vmlinux: Callable[[str], Path], release: str, sets_rsdp: bool, fewest_entries: int | None
) -> None:
    behavior = behavior_of(find_vmlinux(release))

    assert (sets_rsdp, fewest_entries) == (behavior.sets_rsdp, behavior.fewest_entries)


def test_the_rfc_kernel_takes_the_module_and_has_a_short_table(rfc_vmlinux: Path) -> None:
    assert (
        KernelBehavior(False, True, False, xen=False, early=EarlyMaps(), fewest_entries=2, capacity=131)
    ) == behavior_of(rfc_vmlinux)


def test_the_teaching_guest_takes_both_and_sets_acpi_rsdp_addr() -> None:
    assert KernelBehavior(True, True, True, xen=False, early=EarlyMaps(), fewest_entries=2) == behavior_of(
        Path(guest.ELF)
    )


def test_without_symbols_nothing_is_known() -> None:
    assert KernelBehavior() == kernel_behavior({}, e820_name=False)


def test_the_source_of_the_map_is_unknown_if_the_string_was_not_looked_up() -> None:
    behavior = kernel_behavior(LINUX, e820_name=None)

    assert (None, None, None, 2) == (behavior.memmap, behavior.e820_module, behavior.sets_rsdp, behavior.fewest_entries)


def test_a_linux_older_than_the_memmap_table_is_not_mistaken_for_one_that_supports_it() -> None:
    behavior = kernel_behavior({"xen_prepare_pvh": 1}, e820_name=False)

    assert (None, False, None) == (behavior.memmap, behavior.e820_module, behavior.sets_rsdp)


def test_a_linux_without_pvh_get_root_pointer_sets_acpi_rsdp_addr() -> None:
    symbols = {name: 1 for name in LINUX if name != "pvh_get_root_pointer"}

    assert True is kernel_behavior(symbols, e820_name=False).sets_rsdp


@pytest.mark.parametrize(
    ("distance", "capacity"), [(64032, 3200), (2624, 131), (2625, 131), (4 + 20 * 128, None), (1, None), (0, None)]
)
def test_the_capacity_follows_from_the_distance_of_two_tables(distance: int, capacity: int | None) -> None:
    symbols = LINUX | {name: distance * index for index, name in enumerate(TABLES)}

    assert capacity == kernel_behavior(symbols, e820_name=False).capacity


@pytest.mark.parametrize(
    ("strings", "expected"),
    [((ANY_STRING,), (True, False)), ((ANY_STRING, E820_STRING), (False, True)), ((), (None, None))],
)
def test_the_behavior_follows_from_the_strings_that_a_stop_recorded(
    strings: tuple[str, ...], expected: tuple[bool | None, bool | None]
) -> None:
    capture = build.linux_guest().at("entry")._replace(symbols=LINUX | dict.fromkeys(strings, 1))

    assert expected == behavior_at(capture, build.linux(), xen=False)[:2]


def test_a_string_counts_only_in_the_bytes_that_the_file_loads() -> None:
    image = build.linux()._replace(segments=(Segment(0, 0x1000000, 16, 32, 4), Segment(0, 0x2000000, 10, 10, 40)))
    data = bytes(20) + b"e820 data\0".rjust(30, b"\0")

    assert (40, 4) == (string_offset(data, image, b"e820 data"), string_offset(data, image, b""))
    assert (0x2000000, 0x1000000) == (link_address(image, 40), link_address(image, 4))
    assert None is string_offset(data, image._replace(segments=image.segments[:1]), b"e820 data")


def test_a_string_is_missing_if_the_file_is_gone() -> None:
    with closing(Symbols(str(guest.ELF))) as symbols:
        symbols_and_strings = SymbolsAndStrings(symbols, build.linux()._replace(elf="/no/such/file"))

        with pytest.raises(SymbolMissing, match=r'^no symbol "e820 data"$'):
            symbols_and_strings.address(E820_STRING)


def test_a_name_without_quotes_is_a_symbol() -> None:
    with closing(Symbols(str(guest.ELF))) as symbols:
        symbols_and_strings = SymbolsAndStrings(symbols, read_facts(str(guest.ELF)))

        assert symbols.address("xen_prepare_pvh") == symbols_and_strings.address("xen_prepare_pvh")
        with pytest.raises(SymbolMissing, match=r'^no symbol "$'):
            symbols_and_strings.address('"')


def test_probe_returns_the_names_that_the_kernel_has() -> None:
    kernel = Recording((), {}, {"xen_prepare_pvh": 5, "start_kernel": 7, "_end": 9})

    assert {"xen_prepare_pvh": 5} == probe(kernel, build.linux())
    assert {"xen_prepare_pvh": 5, "_end": 9} == probe(kernel, build.linux()._replace(elf_class=32))
    assert len(set(PROBED)) == len(PROBED)


def test_an_image_that_is_not_linux_has_no_known_behavior(grub_image: Path) -> None:
    image: ImageFacts = read_facts(str(grub_image))

    assert KernelBehavior(early=None) == kernel_behavior({}, e820_name=False, image=image)
