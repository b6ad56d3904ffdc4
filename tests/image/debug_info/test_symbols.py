import random
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from pvhdbg.errors import SymbolMissing, UserError
from pvhdbg.image.debug_info.symbols import Symbols
from tests.image.builder import Section, Symbol, elf, load, symbol_sections
from tests.image.crafted import with_bytes

BASE = 0xFFFFFFFF81000000
BASE_32 = 0xC1000000
LOCAL, ABSOLUTE, LABEL, OBJECT = 0, 0xFFF1, 0, 1


@pytest.fixture
def open_symbols(tmp_path: Path) -> Iterator["Opener"]:
    opener = Opener(tmp_path)
    yield opener
    for symbols in opener.open:
        symbols.close()


class Opener:
    """Open crafted symbol tables. The fixture closes them after the test."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.open: list[Symbols] = []

    def data(self, data: bytes) -> Symbols:
        path = self.folder / f"kernel{len(self.open)}"
        path.write_bytes(data)
        self.open.append(Symbols(str(path)))
        return self.open[-1]

    def __call__(self, *symbols: Symbol, bits: int = 64) -> Symbols:
        base = BASE % (1 << bits)
        segments = [load(paddr=0x1000000, vaddr=base, memsz=0x10000), load(paddr=0x1010000, vaddr=0, memsz=0x10000)]
        return self.data(elf(segments, symbol_sections(list(symbols), bits=bits), bits=bits))


def nm(path: Path) -> dict[str, list[tuple[int, int]]]:
    """Return the address and the size of each global symbol that has a size, by name."""
    listed = subprocess.run(["nm", "-S", "--extern-only", path], check=True, capture_output=True, text=True).stdout
    rows_of: dict[str, list[tuple[int, int]]] = {}
    for address, size, _, name in (row for line in listed.splitlines() if len(row := line.split()) == 4):
        rows_of.setdefault(name, []).append((int(address, 16), int(size, 16)))
    return rows_of


@contextmanager
def symbols_of(path: Path) -> Iterator[Symbols]:
    with closing(Symbols(str(path))) as symbols:
        yield symbols


def test_addresses_of_a_real_kernels_symbols_match_nm(debian_vmlinux: Path) -> None:
    listed = nm(debian_vmlinux)
    names = ["xen_prepare_pvh", "pvh_start_info", "pvh_bootparams", "boot_params", "start_kernel", "e820_table"]
    names += random.Random(1).sample(sorted(listed), 300)
    with symbols_of(debian_vmlinux) as symbols:
        addresses = {name: symbols.address(name) for name in names}

    assert [] == [name for name in names if addresses[name] not in [address for address, _ in listed[name]]]


def test_symbols_at_addresses_of_a_real_kernel_match_nm(debian_vmlinux: Path) -> None:
    listed = {
        name: rows[0]
        for name, rows in nm(debian_vmlinux).items()
        if rows[0][0] > BASE_32 and rows[0][1] and not name.startswith("__pfx_")
    }
    names_at = Counter(address for address, _ in listed.values())
    unambiguous = sorted(name for name, (address, _) in listed.items() if names_at[address] == 1)
    chosen = random.Random(2).sample(unambiguous, 100)
    with symbols_of(debian_vmlinux) as symbols:
        enclosing = {name: symbols.enclosing(listed[name][0] + listed[name][1] - 1) for name in chosen}

    assert {name: (name, listed[name][1] - 1) for name in chosen} == enclosing


def test_low_addresses_of_a_real_kernel_have_no_symbol(debian_vmlinux: Path) -> None:
    with symbols_of(debian_vmlinux) as symbols:
        assert [None] * 3 == [symbols.enclosing(address) for address in (0, 0x1000850, BASE_32 - 1)]


def test_the_entry_of_a_real_kernel_is_pvh_start_xen(debian_vmlinux: Path) -> None:
    with symbols_of(debian_vmlinux) as symbols:
        assert ("pvh_start_xen", 4) == symbols.enclosing(symbols.address("pvh_start_xen") + 4)


@pytest.mark.parametrize("bits", [32, 64])
def test_a_symbol_is_found_by_its_name(open_symbols: Opener, bits: int) -> None:
    symbols = open_symbols(Symbol("first", BASE % (1 << bits), 4), Symbol("second", 0x123, 0x20), bits=bits)

    assert 0x123 == symbols.address("second")


def test_a_name_that_is_the_tail_of_a_longer_one_is_found(open_symbols: Opener) -> None:
    symbols = open_symbols(
        Symbol("__pfx_pvh", 0x10), Symbol("pvh", 0x20), Symbol("other_pvh_x", 0x30), Symbol("second_pvh", 0x40)
    )

    assert [0x10, 0x20, 0x40] == [symbols.address(name) for name in ("__pfx_pvh", "pvh", "second_pvh")]


def test_a_name_that_is_the_tail_of_many_others_is_found(open_symbols: Opener) -> None:
    symbols = open_symbols(*(Symbol(f"x{number}_pvh", number) for number in range(50)), Symbol("_pvh", 0x1234))

    assert 0x1234 == symbols.address("_pvh")


def test_a_global_symbol_is_preferred_to_a_local_one_with_the_same_name(open_symbols: Opener) -> None:
    symbols = open_symbols(Symbol("pvh", 0x10, bind=LOCAL), Symbol("pvh", 0x20), Symbol("here", 0x30, bind=LOCAL))

    assert (0x20, 0x30) == (symbols.address("pvh"), symbols.address("here"))


@pytest.mark.parametrize(("others", "expected"), [(4095, 0x20), (4096, 0x10)])
def test_a_global_symbol_is_found_among_the_first_4096_with_the_same_name(
    open_symbols: Opener, others: int, expected: int
) -> None:
    symbols = open_symbols(*[Symbol("pvh", 0x10, bind=LOCAL)] * others, Symbol("pvh", 0x20))

    assert expected == symbols.address("pvh")


@pytest.mark.parametrize("bits", [32, 64])
def test_a_symbol_is_found_among_values_that_match_at_every_offset(open_symbols: Opener, bits: int) -> None:
    value = int.from_bytes(b"\1" * (bits // 8), "little")
    segments = [load(paddr=0x1000000, vaddr=value & ~0xFFFF, memsz=0x10000)]
    rows = [Symbol("pvh", value, 8), *[Symbol("label", value, type=LABEL)] * 5000]
    symbols = open_symbols.data(elf(segments, symbol_sections(rows, bits=bits), bits=bits))

    assert ("pvh", 4) == symbols.enclosing(value + 4)


@pytest.mark.parametrize("name", ["\ud800\udcff", "caf\xe9", "\0", ""])
def test_a_name_that_no_symbol_can_have_is_missing(name: str, open_symbols: Opener) -> None:
    assert name not in open_symbols(Symbol("pvh", 0x10))


def test_the_symbols_stay_when_the_file_is_truncated_later(tmp_path: Path) -> None:
    # Reading a memory-mapped file that became shorter would end the process with SIGBUS.
    script = """
