"""Reading a damaged file returns a result or raises a PvhdbgError, never another exception."""

import gzip
import random
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from pvhdbg.errors import PvhdbgError
from pvhdbg.image.elf import inspect
from pvhdbg.image.facts import parse_facts
from pvhdbg.image.load import open_kernel
from pvhdbg.image.preflight import Machine, preflight
from tests.image.builder import SHT_NOTE, Section, Symbol, bzimage, elf, load, note, notes, symbol_sections
from tests.image.crafted import BUILD_ID, MULTIBOOT1

NAMES = ["pvh", "__pfx_pvh", "xen_prepare_pvh", "initial_page_table"]
SYMBOLS = [Symbol(name, 0x100000 + 8 * number, 8 * (number % 2)) for number, name in enumerate(NAMES)]


def complete_elf(bits: int) -> bytes:
    """Return an ELF file with data for all functions that read ELF files."""
    sections = [*symbol_sections(SYMBOLS, bits=bits), Section(".notes", SHT_NOTE, note())]
    code = MULTIBOOT1 + b"Linux version 6.1 (x)\0IKCFG_ST" + gzip.compress(b"CONFIG_PVH=y\n")
    return elf([load(code, memsz=0x1000), notes(BUILD_ID, note()), notes(note(), align=8)], sections, bits=bits)


FILES = {
    "32 bit": complete_elf(32),
    "64 bit": complete_elf(64),
    "bzImage": bzimage(gzip.compress(complete_elf(64)), len(complete_elf(64))),
}


def damaged(data: bytes, random_: random.Random) -> bytes:
    """Replace a few numbers in the file, mostly with extreme values, and sometimes truncate the file."""
    changed = bytearray(data)
    for _ in range(random_.randrange(1, 6)):
        # Half of the changes are in the headers, where they have the largest effect.
        at = random_.randrange(len(changed) if random_.random() < 0.5 else 0x250)
        size = random_.choice([1, 1, 2, 4, 8])
        changed[at : at + size] = bytes(random_.choice([0, 1, 3, 4, 0x7F, 0x80, 0xFF]) for _ in range(size))
    return bytes(changed[: random_.randrange(len(changed))] if random_.random() < 0.2 else changed)


def read_symbols(path: str, folder: Path) -> None:
    symbols = open_kernel(path, folder).symbols
    with closing(symbols):
        assert "nonsense" not in symbols
        for address in (0, 0x100004, 0x100FFF, (1 << 64) - 1):
            symbols.enclosing(address)


def run_preflight(path: str, _: Path) -> None:
    data = Path(path).read_bytes()
    assert preflight(parse_facts(data, path), data, Machine(memory=1 << 20), {"initial_page_table"}).boot_protocol


def run_inspect(path: str, _: Path) -> None:
    assert inspect(path).scans


@pytest.mark.parametrize("reader", [read_symbols, run_preflight, run_inspect])
@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("seed", range(3))
def test_a_damaged_file_gives_a_result_or_a_one_line_error(
    reader: Callable[[str, Path], None], name: str, seed: int, tmp_path: Path
) -> None:
    random_ = random.Random(f"{seed} {name}")
    path = tmp_path / "kernel"
    errors = []
    for _ in range(150):
        path.write_bytes(damaged(FILES[name], random_))
        try:
            reader(str(path), tmp_path)
        except PvhdbgError as error:
            errors.append(str(error))

    assert [] != errors
    assert [] == [error for error in errors if "\n" in error]


@pytest.mark.parametrize("name", FILES)
def test_a_truncated_file_gives_an_error_wherever_it_ends(name: str, tmp_path: Path) -> None:
    path = tmp_path / "kernel"
    outcomes = set()
    for size in range(1, len(FILES[name]), 7):
        path.write_bytes(FILES[name][:size])
        try:
            read_symbols(str(path), tmp_path)
            outcomes.add("result")
        except PvhdbgError:
            outcomes.add("error")

    assert {"error"} == outcomes
