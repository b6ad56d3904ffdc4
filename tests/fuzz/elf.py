"""ELF files: segments, sections, symbols and notes of any size at any place, and damaged bytes.

Each is opened, examined and shown as `pvhdbg inspect`, `dump` and pvhdbg inside gdb do.
"""

from __future__ import annotations

import atexit
import gzip
import json
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hypothesis import strategies as st

from pvhdbg.boot.stop.kernel_probe import SymbolsAndStrings
from pvhdbg.errors import PvhdbgError
from pvhdbg.image.elf import inspect
from pvhdbg.image.load import open_kernel
from pvhdbg.image.preflight import Machine, preflight_file
from pvhdbg.views.inspection import InspectedFile, stage_symbols
from pvhdbg.views.report import inspect_text
from pvhdbg.views.to_json import document_json, inspect_json
from tests.fuzz.numbers import Change, Field, changed, changes, fields, numbers, with_fields
from tests.fuzz.target import Target
from tests.image import builder
from tests.image.builder import Section, Segment, Symbol
from tests.image.crafted import BUILD_ID, MULTIBOOT1, MULTIBOOT2

if TYPE_CHECKING:
    from collections.abc import Callable

    from pvhdbg.image.load import Kernel

FOLDER = Path(tempfile.mkdtemp(prefix="pvhdbg-fuzz-"))
atexit.register(shutil.rmtree, FOLDER, ignore_errors=True)
HEAD = 0x250
LONGEST_TEXT = 100_000
ADDRESSES = (0, 1, builder.ENTRY, builder.ENTRY + 8, 0xFFFFFFFF81000000, (1 << 64) - 1)

CODE = builder.CODE
BANNER = b"Linux version 6.1.0-x (me)\0"
CONFIG = b"IKCFG_ST" + gzip.compress(b"CONFIG_PVH=y\n# CONFIG_XEN is not set\n", mtime=0)
CONTENTS = (b"", CODE, BANNER, CONFIG, CODE + BANNER + CONFIG, MULTIBOOT1, MULTIBOOT2, bytes(64), b"e820 data\0")
NOTES = (
    builder.note(),
    BUILD_ID,
    builder.note(size=8),
    builder.note(owner=b"GNU\0"),
    builder.note(pad=8),
    builder.raw_note(b"Xen\0", 6, b"linux\0"),
    builder.raw_note(b"Linux\0", 0x100, b"\x1b[31m"),
    builder.note(kind=19, size=12),
    bytes(12),
    b"\x3f" * 16,
)
NAMES = (
    "xen_prepare_pvh",
    "pvh_start_info",
    "__pfx_pvh",
    "start_kernel",
    "boot_params",
    "_end",
    "initial_page_table",
    "",
)
SECTIONS = (".rodata", "", ".rodata", ".comment", ".notes", ".debug_info", ".symtab", ".strtab", ".data", "\x1b[31m")


def _segment(word: int) -> st.SearchStrategy[Segment]:
    maybe = st.sampled_from([None] * 9 + [0, 1, 64, (1 << word) - 1]) | st.none() | numbers(word)
    kinds = st.sampled_from([1, 1, 4, 4, 2, 7, 0x6474E551, 0xFFFFFFFF])
    contents = (
        st.sampled_from(CONTENTS) | st.lists(st.sampled_from(NOTES), max_size=3).map(b"".join) | st.binary(max_size=40)
    )
    aligns = st.sampled_from([0, 1, 4, 4, 8, 0x1000]) | numbers(word)
    return st.builds(
        Segment, kinds, contents, numbers(word), maybe, memsz=maybe, filesz=maybe, align=aligns, offset=maybe
    )


def _section(word: int) -> st.SearchStrategy[Section]:
    names, kinds = st.sampled_from(SECTIONS), st.sampled_from([0, 1, 1, 2, 3, 7, 8, 0x70000001])
    small = st.integers(0, 4) | numbers(32)
    contents = st.sampled_from(CONTENTS + NOTES) | st.binary(max_size=40)
    return st.builds(Section, names, kinds, contents, numbers(word), small, small, st.sampled_from([0, 16, 24, 5]))


