"""What the bytes view shows: memory of the machine as it stands, or of a capture of the past."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pvhdbg.boot.address import Addresses
from pvhdbg.errors import MemoryUnreadable, SymbolMissing, TargetError, UserError
from pvhdbg.target.recording import Recording
from pvhdbg.tui.state import Bytes

if TYPE_CHECKING:
    from pvhdbg.boot.capture import Capture
    from pvhdbg.image.facts import ImageFacts
    from pvhdbg.live.bench import Bench
    from pvhdbg.target.base import Target

SHOWN = 1024
ROW = 16
_VIRTUAL_FROM = 1 << 47
"""From here up no machine has physical memory: an address is one of the guest's own page tables."""


def live(bench: Bench, capture: Capture, wanted: str, size: int) -> Bytes:
    """Memory of a live machine at `wanted`; `size` bytes of it are selected.

    :raise UserError: if `wanted` is nothing that has an address.
    """
    target, registers = bench.session.target, capture.registers
    try:
        place = _place(Addresses(target, registers, bench.journey.image), target, wanted)
    except SymbolMissing:
        place = _expression(bench, Addresses(target, registers, bench.journey.image), wanted)
    return _read(target, place, size)


def recorded(capture: Capture, image: ImageFacts | None, wanted: str, size: int) -> Bytes:
    """Memory as it was captured, as much of it as there is."""
    target = Recording(capture.memory, capture.registers, capture.symbols)
    try:
        place = _place(Addresses(target, capture.registers, image), target, wanted)
    except TargetError as error:
        return Bytes(name=wanted, data=None, why=str(error))
    return _captured(capture, place, size)


def _place(addresses: Addresses, target: Target, wanted: str) -> Bytes:
    """`0x…` is physical, or virtual where it can be nothing else; `p 0x…` and `v 0x…` say which; else a symbol."""
    kind, _, rest = wanted.partition(" ")
    number = _number(rest if kind in ("p", "v") else wanted)
    if number is None:
        address = target.symbol(wanted)
        return Bytes(addresses.symbol(wanted), vaddr=address, name=wanted)
    if kind == "v" or (kind != "p" and number >= _VIRTUAL_FROM):
        return Bytes(addresses.physical(number), vaddr=number)
    return Bytes(number)


def _expression(bench: Bench, addresses: Addresses, wanted: str) -> Bytes:
    """Anything else is gdb's to evaluate: `$rsp`, `&boot_params.hdr`."""
    from pvhdbg.target.mi import quoted

    asked = quoted(f"(unsigned long long)({wanted})")
    try:
        value = bench.session.gdb.ask(f"-data-evaluate-expression {asked}").payload["value"]
    except TargetError as error:
        raise UserError(f"{wanted}: {error}", "an address, `p 0x…`, `v 0x…`, a symbol, or an expression of gdb") from error
    number = int(value, 0)
    return Bytes(addresses.physical(number), vaddr=number, name=wanted)


def _number(text: str) -> int | None:
    try:
        number = int(text, 0)
    except ValueError:
        return None
    if not 0 <= number < 1 << 64:
        raise UserError(f"{text} is no 64-bit address")
    return number


def _read(target: Target, place: Bytes, size: int) -> Bytes:
    start = place.paddr & ~(ROW - 1)
    chosen = (place.paddr, place.paddr + size)
    try:
        return place._replace(paddr=start, data=target.read_phys(start, SHOWN), selected=chosen)
    except MemoryUnreadable as error:
        return place._replace(paddr=start, data=None, selected=chosen, why=str(error))


def _captured(capture: Capture, place: Bytes, size: int) -> Bytes:
    at, chosen = place.paddr, (place.paddr, place.paddr + size)
    for start, data in capture.memory:
        if start <= at < start + len(data):
            first = max(start, at & ~(ROW - 1))
            return place._replace(paddr=first, data=data[first - start :][:SHOWN], selected=chosen)
    why = f"{at:#x} was not captured at {capture.stage}"
    return place._replace(data=None, selected=chosen, why=why)
