"""What the bytes view shows: memory of the machine as it stands, or of a capture of the past."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pvhdbg.boot.stop.address import Addresses
from pvhdbg.errors import MemoryUnreadable, PvhdbgError, SymbolMissing, TargetError, UserError
from pvhdbg.target import monitor
from pvhdbg.target.recording import Recording
from pvhdbg.tui.events.events import Peeked, Said
from pvhdbg.tui.screen.state import Bytes

if TYPE_CHECKING:
    from collections.abc import Callable

    from pvhdbg.boot.stop.capture import Capture
    from pvhdbg.image.facts import ImageFacts
    from pvhdbg.live.debuggee.debuggee import Debuggee
    from pvhdbg.target.base import Target
    from pvhdbg.target.gdb_mi import MiTarget
    from pvhdbg.tui.screen.state import Wanted

SHOWN = 1024
ROW = 16
_VIRTUAL_FROM = 1 << 47
"""From here up no machine has physical memory: an address is one of the guest's own page tables."""
_HINT = "an address, `p 0x…`, `v 0x…`, a symbol, or an expression of gdb's"


def live(debuggee: Debuggee, capture: Capture, wanted: Wanted, shown: Bytes) -> Bytes:
    """Memory of a live machine; `shown` is what the view has now.

    :raise UserError: if `wanted` is nothing that has an address.
    """
    target = debuggee.machine.target
    if wanted.start is not None:
        return _there(target, _read(target, shown, wanted.start))
    addresses = Addresses(target, capture.registers, debuggee.journey.image)
    try:
        place = _place(addresses, target.symbol, wanted.place)
    except SymbolMissing:
        place = _expression(debuggee, addresses, wanted.place)
    return _there(target, _read(target, _selected(place, wanted.size)))


def _there(target: MiTarget, shown: Bytes) -> Bytes:
    """With what the machine has there: QEMU gives zeros where there is nothing."""
    try:
        known = monitor.parse_regions(target.monitor("info mtree -f")) if target.has_monitor else ()
    except TargetError:
        known = ()
    end = shown.paddr + len(shown.data or b"")
    there = tuple(each for each in known if each.start < end and shown.paddr < each.end)
    return shown._replace(regions=there if known else None)


def recorded(
    capture: Capture, image: ImageFacts | None, wanted: Wanted, shown: Bytes, symbol: Callable[[str], int]
) -> Bytes:
    """Memory as it was captured, as much of it as there is; `symbol` knows those that the capture does not.

    :raise UserError: if `wanted` is nothing that has an address.
    """
    if wanted.start is not None:
        return _captured(capture, shown, wanted.start)
    target = _Captured(capture, symbol)
    place = _place(Addresses(target, capture.registers, image), target.symbol, wanted.place)
    return _captured(capture, _selected(place, wanted.size))


def _no_symbol(name: str) -> int:
    raise SymbolMissing(name)


def event(
    capture: Capture, image: ImageFacts | None, wanted: Wanted, shown: Bytes, symbol: Callable[[str], int] = _no_symbol
) -> Peeked | Said:
    """The same as what the screen is told: the memory, or why there is none."""
    try:
        return Peeked(recorded(capture, image, wanted, shown, symbol), capture)
    except PvhdbgError as error:
        return Said(str(error), error.hint)


class _Captured(Recording):
    def __init__(self, capture: Capture, symbol: Callable[[str], int]) -> None:
        super().__init__(capture.memory, capture.registers, capture.symbols)
        self._others = symbol

    def symbol(self, name: str) -> int:
        try:
            return super().symbol(name)
        except SymbolMissing:
            return self._others(name)


def _place(addresses: Addresses, symbol: Callable[[str], int], wanted: str) -> Bytes:
    """`0x…` is physical, or virtual where it can be nothing else; `p 0x…` and `v 0x…` say which; else a symbol."""
    kind, _, rest = wanted.partition(" ")
    number = _number(rest if kind in ("p", "v") else wanted)
    if number is None:
        return Bytes(addresses.symbol(wanted), vaddr=symbol(wanted), name=wanted)
    if kind == "v" or (kind != "p" and number >= _VIRTUAL_FROM):
        return Bytes(addresses.physical(number), vaddr=number)
    return Bytes(number)


def _expression(debuggee: Debuggee, addresses: Addresses, wanted: str) -> Bytes:
    """Anything else is gdb's to evaluate: `$rsp`, `&boot_params.hdr`."""
    from pvhdbg.target.mi import quote

    asked = quote(f"(unsigned long long)({wanted})")
    try:
        value = debuggee.machine.gdb.ask(f"-data-evaluate-expression {asked}").payload["value"]
        number = int(value, 0)
    except (TargetError, ValueError) as error:
        raise UserError(f"{wanted}: {error}", _HINT) from error
    return Bytes(addresses.physical(number), vaddr=number, name=wanted)


def _number(text: str) -> int | None:
    try:
        number = int(text, 0)
    except ValueError:
        return None
    if not 0 <= number < 1 << 64:
        raise UserError(f"{text} is no 64-bit address")
    return number


def _selected(place: Bytes, size: int) -> Bytes:
    return place._replace(selected=(place.paddr, place.paddr + size))


def _read(target: Target, place: Bytes, start: int | None = None) -> Bytes:
    first = (place.paddr if start is None else start) & ~(ROW - 1)
    try:
        return place._replace(paddr=first, data=target.read_phys(first, SHOWN), why="")
    except MemoryUnreadable as error:
        return place._replace(paddr=first, data=None, why=str(error))


def _captured(capture: Capture, place: Bytes, start: int | None = None) -> Bytes:
    """From a row's beginning on, or from where the memory that was captured begins within that row."""
    at = place.paddr if start is None else start
    for begin, data in capture.memory:
        if begin <= at < begin + len(data) or at <= begin < at + ROW:
            first = max(begin, at & ~(ROW - 1))
            return place._replace(paddr=first, data=data[first - begin :][:SHOWN], why="", regions=None)
    return place._replace(paddr=at, data=None, regions=None, why=f"{at:#x} was not captured at {capture.stage}")
