"""The next instruction at a stop: what it reads and writes, and whether it jumps."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from pvhdbg.abi.paging import walk
from pvhdbg.boot.stop import page_tables
from pvhdbg.boot.stop.address import Addresses, code_paddr, linear_address, linked_physical
from pvhdbg.boot.who.instruction import Memory
from pvhdbg.errors import TargetError
from pvhdbg.named_tuple import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pvhdbg.boot.stop.capture import Capture
    from pvhdbg.boot.who.instruction import Instruction
    from pvhdbg.image.facts import ImageFacts
    from pvhdbg.live.instructions.decode import Decoder
    from pvhdbg.target.base import Target

    Read = Callable[[int, int], bytes]
    """(linear address, size) -> bytes."""

MOST_DATA = 16
"""The most bytes of an operand that are read."""
NOT_MAPPED = "not mapped"
_CF, _PF, _ZF, _SF, _DF, _OF = 1 << 0, 1 << 2, 1 << 6, 1 << 7, 1 << 10, 1 << 11
_PUSHES, _POPS = ("push", "pushf", "pushfd", "pushfq", "call"), ("pop", "popf", "popfd", "popfq", "ret")


class Access(NamedTuple):
    """Memory that an instruction reads or writes: a linear address, and how many bytes from there.

    `data` has the first bytes as they are before it, or is None; then `why` is the reason, if one is known.
    """

    address: int
    size: int
    is_read: bool
    is_written: bool
    data: bytes | None = None
    why: str = ""

    @property
    def verb(self) -> str:
        return {(True, False): "reads", (False, True): "writes"}.get((self.is_read, self.is_written), "changes")


class NextInstruction(NamedTuple):
    """The instruction at RIP. `jumps` tells whether a conditional jump jumps; None for every other instruction."""

    rip: int
    text: str
    accesses: tuple[Access, ...] = ()
    jumps: bool | None = None


def at_stop(capture: Capture, image: ImageFacts | None, target: Target | None = None) -> NextInstruction | None:
    """Return the instruction at RIP of a capture; None if its bytes were not captured.

    `target` reads the memory that it accesses, from the machine that still is at this stop. Without `target`, the
    memory comes from the capture.
    """
    from pvhdbg.live.instructions.decode import LONGEST

    paddr = code_paddr(capture, image)
    if paddr is None:
        return None
    raw = next(filter(None, (capture.bytes_at(paddr, size) for size in range(LONGEST, 0, -1))), b"")
    return of_bytes(raw, capture, image, target)


def of_bytes(
    raw: bytes, capture: Capture, image: ImageFacts | None, target: Target | None = None
) -> NextInstruction | None:
    """Return the instruction at RIP of a capture, whose bytes are `raw`; None if they are none."""
    from pvhdbg.live.instructions.decode import BITS

    bits = BITS.get(capture.cpu_mode)
    if capture.rip is None or bits is None:
        return None
    found = _decoder().decode(raw, linear_address(capture.rip, capture.registers), bits) if raw else None
    if found is None:
        return None
    registers = {name: value for name, value in capture.registers.items() if value is not None}
    read = _from_capture(capture, image) if target is None else _from_machine(capture, image, target)
    wanted = () if bits == 16 else _accesses(found, registers)
    return NextInstruction(
        capture.rip,
        found.text,
        tuple(_with_data(access, read) for access in wanted),
        jumps(found.name, registers),
    )


@cache
def _decoder() -> Decoder:
    from pvhdbg.live.instructions.decode import Decoder

    return Decoder()


def _accesses(found: Instruction, registers: dict[str, int]) -> Iterator[Access]:
    for operand in (*found.memory, *_on_stack(found)):
        used = {operand.base, operand.scaled} - {None, "rip"}
        if not used <= registers.keys():
            continue
        size, address = operand.size, found.address_of(operand, registers)
        if found.is_repeated_string:
            count = registers.get("rcx", 0) & (1 << found.bits) - 1
            size *= count
            address -= (size - operand.size) if count and registers.get("eflags", 0) & _DF else 0
        if size:
            yield Access(address, size, operand.is_read, operand.is_written)


def _on_stack(found: Instruction) -> Iterator[Memory]:
    """Yield the memory that an instruction uses without naming it."""
    size = 8 if found.bits == 64 else 4
    if found.name in _PUSHES:
        yield Memory("rsp", None, 1, -size, None, size, is_read=False, is_written=True)
    elif found.name in _POPS or found.name == "leave":
        base = "rbp" if found.name == "leave" else "rsp"
        yield Memory(base, None, 1, 0, None, size, is_read=True, is_written=False)


def _with_data(access: Access, read: Read) -> Access:
    try:
        return access._replace(data=read(access.address, min(access.size, MOST_DATA)))
    except TargetError as error:
        return access._replace(why=NOT_MAPPED if str(error).endswith(NOT_MAPPED) else "")


def _from_machine(capture: Capture, image: ImageFacts | None, target: Target) -> Read:
    addresses = Addresses(target, capture.registers, image)
    return lambda address, size: target.read_phys(addresses.physical(address), size)


def _from_capture(capture: Capture, image: ImageFacts | None) -> Read:
    paging, tables = page_tables.paging_of(capture.registers), page_tables.of_capture(capture)

    def read(address: int, size: int) -> bytes:
        paddr = linked_physical(image, address)
        if paddr is None and paging is not None:
            paddr = walk(tables, paging, address).paddr
        data = None if paddr is None else capture.bytes_at(paddr, size)
        if data is None:
            raise TargetError(f"{address:#x}: not captured" if paddr is not None else f"{address:#x}: {NOT_MAPPED}")
        return data

    return read


_CONDITIONS: dict[str, Callable[[int], bool]] = {
    "e": lambda flags: bool(flags & _ZF),
    "b": lambda flags: bool(flags & _CF),
    "be": lambda flags: bool(flags & (_CF | _ZF)),
    "l": lambda flags: bool(flags & _SF) != bool(flags & _OF),
    "le": lambda flags: bool(flags & _ZF) or bool(flags & _SF) != bool(flags & _OF),
    "s": lambda flags: bool(flags & _SF),
    "o": lambda flags: bool(flags & _OF),
    "p": lambda flags: bool(flags & _PF),
}
_OPPOSITES = {"ne": "e", "ae": "b", "a": "be", "ge": "l", "g": "le", "ns": "s", "no": "o", "np": "p"}


def jumps(name: str, registers: dict[str, int]) -> bool | None:
    """Return whether a conditional jump jumps; None for other instructions, or if the flags are not known."""
    flags, condition = registers.get("eflags"), name[1:]
    if not name.startswith("j") or flags is None:
        return None
    if condition in _OPPOSITES:
        return not _CONDITIONS[_OPPOSITES[condition]](flags)
    return _CONDITIONS[condition](flags) if condition in _CONDITIONS else None