import sys
from pvhdbg.image.debug_info.symbols import Symbols
symbols = Symbols(sys.argv[1])
open(sys.argv[1], "wb").close()
print(symbols.address("pvh"), symbols.enclosing(0x1008))
"""
    path = tmp_path / "kernel"
    path.write_bytes(elf([load(vaddr=0x1000)], symbol_sections([Symbol("pvh", 0x1000, 16)])))
    done = subprocess.run([sys.executable, "-c", script, path], check=True, capture_output=True, text=True)

    assert "4096 ('pvh', 8)\n" == done.stdout


def test_an_undefined_symbol_is_missing(open_symbols: Opener) -> None:
    with pytest.raises(SymbolMissing, match="no symbol pvh"):
        open_symbols(Symbol("pvh", 0, shndx=0)).address("pvh")


@pytest.mark.parametrize("name", ["", "pv", "vh", "pvh\0", "\0", "pvhx", "\N{SNOWMAN}"])
def test_only_a_complete_name_is_found(open_symbols: Opener, name: str) -> None:
    symbols = open_symbols(Symbol("pvh", 0x10))

    assert (False, True) == (name in symbols, "pvh" in symbols)


def test_an_address_belongs_to_the_symbol_that_contains_it(open_symbols: Opener) -> None:
    symbols = open_symbols(Symbol("first", BASE, 0x10), Symbol("second", BASE + 0x20, 0x10))
    expected = [("first", 0), ("first", 0xF), None, None, ("second", 0), None]

    assert expected == [symbols.enclosing(BASE + offset) for offset in (0, 0xF, 0x10, 0x1F, 0x20, 0x30)]


def test_a_label_extends_to_the_next_symbol(open_symbols: Opener) -> None:
    symbols = open_symbols(Symbol("label", BASE, 0, LABEL), Symbol("next", BASE + 0x20, 4))

    assert ("label", 0x1F) == symbols.enclosing(BASE + 0x1F)


def test_a_label_does_not_extend_past_the_next_symbol(open_symbols: Opener) -> None:
    symbols = open_symbols(Symbol("label", BASE, 0, LABEL), Symbol("next", BASE + 0x20, 4))

    assert symbols.enclosing(BASE + 0x24) is None


def test_an_absolute_symbol_does_not_end_a_label(open_symbols: Opener) -> None:
    symbols = open_symbols(Symbol("label", BASE, 0, LABEL), Symbol("number", BASE + 8, shndx=ABSOLUTE))

    assert ("label", 0x10) == symbols.enclosing(BASE + 0x10)


def test_a_label_below_the_first_load_address_is_ignored(open_symbols: Opener) -> None:
    symbols = open_symbols(Symbol("per_cpu", 0x8000, 0, LABEL))

    assert [None, None] == [symbols.enclosing(0x8000), symbols.enclosing(BASE)]


def test_an_address_after_a_nested_symbol_belongs_to_the_outer_symbol(open_symbols: Opener) -> None:
    symbols = open_symbols(Symbol("outer", BASE, 0x100), Symbol("inner", BASE + 0x10, 0x10))

    assert [("inner", 0xF), ("outer", 0x20)] == [symbols.enclosing(BASE + 0x1F), symbols.enclosing(BASE + 0x20)]


def test_a_global_function_is_preferred_among_symbols_at_one_address(open_symbols: Opener) -> None:
    symbols = open_symbols(
        Symbol("_text", BASE, 0, LABEL),
        Symbol("local", BASE, 0x10, bind=LOCAL),
        Symbol("function", BASE, 0x10),
        Symbol("object", BASE, 0x10, OBJECT),
    )

    assert ("function", 8) == symbols.enclosing(BASE + 8)


@pytest.mark.parametrize(("labels", "expected"), [(63, "function"), (64, "label")])
def test_the_first_64_symbols_at_one_address_are_compared(open_symbols: Opener, labels: int, expected: str) -> None:
    symbols = open_symbols(*[Symbol("label", BASE, 0, LABEL)] * labels, Symbol("function", BASE, 0x10))

    assert (expected, 0) == symbols.enclosing(BASE)


@pytest.mark.parametrize(("nested", "expected"), [(7, ("outer", 0x800)), (8, None)])
def test_the_symbols_at_the_8_nearest_addresses_are_examined(
    open_symbols: Opener, nested: int, expected: tuple[str, int] | None
) -> None:
    symbols = open_symbols(
        Symbol("outer", BASE, 0x1000), *(Symbol(f"inner{number}", BASE + number, 1) for number in range(1, nested + 1))
    )

    assert expected == symbols.enclosing(BASE + 0x800)


def test_absolute_symbols_sections_and_source_files_are_not_locations(open_symbols: Opener) -> None:
    section, source_file = 3, 4
    symbols = open_symbols(
        Symbol("function", BASE, 0x100),
        Symbol("number", BASE + 8, 0x10, shndx=ABSOLUTE),
        Symbol("section", BASE + 8, 0x10, section),
        Symbol("file.c", BASE + 8, 0x10, source_file),
        Symbol("elsewhere", BASE + 8, 0x10, shndx=0),
    )

    assert ("function", 8) == symbols.enclosing(BASE + 8)


def test_addresses_below_the_first_load_address_have_no_symbol(open_symbols: Opener) -> None:
    symbols = open_symbols(Symbol("per_cpu", 0, 0x10000, OBJECT), Symbol("function", BASE, 4))

    assert (None, None) == (symbols.enclosing(0x100), symbols.enclosing(BASE - 1))


def test_addresses_after_the_image_have_no_symbol(open_symbols: Opener) -> None:
    symbols = open_symbols(Symbol("label", BASE, 0, LABEL))

    assert [("label", 0xFFFF), None] == [symbols.enclosing(BASE + 0xFFFF), symbols.enclosing(BASE + 0x10000)]


def test_a_name_is_decoded_as_latin_1(open_symbols: Opener) -> None:
    symbols = open_symbols(Symbol("a\x1b[31m\xff", BASE, 4))

    assert ("a\x1b[31m\xff", 0) == symbols.enclosing(BASE)


def test_a_stripped_file_has_no_symbols(open_symbols: Opener) -> None:
    symbols = open_symbols.data(elf([load()]))

    assert (0, False, None) == (len(symbols), "pvh" in symbols, symbols.enclosing(0x100000))
    with pytest.raises(SymbolMissing):
        symbols.address("pvh")


def test_grub_has_no_symbols(grub_image: Path) -> None:
    with symbols_of(grub_image) as symbols:
        assert (0, False) == (len(symbols), "xen_prepare_pvh" in symbols)


@pytest.mark.parametrize(
    "wrong",
    [
        {"link": 77},
        {"link": 1},
        {"data": b"\1" * 24},
        {"data": b"\xff" * 240},
        {"data": b"\xff" * 25},
        {"entsize": 0},
        {"info": 1 << 31},
    ],
)
def test_an_invalid_symbol_table_has_no_symbols(open_symbols: Opener, wrong: dict[str, int | bytes]) -> None:
    symtab, strtab = symbol_sections([Symbol("pvh", BASE, 4)])
    lying = Section(**(symtab._asdict() | wrong))
    symbols = open_symbols.data(elf([load(vaddr=BASE)], [lying, strtab]))
    honest = "entsize" in wrong or "info" in wrong

    assert honest == ("pvh" in symbols)
    assert (("pvh", 0) if honest else None) == symbols.enclosing(BASE)


def test_the_number_of_the_string_table_may_be_any(open_symbols: Opener) -> None:
    symtab, strtab = symbol_sections([Symbol("pvh", BASE, 4)])
    data = (elf([load(vaddr=BASE)], [symtab._replace(link=link), strtab]) for link in range(8))

    assert [2] == [link for link, file in enumerate(data) if "pvh" in open_symbols.data(file)]


def test_a_name_that_continues_after_the_string_table_is_not_found(open_symbols: Opener) -> None:
    symtab, strtab = symbol_sections([Symbol("pvh", BASE, 4)])
    cut = strtab._replace(data=b"\0pv")
    symbols = open_symbols.data(elf([load(vaddr=BASE)], [symtab, cut, Section("zeros", 1, bytes(64))]))

    assert ("pv", 0) == symbols.enclosing(BASE)
    assert "pv" not in symbols


@pytest.mark.parametrize("section", [1, 2])
def test_a_symbol_or_string_table_past_the_end_of_the_file_has_no_symbols(open_symbols: Opener, section: int) -> None:
    data = elf([load(vaddr=BASE)], symbol_sections([Symbol("pvh", BASE, 4)]))
    offset = int.from_bytes(data[0x28:0x30], "little") + 64 * section + 24
    symbols = open_symbols.data(with_bytes(data, offset, b"\xff" * 8))

    assert (False, None) == ("pvh" in symbols, symbols.enclosing(BASE))


def test_a_symbol_table_at_an_odd_offset_is_read(open_symbols: Opener) -> None:
    data = bytearray(elf([load(vaddr=BASE)], symbol_sections([Symbol("pvh", BASE, 4)])))
    shoff = int.from_bytes(data[0x28:0x30], "little")
    at, size = (int.from_bytes(data[shoff + 64 + field : shoff + 72 + field], "little") for field in (24, 32))
    data += b"\0" * (1 - len(data) % 2) + data[at : at + size]
    data[shoff + 64 + 24 : shoff + 64 + 32] = (len(data) - size).to_bytes(8, "little")

    assert 1 == (len(data) - size) % 2
    assert BASE == open_symbols.data(bytes(data)).address("pvh")


def test_a_file_that_is_not_elf_is_an_error(open_symbols: Opener) -> None:
    with pytest.raises(UserError, match="not an ELF file"):
        open_symbols.data(b"MZ")


def test_successive_addresses_have_increasing_offsets(vmlinux_61: Path) -> None:
    with symbols_of(vmlinux_61) as symbols:
        start = symbols.address("xen_prepare_pvh")
        named = [symbols.enclosing(start + offset) for offset in range(64)]

    assert [("xen_prepare_pvh", offset) for offset in range(64)] == named
