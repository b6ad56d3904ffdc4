"""Source lines and inlined functions, compared with addr2line; and damaged files."""

from __future__ import annotations

import random
import shutil
import subprocess
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from pvhdbg import guest
from pvhdbg.image.debug_info.source_lines import SourceLine, SourceLines
from pvhdbg.image.debug_info.symbols import Symbols

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

SIZE = 0x200


def places(path: Path) -> list[int]:
    symbols = Symbols(str(path))
    prepare, entry = symbols.address("xen_prepare_pvh"), symbols.address("pvh_start_xen")
    return [*range(prepare, prepare + SIZE, 3), *range(entry, entry + 0x60, 5)]


def by_addr2line(path: Path, addresses: list[int]) -> list[tuple[str, list[str]]]:
    """Return the file name and line, and the inlined functions, of each address."""
    call = ["addr2line", "-a", "-i", "-f", "-e", str(path), *map(hex, addresses)]
    lines = subprocess.run(call, check=True, capture_output=True, text=True).stdout.splitlines()
    starts = [index for index, line in enumerate(lines) if line.startswith("0x")]
    found = []
    for start, end in zip(starts, [*starts[1:], len(lines)], strict=True):
        functions, sources = lines[start + 1 : end : 2], lines[start + 2 : end : 2]
        found.append((sources[0].rpartition("/")[2].partition(" ")[0], functions[:-1]))
    return found


@pytest.mark.skipif(shutil.which("addr2line") is None, reason="addr2line is not installed")
@pytest.mark.parametrize("release", ["6.1", "6.12", "6.1-686"])
def test_addr2line_names_the_same_lines_and_inlined_functions(
    release: str, find_vmlinux: Callable[[str], Path]
) -> None:
    path = find_vmlinux(release)
    addresses = places(path)
    with closing(SourceLines(str(path))) as lines:
        ours = [lines.at(address) for address in addresses]

    assert by_addr2line(path, addresses) == [
        ((line.source or "??:0").rpartition("/")[2], list(line.inlined)) for line in ours
    ]


def test_the_file_has_its_path_in_the_kernels_source(vmlinux_61: Path) -> None:
    symbols = Symbols(str(vmlinux_61))
    with closing(SourceLines(str(vmlinux_61))) as lines:
        found = [lines.at(symbols.address(name)).source or "" for name in ("xen_prepare_pvh", "pvh_start_xen")]

    assert ["arch/x86/platform/pvh/enlighten.c", "arch/x86/platform/pvh/head.S"] == [
        source.partition(":")[0] for source in found
    ]


@pytest.mark.parametrize("seed", range(30))
def test_damaged_debug_information_gives_no_error(seed: int, tmp_path: Path) -> None:
    data, numbers = bytearray(guest.ELF.read_bytes()), random.Random(seed)
    address = Symbols(str(guest.ELF)).address("xen_prepare_pvh")
    for _ in range(200):
        data[numbers.randrange(0x1000, len(data))] = numbers.randrange(256)
    path = tmp_path / "damaged"
    path.write_bytes(data)
    with closing(SourceLines(str(path))) as lines:
        found = lines.at(address)

    assert isinstance(found, SourceLine)


def test_sections_that_are_marked_as_compressed_are_not_read(tmp_path: Path) -> None:
    data = bytearray(guest.ELF.read_bytes())
    address = Symbols(str(guest.ELF)).address("xen_prepare_pvh")
    sources = []
    for flag in (0, 1 << 11):
        table, size, count = (
            int.from_bytes(data[at : at + width], "little") for at, width in ((40, 8), (58, 2), (60, 2))
        )
        for start in range(table, table + size * count, size):
            data[start + 9] |= flag >> 8
        path = tmp_path / str(flag)
        path.write_bytes(data)
        with closing(SourceLines(str(path))) as lines:
            sources.append(lines.at(address).source)

    assert [True, False] == [source is not None for source in sources]
