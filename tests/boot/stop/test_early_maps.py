from pathlib import Path

import pytest

from pvhdbg.abi.paging import Paging, walk
from pvhdbg.boot.stop.early_maps import EarlyMaps, early_maps, guaranteed_limit
from pvhdbg.boot.stop.kernel_probe import probe
from pvhdbg.image.facts import ImageFacts, Segment
from pvhdbg.live.qemu.options import QemuOptions
from tests import build
from tests.boot import real_boot

GIB = 1 << 30
LOW = 0xC0000000
MAPS_32 = EarlyMaps(LOW, 0x2400000, 32)


def linux_32() -> ImageFacts:
    """Return the facts of a 32-bit Linux whose image has 16 MiB."""
    return build.linux()._replace(elf_class=32, segments=(Segment(0x1000000, LOW + 0x1000000, 0x800000, 0x1000000),))


def test_without_known_early_maps_only_the_image_is_certainly_mapped() -> None:
    image = linux_32()

    assert 0x2000000 == guaranteed_limit(image, {})
    assert 0 == guaranteed_limit(image._replace(segments=()), {})
    assert GIB == guaranteed_limit(None, {})


def test_the_page_tables_of_a_real_kernel_end_where_its_symbols_say(debian_vmlinux: Path) -> None:
    with real_boot.stub_at_reset(QemuOptions(str(debian_vmlinux))) as (machine, journey):
        list(journey.go("prepare", real_boot.PATIENCE))
        maps = early_maps(journey.image, probe(machine.target, journey.image))
        assert maps is not None
        paging = Paging(*(journey.history[-1].registers[name] or 0 for name in ("cr0", "cr3", "cr4", "efer")))
        with machine.target.physical_reads():
            ends = [
                walk(machine.target.read_phys, paging, base + maps.limit + offset).paddr
                for base in (0, maps.direct_map)
                for offset in (-0x1000, 0)
            ]

    assert [maps.limit - 0x1000, None] * 2 == ends


@pytest.mark.parametrize(
    ("maps", "paddr", "size", "accessed"),
    [
        (EarlyMaps(), 0, 8, 0),
        (EarlyMaps(), GIB - 8, 8, GIB - 8),
        (EarlyMaps(), GIB - 8, 9, None),
        (EarlyMaps(), 0x777F80000005, 8, 5),
        (EarlyMaps(), 0x778000000005, 8, 5),
        (MAPS_32, 0x2400000 - 8, 8, 0x2400000 - 8),
        (MAPS_32, 0x2400000 - 8, 9, None),
        (MAPS_32, GIB, 8, 0),
        (MAPS_32, 5 * GIB + 3, 8, 3),
        (MAPS_32, (1 << 32) + 5, 8, 5),
        (MAPS_32, GIB - 4, 8, None),
    ],
)
def test_an_access_ends_in_one_of_the_maps_or_is_a_page_fault(
    maps: EarlyMaps, paddr: int, size: int, accessed: int | None
) -> None:
    assert accessed == maps.accessed_paddr(paddr, size)


@pytest.mark.parametrize(
    ("end", "symbols", "limit"),
    [
        (0x2000000, {"initial_pg_pmd": 1}, 0x2400000),
        (0x1C00000 - 516 * 0x1000, {"initial_pg_pmd": 1}, 0x1C00000),
        (0x1C00001 - 516 * 0x1000, {"initial_pg_pmd": 1}, 0x1E00000),
        (0x2000000, {}, 0x2400000),
        (0x1F00000, {}, 0x2000000),
    ],
)
def test_a_32_bit_kernel_maps_itself_and_page_tables_for_low_memory(
    end: int, symbols: dict[str, int], limit: int
) -> None:
    assert EarlyMaps(LOW, limit, 32) == early_maps(linux_32(), {"_end": LOW + end, **symbols})


@pytest.mark.parametrize("symbols", [{}, {"_end": 0x1800000}])
def test_a_32_bit_kernel_without_its_end_is_only_guaranteed_to_map_its_image(symbols: dict[str, int]) -> None:
    assert (None, 0x2000000) == (early_maps(linux_32(), symbols), guaranteed_limit(linux_32(), symbols))


def test_other_guests_are_assumed_to_be_64_bit_kernels() -> None:
    assert (EarlyMaps(), GIB) == (early_maps(None, {}), guaranteed_limit(None, {}))
    assert (EarlyMaps(), GIB) == (early_maps(build.linux(), {}), guaranteed_limit(build.linux(), {}))


def test_an_address_below_the_direct_map_has_no_physical_address_in_it() -> None:
    assert [None, None, 0, 5] == [MAPS_32.direct_map_paddr(vaddr) for vaddr in (0, LOW - 1, LOW, LOW + 5)]
