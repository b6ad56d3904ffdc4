"""The file that QEMU boots in place of a kernel that pvhdbg loads: it is a valid PVH guest beside the kernel."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest

from pvhdbg.errors import GuestError
from pvhdbg.image.facts import Segment, read_facts
from pvhdbg.image.preflight import PVH, preflight_file
from pvhdbg.live.qemu import carrier
from tests import build

if TYPE_CHECKING:
    from pathlib import Path

    from pvhdbg.image.facts import ImageFacts

MIB = 1 << 20
ENTRY = 0x6279F2


def facts_with(*ranges: tuple[int, int]) -> ImageFacts:
    segments = tuple(Segment(start, start, 0, end - start) for start, end in ranges)
    return build.linux()._replace(entry=ENTRY, segments=segments)


@pytest.mark.parametrize(
    ("ranges", "paddr"),
    [
        ((), MIB),
        (((2 * MIB, 8 * MIB),), MIB),
        (((MIB, MIB + 1),), MIB + 0x1000),
        (((MIB + 0xFFF, MIB + 0x1000),), MIB + 0x1000),
        (((MIB + 0x1000, MIB + 0x2000),), MIB),
        (((MIB + 0x2000, 4 * MIB), (0x1000, MIB + 0x1001)), 4 * MIB),
        (((MIB, 2 * MIB), (2 * MIB + 0x1000, 4 * MIB)), 2 * MIB),
    ],
)
def test_the_jump_is_in_the_lowest_free_page(ranges: tuple[tuple[int, int], ...], paddr: int, tmp_path: Path) -> None:
    facts = read_facts(carrier.write(tmp_path, facts_with(*ranges), 512 * MIB))

    assert (paddr, [(paddr, 5)]) == (facts.entry, [(segment.paddr, segment.memsz) for segment in facts.segments])


def test_the_file_boots_via_pvh_and_its_code_is_a_jump_to_the_entry(tmp_path: Path) -> None:
    path = carrier.write(tmp_path, facts_with((MIB, 8 * MIB)), 512 * MIB)
    facts = read_facts(path)
    preflight = preflight_file(facts)
    start = (f"--adjust-vma={8 * MIB - facts.segments[0].offset}", f"--start-address={8 * MIB}")
    code = ("objdump", "-D", "-b", "binary", "-m", "i386", *start, path)
    listing = subprocess.run(code, check=True, capture_output=True, text=True).stdout

    assert (PVH, 8 * MIB, ()) == (preflight.boot_protocol, preflight.entry, preflight.verdicts)
    assert [f"jmp    {ENTRY:#x}"] == [line.split("\t")[2] for line in listing.splitlines() if "jmp " in line][-1:]
    assert subprocess.run(("readelf", "-h", path), check=True, capture_output=True).stdout


@pytest.mark.parametrize("memory", [MIB, 8 * MIB, 8 * MIB + 0xFFF])
def test_without_room_for_the_jump_the_kernel_is_rejected(memory: int, tmp_path: Path) -> None:
    with pytest.raises(GuestError, match="no room for a jump beside the kernel"):
        carrier.write(tmp_path, facts_with((MIB, 8 * MIB)), memory)

    assert carrier.write(tmp_path, facts_with((MIB, 8 * MIB)), 8 * MIB + 0x1000)


def test_a_kernel_without_an_entry_has_nothing_to_jump_to(tmp_path: Path) -> None:
    with pytest.raises(GuestError, match="no PVH entry to jump to"):
        carrier.write(tmp_path, facts_with()._replace(entry=None), None)
