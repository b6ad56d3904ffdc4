"""Reads the memory that the bytes view shows, from the live machine or from a capture."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from pvhdbg.boot.session import expression
from pvhdbg.boot.session.expression import NotAnAddress
from pvhdbg.boot.session.recorded import evaluate_captured
from pvhdbg.boot.stop.address import Addresses, linked_physical
from pvhdbg.errors import MemoryUnreadable, PvhdbgError, SymbolMissing, TargetError
from pvhdbg.lazy_pattern import pattern
from pvhdbg.target import monitor
from pvhdbg.target.recording import Recording
from pvhdbg.tui.events.events import MemoryRead, Message
from pvhdbg.tui.screen.state import Bytes

if TYPE_CHECKING:
    from collections.abc import Callable

    from pvhdbg.boot.session.expression import Expression
    from pvhdbg.boot.stop.capture import Capture
    from pvhdbg.image.facts import ImageFacts
    from pvhdbg.live.debuggee.debuggee import Debuggee
    from pvhdbg.target.base import Target
    from pvhdbg.target.stub import StubTarget
    from pvhdbg.tui.screen.state import MemoryRequest

SIZE = 1024
"""Bytes that the view holds at a time."""
ROW = 16
_LOWEST_VIRTUAL = 1 << 47
"""No machine has physical memory at or above this address, so an address in this range is virtual."""
_PREFIX = pattern(r"\s*([pv])\s+(?=[^\s+-])")


def read_live(debuggee: Debuggee, capture: Capture, request: MemoryRequest, shown: Bytes) -> Bytes:
    """Read memory of the live machine. `shown` is what the view shows now.

    :raise UserError: if the requested place has no address.
    """
    target = debuggee.machine.target
    if request.start is not None:
        return _with_regions(target, _read(target, shown, request.start))
    addresses = Addresses(target, capture.registers, debuggee.image)
    place = _place(addresses, debuggee.image, debuggee.session.evaluate_now, request.place)
    named = place if place.name else place._replace(name=_symbol_at(debuggee, place.paddr))
    return _with_regions(target, _read(target, _selected(named, request.size)))


def _symbol_at(debuggee: Debuggee, paddr: int) -> str:
    """Return the symbol at a physical address in the kernel; empty elsewhere."""
    image = debuggee.image
    return "" if image is None or image.to_vaddr(paddr) is None else debuggee.name_of(paddr) or ""


def _with_regions(target: StubTarget, shown: Bytes) -> Bytes:
    """Add the machine's memory regions at this place: QEMU reads zeros where there is no memory."""
    try:
        regions = monitor.parse_regions(target.monitor("info mtree -f")) if target.has_monitor else ()
    except TargetError:
        regions = ()
    end = shown.paddr + len(shown.data or b"")
    overlapping = tuple(region for region in regions if region.start < end and shown.paddr < region.end)
    return shown._replace(regions=overlapping if regions else None)


def read_captured(
    capture: Capture, image: ImageFacts | None, request: MemoryRequest, shown: Bytes, symbol: Callable[[str], int]
) -> Bytes:
    """Read memory from a capture, as far as it was captured. `symbol` resolves symbols that the capture lacks.

    :raise UserError: if the requested place has no address.
    """
    if request.start is not None:
        return _captured(capture, shown, request.start)
    target = _Captured(capture, symbol)
    addresses = Addresses(target, capture.registers, image)
    place = _place(addresses, image, lambda text: evaluate_captured(text, capture, target), request.place)
    return _captured(capture, _selected(place, request.size))


def _no_symbol(name: str) -> int:
    raise SymbolMissing(name)


def captured_event(
    capture: Capture,
    image: ImageFacts | None,
    request: MemoryRequest,
    shown: Bytes,
    symbol: Callable[[str], int] = _no_symbol,
) -> MemoryRead | Message:
    """Return the event with the memory from `read_captured`, or with the reason why there is none."""
    try:
        return MemoryRead(read_captured(capture, image, request, shown, symbol), capture)
    except PvhdbgError as error:
        return Message(str(error), error.hint)


class _Captured(Recording):
    """A capture's memory, registers and symbols; `symbol` resolves other symbols."""

    def __init__(self, capture: Capture, symbol: Callable[[str], int]) -> None:
        super().__init__(capture.memory, capture.registers, capture.symbols)
        self._others = symbol

    def symbol(self, name: str) -> int:
        try:
            return super().symbol(name)
        except SymbolMissing:
            return self._others(name)


def _place(addresses: Addresses, image: ImageFacts | None, evaluate: Callable[[str], int], place: str) -> Bytes:
    """Resolve a typed place: `p ADDRESS` is a physical address, `v ADDRESS` a virtual address.

    Without `p` or `v`, a number is physical unless it is too high, and symbols and expressions are virtual.
    """
    match = _PREFIX.match(place)
    kind, text = (match[1], place[match.end() :]) if match else ("", place)
    value, parsed = evaluate(text), _parsed(text)
    is_number = parsed is not None and parsed.is_number
    if kind == "p" or (is_number and not kind and value < _LOWEST_VIRTUAL):
        return Bytes(value)
    if is_number:
        return Bytes(addresses.physical(value), vaddr=value)
    # The page of a symbol may not be mapped yet, but its segment is loaded.
    is_symbol = parsed is not None and parsed.is_symbol
    loaded = image.to_paddr(value) if image and is_symbol else linked_physical(image, value)
    return Bytes(addresses.physical(value) if loaded is None else loaded, vaddr=value, name=text)


def _parsed(text: str) -> Expression | None:
    """Return the parsed expression, or None if only gdb can evaluate it."""
    with suppress(NotAnAddress):
        return expression.parse(text)
    return None


def _selected(place: Bytes, size: int) -> Bytes:
    return place._replace(selected=(place.paddr, place.paddr + size))


def _read(target: Target, place: Bytes, start: int | None = None) -> Bytes:
    first = (place.paddr if start is None else start) & ~(ROW - 1)
    try:
        return place._replace(paddr=first, data=target.read_phys(first, SIZE), why="")
    except MemoryUnreadable as error:
        return place._replace(paddr=first, data=None, why=str(error))


def _captured(capture: Capture, place: Bytes, start: int | None = None) -> Bytes:
    """Read captured memory starting at the beginning of the row, or at the first captured byte in the row."""
    at = place.paddr if start is None else start
    for begin, data in capture.memory:
        if begin <= at < begin + len(data) or at <= begin < at + ROW:
            first = max(begin, at & ~(ROW - 1))
            return place._replace(paddr=first, data=data[first - begin :][:SIZE], why="", regions=None)
    why = f"{at:#x} was not captured at {capture.stage} (Right: next stage)"
    return place._replace(paddr=at, data=None, regions=None, why=why)
