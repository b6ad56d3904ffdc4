"""Structure layouts from DWARF are those that the compiler itself computes."""

from __future__ import annotations

import random
import shutil
import subprocess
from io import BytesIO
from pathlib import Path

import pytest
from elftools.dwarf.enums import ENUM_DW_FORM
from elftools.dwarf.structs import DWARFStructs

from pvhdbg.errors import GuestError, UserError
from pvhdbg.image.debug_info.dwarf import _FIXED, StructLayout, _leb128, _Unit, struct_layouts
from pvhdbg.image.debug_info.symbols import Symbols

SOURCE = """
#include <stddef.h>
struct inner { unsigned long begin, next; };
struct outer_inner { char a; };
struct declared;
struct outer {
    unsigned int bits;
    struct inner position;
    union { char c; long l; } either;
    struct { short one; struct { int two; } deep; } nameless;
    unsigned char flags : 5, level : 3;
    char text[300];
    unsigned int seq;
    struct declared *pointer;
};
typedef struct { int x; } anonymous;
enum number { ONE = -1, TWO = 0x7fffffff };
static struct outer variable; static anonymous other; static enum number third; static struct outer_inner fourth;
#define NUMBER(member) offsetof(struct outer, member)
const unsigned numbers[] = { sizeof(struct outer), NUMBER(bits), NUMBER(position), NUMBER(either), NUMBER(nameless),
                             NUMBER(text), NUMBER(seq), NUMBER(pointer), sizeof(struct inner),
                             offsetof(struct inner, next) };
int used(int argument)
{
    struct local { long here; } local = { argument };

    variable.seq = third + other.x;
    return local.here + fourth.a;
}
"""
FLAGS = [
    flags
    for width in ("-m32", "-m64")
    for flags in (
        (width, "-gdwarf-4"),
        (width, "-gdwarf-5"),
        (width, "-gdwarf-5", "-O2"),
        (width, "-gdwarf-4", "-fdebug-types-section"),
    )
]


def compiled(folder: Path, *flags: str) -> Path:
    gcc = shutil.which("gcc")
    if gcc is None:
        pytest.skip("there is no gcc")
    source, result = folder / "a.c", folder / "a"
    source.write_text(SOURCE, "ascii")
    command = [gcc, "-static", "-nostdlib", "-ffreestanding", "-Wl,-eused", "-o", str(result), str(source), *flags]
    subprocess.run(command, check=True, timeout=60)
    return result


def layouts(path: Path, names: tuple[str, ...] = ("outer", "inner", "declared", "local")) -> dict[str, StructLayout]:
    return struct_layouts(path.read_bytes(), str(path), Symbols(str(path)).address("used"), names)


def numbers_in(path: Path) -> list[int]:
    """Return the compiler's own numbers, which are in the file."""
    dump = subprocess.run(
        ["gdb", "-nx", "-batch", "-ex", "output/d numbers", str(path)], check=True, capture_output=True, text=True
    )
    return [int(number) for number in dump.stdout.strip("{}\n").split(", ")]


@pytest.mark.parametrize("flags", [flags for flags in FLAGS if "-fdebug-types-section" not in flags], ids=" ".join)
def test_sizes_and_offsets_are_the_compilers(tmp_path: Path, flags: tuple[str, ...]) -> None:
    path = compiled(tmp_path, *flags)
    found = layouts(path)
    outer, inner = found["outer"], found["inner"]
    members = ("bits", "position", "either", "nameless", "text", "seq", "pointer")

    assert numbers_in(path) == [
        outer.size,
        *(outer.members[member] for member in members),
        inner.size,
        inner.members["next"],
    ]
    assert {"outer", "inner"} == found.keys()
    assert {*members, "flags", "level"} >= outer.members.keys()


