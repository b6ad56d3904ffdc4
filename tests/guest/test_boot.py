import re
from itertools import pairwise
from pathlib import Path

import pytest

from tests.guest.machine import boot

MACHINES = ("microvm", "pc", "q35")
MAP_LINE = re.compile(r"BIOS-e820: \[mem 0x([0-9a-f]{16})-0x([0-9a-f]{16})\] (usable|reserved|ACPI NVS)")


def memory_map(lines: list[str]) -> list[tuple[int, int, str]]:
    matches = map(MAP_LINE.fullmatch, lines)
    return [(int(match[1], 16), int(match[2], 16) + 1, match[3]) for match in matches if match]


@pytest.mark.parametrize("machine", MACHINES)
def test_the_guest_boots_and_prints_its_memory_map(machine: str, tmp_path: Path) -> None:
    lines = boot(tmp_path, "-M", machine)
    ranges = memory_map(lines)

    assert "pvhdbg teaching guest" == lines[0]
    assert "halting" == lines[-1]
    assert (0, 0x9FC00, "usable") == ranges[0]
    assert [0x100000] == [start for start, _, kind in ranges if kind == "usable" and start]
    assert all(before[1] <= after[0] for before, after in pairwise(ranges))


def test_the_guest_prints_initrd_and_command_line(tmp_path: Path) -> None:
    initrd = tmp_path / "initrd"
    initrd.write_bytes(bytes(5000))
    lines = boot(tmp_path, "-M", "microvm", "-initrd", str(initrd), "-append", "one two")

    assert "  magic           0x336ec578" in lines
    assert "  version         1" in lines
    assert "  nr_modules      1" in lines
    assert "module 0: paddr 0xfffe000, size 0x1388, cmdline none" in lines
    assert "memory map: from the memmap table" in lines
    assert "  hdr.version         0x20c" in lines
    assert "  hdr.type_of_loader  0xb0" in lines
    assert "  hdr.ramdisk_image   0xfffe000" in lines
    assert "  hdr.ramdisk_size    0x1388" in lines
    assert "Command line: one two" in lines


def test_unprintable_bytes_of_the_command_line_are_escaped(tmp_path: Path) -> None:
    lines = boot(tmp_path, "-M", "microvm", "-append", "back\\slash \x1b[31mred\x1b[0m \u00e4 \x7f")

    assert r"Command line: back\\slash \x1b[31mred\x1b[0m \xc3\xa4 \x7f" in lines


@pytest.mark.usefixtures("kvm")
def test_the_guest_boots_under_kvm(tmp_path: Path) -> None:
    lines = boot(tmp_path, "-M", "microvm", "-accel", "kvm")

    assert "halting" == lines[-1]
    assert (0, 0x9FC00, "usable") == memory_map(lines)[0]
