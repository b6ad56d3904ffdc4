"""Damaged files end in an answer or in one of our errors, and in nothing else."""

import gzip
import random
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from pvhdbg.errors import PvhdbgError
from pvhdbg.image.elf import inspect
from pvhdbg.image.facts import facts_of
from pvhdbg.image.load import open_kernel
from pvhdbg.image.preflight import Machine, preflight
from tests.image.builder import SHT_NOTE, Section, Symbol, bzimage, elf, load, note, notes, symbol_sections
from tests.image.crafted import BUILD_ID, MULTIBOOT1

NAMES = ["pvh", "__pfx_pvh", "xen_prepare_pvh", "initial_page_table"]
SYMBOLS = [Symbol(name, 0x100000 + 8 * number, 8 * (number % 2)) for number, name in enumerate(NAMES)]


def whole(bits: int) -> bytes:
    """An ELF file with something for every reader."""
    sections = [*symbol_sections(SYMBOLS, bits=bits), Section(".notes", SHT_NOTE, note())]
    code = MULTIBOOT1 + b"Linux version 6.1 (x)\0IKCFG_ST" + gzip.compress(b"CONFIG_PVH=y\n")
    return elf([load(code, memsz=0x1000), notes(BUILD_ID, note()), notes(note(), align=8)], sections, bits=bits)


FILES = {
    "32 bit": whole(32),
    "64 bit": whole(64),
    "bzImage": bzimage(gzip.compress(whole(64)), len(whole(64))),
}


def damaged(data: bytes, random_: random.Random) -> bytes:
    """A few numbers replaced by others, mostly extreme ones; sometimes cut off."""
    changed = bytearray(data)
    for _ in range(random_.randrange(1, 6)):
        # Half of the changes hit the headers, where they matter most.
        at = random_.randrange(len(changed) if random_.random() < 0.5 else 0x250)
        size = random_.choice([1, 1, 2, 4, 8])
        changed[at : at + size] = bytes(random_.choice([0, 1, 3, 4, 0x7F, 0x80, 0xFF]) for _ in range(size))
    return bytes(changed[: random_.randrange(len(changed))] if random_.random() < 0.2 else changed)


def ask_symbols(path: str, folder: Path) -> None:
    symbols = open_kernel(path, folder).symbols
    with closing(symbols):
        assert "nonsense" not in symbols
        for address in (0, 0x100004, 0x100FFF, (1 << 64) - 1):
            symbols.at(address)


def ask_preflight(path: str, _: Path) -> None:
    data = Path(path).read_bytes()
    assert preflight(facts_of(data, path), data, Machine(memory=1 << 20), {"initial_page_table"}).way


def ask_inspect(path: str, _: Path) -> None:
    assert inspect(path).scans


@pytest.mark.parametrize("question", [ask_symbols, ask_preflight, ask_inspect])
@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("seed", range(3))
def test_a_damaged_file_gives_an_answer_or_an_error_of_ours(
    question: Callable[[str, Path], None], name: str, seed: int, tmp_path: Path
) -> None:
    random_ = random.Random(f"{seed} {name}")
    path = tmp_path / "kernel"
    errors = []
    for _ in range(150):
        path.write_bytes(damaged(FILES[name], random_))
        try:
            question(str(path), tmp_path)
        except PvhdbgError as error:
            errors.append(str(error))

    assert [] != errors
    assert [] == [error for error in errors if "\n" in error]


@pytest.mark.parametrize("name", FILES)
def test_a_file_cut_off_anywhere_gives_an_answer_or_an_error_of_ours(name: str, tmp_path: Path) -> None:
    path = tmp_path / "kernel"
    outcomes = set()
    for size in range(1, len(FILES[name]), 7):
        path.write_bytes(FILES[name][:size])
        try:
            ask_symbols(str(path), tmp_path)
            outcomes.add("answer")
        except PvhdbgError:
            outcomes.add("error")

    assert {"error"} == outcomes
