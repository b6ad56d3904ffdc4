from contextlib import closing
from pathlib import Path

import pytest

from pvhdbg import guest
from pvhdbg.boot.model.kernel_behavior import KernelBehavior, behavior_at, behavior_from_symbols, kernel_behavior
from pvhdbg.boot.stop.early_maps import EarlyMaps
from pvhdbg.boot.stop.kernel_probe import ANY_STRING, E820_STRING, PROBED, SymbolsAndStrings, probe, string_at
from pvhdbg.errors import SymbolMissing
from pvhdbg.image.facts import ImageFacts, Segment, read_facts
from pvhdbg.image.symbols import Symbols
from pvhdbg.target.recording import Recording
from tests import build

LINUX = dict.fromkeys(("xen_prepare_pvh", "mem_map_via_hcall", "pvh_get_root_pointer", "__append_e820_table"), 1)
TABLES = {"e820_table_init": 0xA0010000, "e820_table_kexec_init": 0xA0000000, "e820_table_firmware_init": 0xA0020000}


class File:
    """A kernel's symbols and strings as a Target tells them."""

    def __init__(self, symbols: SymbolsAndStrings) -> None:
        self._symbols = symbols

    def read_phys(self, _paddr: int, _size: int) -> bytes:
        raise NotImplementedError

    def register(self, _name: str) -> int:
        raise NotImplementedError

    def symbol(self, name: str) -> int:
        return self._symbols.address(name)


def rules(path: Path) -> KernelBehavior:
    image = read_facts(str(path))
    symbols = Symbols(str(path))
    with closing(symbols):
        return behavior_from_symbols(probe(File(SymbolsAndStrings(symbols, image)), image), image, xen=False)


def test_debians_kernels_take_the_memmap_table_and_hand_the_rsdp_on_by_themselves(debian_vmlinux: Path) -> None:
    found = rules(debian_vmlinux)
    is_long = read_facts(str(debian_vmlinux)).elf_class == 64

    assert (True, False, False, False, 2) == (*found[:4], found.fewest_entries)
    assert (3200 if is_long else 131) == found.capacity
    assert (64 if is_long else 32) == (found.early and found.early.bits)


def test_the_rfcs_kernel_takes_the_module_and_has_a_short_table(rfc_vmlinux: Path) -> None:
    assert (KernelBehavior(False, True, False, xen=False, early=EarlyMaps(), fewest_entries=2, capacity=131)) == rules(
        rfc_vmlinux
    )


def test_the_teaching_guest_takes_both_and_sets_the_rsdp() -> None:
    assert KernelBehavior(True, True, True, xen=False, early=EarlyMaps(), fewest_entries=2) == rules(Path(guest.ELF))


def test_without_symbols_nothing_is_known() -> None:
    assert KernelBehavior() == kernel_behavior({}, e820_name=False)


def test_where_nobody_looked_for_the_name_the_maps_origin_is_not_known() -> None:
    found = kernel_behavior(LINUX, e820_name=None)

    assert (None, None, None, 2) == (found.memmap, found.e820_module, found.sets_rsdp, found.fewest_entries)


def test_a_linux_from_before_the_memmap_table_is_not_taken_for_one_that_knows_it() -> None:
    found = kernel_behavior({"xen_prepare_pvh": 1}, e820_name=False)

    assert (None, False, None) == (found.memmap, found.e820_module, found.sets_rsdp)


def test_a_linux_without_the_hook_for_the_rsdp_sets_it() -> None:
    symbols = {name: 1 for name in LINUX if name != "pvh_get_root_pointer"}

    assert True is kernel_behavior(symbols, e820_name=False).sets_rsdp


@pytest.mark.parametrize(
    ("distance", "capacity"), [(64032, 3200), (2624, 131), (2625, 131), (4 + 20 * 128, None), (1, None), (0, None)]
)
def test_the_length_of_the_kernels_table_shows_in_the_distance_of_two(distance: int, capacity: int | None) -> None:
    symbols = LINUX | {name: distance * index for index, name in enumerate(TABLES)}

    assert capacity == kernel_behavior(symbols, e820_name=False).capacity


@pytest.mark.parametrize(
    ("strings", "facts"),
    [((ANY_STRING,), (True, False)), ((ANY_STRING, E820_STRING), (False, True)), ((), (None, None))],
)
def test_a_stop_tells_the_rules_again_by_what_was_asked_for(
    strings: tuple[str, ...], facts: tuple[bool | None, bool | None]
) -> None:
    seen = build.linux_guest().at("entry")._replace(symbols=LINUX | dict.fromkeys(strings, 1))

    assert facts == behavior_at(seen, build.linux(), xen=False)[:2]


def test_a_string_counts_only_where_the_file_fills_the_segment() -> None:
    image = build.linux()._replace(segments=(Segment(0, 0x1000000, 16, 32, 4), Segment(0, 0x2000000, 10, 10, 40)))
    data = bytes(20) + b"e820 data\0".rjust(30, b"\0")

    assert 0x2000000 == string_at(data, image, b"e820 data")
    assert 0x1000000 == string_at(data, image, b"")
    assert None is string_at(data, image._replace(segments=image.segments[:1]), b"e820 data")


def test_a_string_of_a_file_that_is_gone_is_missing() -> None:
    with closing(Symbols(str(guest.ELF))) as symbols:
        known = SymbolsAndStrings(symbols, build.linux()._replace(elf="/no/such/file"))

        with pytest.raises(SymbolMissing, match=r'^no symbol "e820 data"$'):
            known.address(E820_STRING)


def test_what_is_no_string_is_a_symbol() -> None:
    with closing(Symbols(str(guest.ELF))) as symbols:
        known = SymbolsAndStrings(symbols, read_facts(str(guest.ELF)))

        assert symbols.address("xen_prepare_pvh") == known.address("xen_prepare_pvh")
        with pytest.raises(SymbolMissing, match=r'^no symbol "$'):
            known.address('"')


def test_what_is_probed_is_recorded_when_it_is_there() -> None:
    has = Recording((), {}, {"xen_prepare_pvh": 5, "start_kernel": 7, "_end": 9})

    assert {"xen_prepare_pvh": 5} == probe(has, build.linux())
    assert {"xen_prepare_pvh": 5, "_end": 9} == probe(has, build.linux()._replace(elf_class=32))
    assert len(set(PROBED)) == len(PROBED)


def test_an_image_that_is_not_linux_has_no_rules(grub_image: Path) -> None:
    image: ImageFacts = read_facts(str(grub_image))

    assert KernelBehavior(early=None) == kernel_behavior({}, e820_name=False, image=image)