def _symbols(word: int) -> st.SearchStrategy[list[Symbol]]:
    small = st.sampled_from([0, 1, 2, 3, 4])
    places = st.sampled_from([0, 1, 0xFFF1])
    rows = st.builds(Symbol, st.sampled_from(NAMES), numbers(word), numbers(word), small, small, places)
    return st.lists(rows, max_size=5)


Parts = tuple[int, list[Field], list[Segment], bool, list[Symbol] | None, list[Section], int | None, int, bytes]
"""Bits, changed fields of headers, segments, whether it can boot, symbols, sections, e_machine, e_flags, and the bytes
that follow the segments.
"""


def _parts(bits: int) -> st.SearchStrategy[Parts]:
    return st.tuples(
        st.just(bits),
        fields(bits),
        st.lists(_segment(bits), max_size=4),
        st.booleans(),
        st.none() | _symbols(bits),
        st.lists(_section(bits), max_size=3),
        st.sampled_from([None, None, 3, 62, 40, 8, 0xFFFF]),
        st.sampled_from([0, 0, 4]),
        st.binary(max_size=20),
    )


def _file(parts: Parts, damage: list[Change], left: int) -> bytes:
    bits, changed_fields, segments, boots, symbols, sections, machine, flags, tail = parts
    if boots:
        segments = [*segments, builder.load(CODE + BANNER), builder.notes(builder.note())]
    if symbols is not None:
        sections = [*builder.symbol_sections(symbols, bits=bits), *sections]
    data = builder.elf(segments, sections, bits=bits, machine=machine, flags=flags, tail=tail)
    data = changed(with_fields(data, bits, changed_fields), damage, HEAD)
    return data[: len(data) * left >> 8]


def files() -> st.SearchStrategy[bytes]:
    """Return ELF files, half of them damaged."""
    left = st.sampled_from([256] * 20 + [250, 200, 60])
    return st.builds(_file, _parts(64) | _parts(32), st.just([]) | changes(), left)


def check(data: bytes) -> str:
    path = FOLDER / "kernel"
    path.write_bytes(data)
    return outcome(lambda: read_all(str(path)))


def outcome(read: Callable[[], object]) -> str:
    """Return whether a file was read or refused. A refusal is one line and a hint."""
    try:
        read()
    except PvhdbgError as error:
        refusal = error
    else:
        return "read"
    lines = [str(refusal), refusal.hint or ""]
    assert [] == [line for line in lines if "\n" in line], lines
    assert refusal.exit_status in (1, 2), refusal
    return "refused"


def read_all(path: str) -> None:
    kernel = open_kernel(path, FOLDER)
    try:
        _read_symbols(kernel)
        preflight_file(kernel.facts, Machine(memory=1 << 20, append=b"x" * 5000), kernel.symbols)
        _show(kernel)
    finally:
        kernel.symbols.close()


def _read_symbols(kernel: Kernel) -> None:
    SymbolsAndStrings(kernel.symbols, kernel.facts).prefetch()
    assert "nonsense" not in kernel.symbols
    for address in ADDRESSES:
        found = kernel.symbols.enclosing(address)
        assert found is None or found[1] >= 0
        paddr = kernel.facts.to_paddr(address)
        assert paddr is None or address in kernel.facts.aliases(address)


def _show(kernel: Kernel) -> None:
    details = inspect(kernel.facts.elf, kernel.facts)
    addresses = {name: kernel.symbols.address(name) for name in stage_symbols(kernel.facts) if name in kernel.symbols}
    file = InspectedFile(kernel.facts, details, preflight_file(kernel.facts), addresses, details.left_out)
    text = inspect_text.as_text(file)
    assert len(text) < LONGEST_TEXT
    assert {"\n", "…"} >= {sign for sign in text if not " " <= sign <= "~"}
    document: dict[str, Any] = inspect_json.to_dict(file)
    assert document == json.loads(document_json.lines(document))


TARGET = Target("elf", files(), check, frozenset({"read", "refused"}))