def test_without_usable_debug_information_there_are_no_layouts(tmp_path: Path) -> None:
    for flags in (("-g0",), ("-gdwarf-4", "-fdebug-types-section"), ("-gz=zlib", "-g"), ("-gdwarf64", "-g")):
        assert {} == layouts(compiled(tmp_path, *flags))

    path = compiled(tmp_path, "-g")

    assert {} == struct_layouts(path.read_bytes(), str(path), 1, ("outer",))
    assert {} == layouts(path, ("no_such_structure",))


def test_damaged_debug_information_gives_no_layouts_and_no_unexpected_error(tmp_path: Path) -> None:
    path = compiled(tmp_path, "-g")
    whole, function, choice = path.read_bytes(), Symbols(str(path)).address("used"), random.Random(7)
    outcomes = set()
    for _ in range(2000):
        damaged = bytearray(whole)
        for _ in range(choice.choice((1, 3, 30))):
            damaged[choice.randrange(64, len(damaged))] = choice.choice((0, 1, 0x7F, 0x80, 0xFF, choice.randrange(256)))
        try:
            outcomes.add(len(struct_layouts(bytes(damaged), "damaged", function, ("outer", "inner"))))
        except (UserError, GuestError):
            outcomes.add(-1)

    assert {0, 2} <= outcomes


# pyelftools 0.33 reads 8 bytes for strx4, which has 4 by definition. It does not follow DW_FORM_indirect.
OTHERS = {"DW_FORM_null", "DW_FORM_ref", "DW_FORM_strx4", "DW_FORM_indirect"}
FORMS = {name: form for name, form in ENUM_DW_FORM.items() if isinstance(form, int) and form < 0x100}
READ = {name: form for name, form in FORMS.items() if name not in OTHERS}


@pytest.mark.parametrize("word", [4, 8])
@pytest.mark.parametrize("name", READ)
def test_a_value_of_each_form_is_as_long_and_as_large_as_pyelftools_reads_it(name: str, word: int) -> None:
    data, unit = b"\x83\x01\0\0" + bytes(range(1, 200)) * 2, _Unit.__new__(_Unit)
    unit._data, unit._sizes = data, {**_FIXED, 1: word}
    stream = BytesIO(data)
    structs = DWARFStructs(little_endian=True, dwarf_format=32, address_size=word, dwarf_version=5)
    parser = structs.Dwarf_dw_form[name]
    expected = parser.parse_stream(stream) if parser else None
    end, value = unit._value(READ[name], 0)

    assert stream.tell() == end
    if isinstance(expected, int):
        assert expected == value


def test_an_indirect_value_begins_with_its_form_and_a_strx4_has_4_bytes() -> None:
    unit = _Unit.__new__(_Unit)
    unit._data, unit._sizes = b"\x05\x02\x01\x03", _FIXED

    assert (3, 0x102) == unit._value(FORMS["DW_FORM_indirect"], 0)
    assert (4, 0x03010205) == unit._value(FORMS["DW_FORM_strx4"], 0)


@pytest.mark.parametrize(("size", "value"), [(1, 1), (2, 1 << 7), (9, 1 << 56), (10, 1 << 63)])
def test_a_leb128_number_has_at_most_64_bits(size: int, value: int) -> None:
    data = b"\x80" * (size - 1) + b"\x01\x55"

    assert (value, size) == _leb128(data, 0)
    for wrong in (b"\x80" * 10 + b"\x01", data[: size - 1]):
        with pytest.raises(IndexError):
            _leb128(wrong, 0)


def test_sections_that_are_marked_as_compressed_are_not_read(tmp_path: Path) -> None:
    path = compiled(tmp_path, "-g")
    data, function = bytearray(path.read_bytes()), Symbols(str(path)).address("used")
    found = len(struct_layouts(bytes(data), "kernel", function, ("outer",)))
    table, size, count = (int.from_bytes(data[at : at + width], "little") for at, width in ((40, 8), (58, 2), (60, 2)))
    for start in range(table, table + size * count, size):
        data[start + 9] |= 1 << 3

    assert found == 1
    assert {} == struct_layouts(bytes(data), "kernel", function, ("outer",))
