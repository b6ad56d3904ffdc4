"""A kernel that KASLR has moved is found by its build-id, in page tables built by hand."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pvhdbg.boot.run.image_match import relocated
from pvhdbg.image.facts import Segment
from pvhdbg.image.fingerprints import BUILD_ID, Fingerprint
from pvhdbg.target.recording import Recording
from tests import build

if TYPE_CHECKING:
    from pvhdbg.image.facts import ImageFacts

DATA, LINKED, MIB = bytes(range(20)), 0x1000000, 1 << 20


def image(vaddr: int = build.KERNEL_MAP, elf_class: int = 64, name: str = BUILD_ID) -> ImageFacts:
    """Return a kernel with its build-id at the start of its segment."""
    return build.linux()._replace(
        elf_class=elf_class,
        segments=(Segment(LINKED, vaddr, 0x2400000, 0x2800000),),
        fingerprints=(Fingerprint(LINKED, DATA, name),),
    )


def machine(place: int, **registers: int | None) -> Recording:
    """Return a machine in long mode that maps KERNEL_MAP to 0, with the build-id at a physical address."""
    guest = build.linux_guest()
    build.page_tables(guest)
    guest.put(place, DATA)
    guest.registers.update(registers)
    return Recording(guest.memory.ranges(), guest.registers, {})


@pytest.mark.parametrize("steps", [0, 1, 5, 511])
def test_a_moved_kernel_has_its_facts_where_it_is(steps: int) -> None:
    place = steps * 2 * MIB
    found = relocated(machine(place), image())

    assert found is not None
    assert (place, place) == (found.moved_by, found.fingerprints[0].paddr)
    assert (0x1000850 + place - LINKED, build.KERNEL_MAP + place) == (found.entry, found.segments[0].vaddr)


def test_a_kernel_that_is_where_it_was_linked_is_not_relocated() -> None:
    assert relocated(machine(LINKED), image(build.KERNEL_MAP + LINKED)) is None


@pytest.mark.parametrize("place", [512 * 2 * MIB, 2 * MIB + 4096])
def test_a_build_id_further_away_or_between_the_steps_is_not_the_kernels(place: int) -> None:
    assert relocated(machine(place), image()) is None


def test_the_page_tables_of_a_user_program_lead_to_those_of_the_kernel() -> None:
    assert not build.TABLES & 0x1000
    found = relocated(machine(2 * MIB, cr3=build.TABLES | 0x1000), image())

    assert found is not None
    assert 2 * MIB == found.moved_by


@pytest.mark.parametrize(
    ("registers", "facts"),
    [
        ({"cr0": 0x11}, image()),
        ({"cr3": None}, image()),
        ({}, image(name="code")),
        ({}, image(0x1000000)),
        ({}, image()._replace(segments=())),
    ],
    ids=["no paging", "no registers", "no build-id", "below the kernel's half", "no segments"],
)
def test_without_page_tables_or_a_build_id_in_the_kernels_half_nothing_is_found(
    registers: dict[str, int | None], facts: ImageFacts
) -> None:
    assert relocated(machine(2 * MIB, **registers), facts) is None


@pytest.mark.parametrize(("vaddr", "is_found"), [(0xC0000000, True), (0xBFFFF000, False)])
def test_the_half_of_a_32_bit_kernel_begins_at_3_gib(vaddr: int, is_found: bool) -> None:
    guest = build.linux_guest()
    guest.registers.update(cr0=0x80000011, cr3=build.TABLES, cr4=0x10, efer=0)
    for number in (0x2FF, 0x300):
        guest.put(build.TABLES + 4 * number, (0x2000083 + (number - 0x300) * 4 * MIB).to_bytes(4, "little"))
    guest.put(0x2000000 + vaddr - 0xC0000000, DATA)
    facts = image(vaddr, 32)._replace(fingerprints=(Fingerprint(LINKED, DATA, BUILD_ID),))
    found = relocated(Recording(guest.memory.ranges(), guest.registers, {}), facts)

    assert is_found == (found is not None)
