"""The code at a recorded stop: as a disassembler wrote it then, or disassembled now from the recorded bytes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pvhdbg.boot.stop import stages
from pvhdbg.boot.stop.address import code_paddr, linear_address
from pvhdbg.boot.stop.evidence import CODE, CODE_BEFORE
from pvhdbg.live.debuggee.code import Bytes, Code, CodeLine, aligned, instructions

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pvhdbg.boot.stop.capture import Capture, CodeRow
    from pvhdbg.image.facts import ImageFacts

BYTES_PER_LINE = 16


def code(capture: Capture, image: ImageFacts | None) -> Code:
    """Return the instructions around RIP or, if their size is not known, the bytes from RIP on."""
    if capture.rip is None:
        return Code(why=f"RIP was not captured at {capture.stage}")
    rip = linear_address(capture.rip, capture.registers)
    if capture.code and any(row.text for row in capture.code):
        return Code(_title(capture, image, "instructions"), tuple(with_source(capture.code, rip)))
    found = _recorded(capture, rip) or _remembered(capture, image, rip)
    if found is None:
        return Code(why=f"no code captured at {rip:#x}")
    return _listed(capture, image, found)


def _title(capture: Capture, image: ImageFacts | None, what: str) -> str:
    return f"{what}, as recorded: {stages.stage(capture.stage, image).about}"


def with_source(rows: Sequence[CodeRow], rip: int) -> Iterator[CodeLine]:
    """Yield the instructions, each under the name of its source line if that is another one than before."""
    before = None
    for row in rows:
        number = (row.source or "").rpartition(":")[2]
        if row.source != before and row.source and number.isdecimal() and number.isascii():
            yield CodeLine("", None, int(number[:9]), source=row.source)
        before = row.source
        text = row.text or row.raw.hex(" ")
        yield CodeLine(text, row.address, current=row.address == rip, raw=row.raw, source=row.source or "")


def _recorded(capture: Capture, rip: int) -> Bytes | None:
    """Return the recorded bytes around RIP: the rows that follow each other, and lead to RIP."""
    start, data = rip, b""
    for row in capture.code or ():
        if row.address != start + len(data) or not data:
            start, data = row.address, b""
        data += row.raw
    return Bytes(capture.cpu_mode, rip, start, data) if start <= rip < start + len(data) else None


def _remembered(capture: Capture, image: ImageFacts | None, rip: int) -> Bytes | None:
    """Return the bytes around RIP that are among the captured memory, as in older recordings."""
    paddr = code_paddr(capture, image)
    if paddr is None:
        return None
    data = next(filter(None, (capture.bytes_at(paddr, size) for size in range(CODE - CODE_BEFORE, 0, -1))), b"")
    before = next(filter(None, (capture.bytes_at(paddr - size, size) for size in range(CODE_BEFORE, 0, -1))), b"")
    return Bytes(capture.cpu_mode, rip, rip - len(before), before + data) if data else None


def _listed(capture: Capture, image: ImageFacts | None, found: Bytes) -> Code:
    if found.bits in (None, 16):
        data = found.data[found.rip - found.start :]
        lines = [
            CodeLine(data[at : at + BYTES_PER_LINE].hex(" "), found.rip + at, current=at == 0)
            for at in range(0, len(data), BYTES_PER_LINE)
        ]
        return Code(_title(capture, image, "bytes, not disassembled"), tuple(lines))
    names = {address: name for name, address in capture.symbols.items()}
    lines = list(instructions(aligned(found), image, lambda at: _named(names, image, at)))
    return Code(_title(capture, image, f"{found.bits}-bit instructions"), tuple(lines))


def _named(names: dict[int, str], image: ImageFacts | None, address: int) -> str | None:
    linked = image.to_vaddr(address) if image else None
    return names.get(address if linked is None else linked)
