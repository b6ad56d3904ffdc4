"""The symbols of Rust functions are found by their paths. c++filt says which names have which path."""

from __future__ import annotations

import re
import subprocess
from typing import TYPE_CHECKING

import pytest

from pvhdbg.errors import SymbolMissing
from pvhdbg.image.debug_info import rust_names
from pvhdbg.image.debug_info.symbols import Symbols
from tests.guest_profiles.small import mangled
from tests.image.builder import ENTRY, Symbol, elf, load, note, notes, symbol_sections

if TYPE_CHECKING:
    from pathlib import Path

PATHS = ("ostd::boot::start_kernel", "hermit::arch::x86_64::kernel::pvh::rust_start", "kernel::main")
OF_START_KERNEL = (
    "_ZN4ostd4boot12start_kernel17h0123456789abcdefE",
    "_RNvNtCs4fqI2P2rA04_4ostd4boot12start_kernel",
    "_RNvNtC4ostd4boot12start_kernel",
    "_RNvNtCs4fqI2P2rA04_4ostd4boots_12start_kernel",
)
OTHERS = (
    "start_kernel",
    "_ZN4ostd4boot12start_kernel28_$u7b$$u7b$closure$u7d$$u7d$17h0123456789abcdefE",
    "_ZN4ostd5boots12start_kernel17h0123456789abcdefE",
    "_ZN3std4boot12start_kernel17h0123456789abcdefE",
    "_RNvNtNtCs4fqI2P2rA04_4ostd4arch4boot12start_kernel",
    "_RNCNvNtCs4fqI2P2rA04_4ostd4boot12start_kernel0",
    "_RNvNtCs4fqI2P2rA04_4ostd4boot13start_kernel2",
)


def demangled(name: str) -> str:
    """Return a name as c++filt has it, without hashes."""
    text = subprocess.run(["c++filt", name], check=True, capture_output=True, text=True).stdout.strip()
    return re.sub(r"\[\w+\]|::h[0-9a-f]{16}$", "", text)


@pytest.mark.parametrize("name", [*OF_START_KERNEL, *OTHERS])
def test_a_name_matches_if_a_demangler_finds_the_path_in_it(name: str) -> None:
    is_of_path = demangled(name) == PATHS[0]

    assert (name in OF_START_KERNEL) == is_of_path
    assert is_of_path == bool(rust_names.pattern(PATHS[0]).match(name.encode() + b"\0"))


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("v0", [False, True])
def test_a_symbol_is_found_by_its_path(path: str, tmp_path: Path, *, v0: bool) -> None:
    names = [*OTHERS, mangled(path, v0=v0)]
    symbols = [Symbol(name, ENTRY + 16 * index, 4) for index, name in enumerate(names)]
    (tmp_path / "guest").write_bytes(elf([load(), notes(note())], symbol_sections(symbols)))
    found = Symbols(str(tmp_path / "guest"))

    assert ENTRY + 16 * len(OTHERS) == found.address(path)
    with pytest.raises(SymbolMissing):
        found.address(f"{path}s")
