"""The registers of QEMU's gdb stub: their names and places, as the stub describes them, and pvhdbg's names for them.

Numbers and widths are never assumed: they differ between machines. Source: the GDB manual, appendix G, and QEMU
target/i386/gdbstub.c.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from xml.parsers import expat

from pvhdbg.errors import TargetError
from pvhdbg.named_tuple import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

_GENERAL = ("ax", "bx", "cx", "dx", "si", "di", "bp", "sp", "ip")
NAME_OF = {f"e{name}": f"r{name}" for name in _GENERAL} | {
    name: name
    for name in (
        *(f"r{name}" for name in _GENERAL),
        *(f"r{number}" for number in range(8, 16)),
        *("eflags", "cs", "ss", "ds", "es", "fs", "gs", "fs_base", "gs_base", "k_gs_base"),
        *("cr0", "cr2", "cr3", "cr4", "cr8", "efer", "mxcsr"),
    )
}
"""The registers that pvhdbg reads: pvhdbg's name for each, by gdb's name."""

_MOST_REGISTERS = 4096
_WIDEST = 1 << 16


class Place(NamedTuple):
    """Where a register is in the answer to `g`: its first byte and its size in bytes."""

    offset: int
    size: int


class Description(NamedTuple):
    """A file of the target description: its registers (name, number, bits), and the files that it includes."""

    registers: tuple[tuple[str, int | None, int], ...]
    includes: tuple[str, ...]


def parse(xml: str) -> Description:
    """Parse a file of the target description.

    :raise TargetError: if it is not XML, or not a description of registers.
    """
    registers: list[tuple[str, int | None, int]] = []
    includes: list[str] = []

    def start(tag: str, attributes: Mapping[str, str]) -> None:
        if tag == "reg":
            number = attributes.get("regnum")
            bits = int(attributes["bitsize"])
            if not 0 < bits <= _WIDEST or len(registers) >= _MOST_REGISTERS:
                raise ValueError(bits)
            registers.append((attributes["name"], None if number is None else int(number), bits))
        elif tag == "xi:include":
            includes.append(attributes["href"])

    def refuse_entity(*_: object) -> None:
        raise ValueError("entity")

    parser = expat.ParserCreate()
    parser.StartElementHandler = start
    parser.EntityDeclHandler = refuse_entity
    try:
        parser.Parse(xml, True)
    except (expat.ExpatError, ValueError, KeyError) as error:
        raise TargetError("the gdb stub describes its registers in a way that pvhdbg does not understand") from error
    return Description(tuple(registers), tuple(includes))


def places(registers: Mapping[int, tuple[str, int]]) -> dict[str, Place]:
    """Return where each register of NAME_OF is in the answer to `g`, by gdb's name.

    `registers` has the name and the bits of each register by number.
    """
    offset = 0
    found: dict[str, Place] = {}
    for number in sorted(registers):
        name, bits = registers[number]
        size = (bits + 7) // 8
        if name in NAME_OF:
            found.setdefault(name, Place(offset, size))
        offset += size
    return found


def numbered(descriptions: list[Description]) -> dict[int, tuple[str, int]]:
    """Return the name and the bits of each register by its number. A register without one follows the one before."""
    registers: dict[int, tuple[str, int]] = {}
    following = 0
    for description in descriptions:
        for name, number, bits in description.registers:
            following = following if number is None else number
            registers.setdefault(following, (name, bits))
            following += 1
    return registers


def values(answer: str, known: Mapping[str, Place]) -> dict[str, int]:
    """Return the registers in the answer to `g`, by pvhdbg's name. One that is unavailable (`xx`) is left out."""
    found: dict[str, int] = {}
    for name, (offset, size) in known.items():
        text = answer[2 * offset : 2 * (offset + size)]
        try:
            value = int.from_bytes(bytes.fromhex(text), "little")
        except ValueError:
            continue
        if len(text) == 2 * size:
            found[NAME_OF[name]] = value
    return found
