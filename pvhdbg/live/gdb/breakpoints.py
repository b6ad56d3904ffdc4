"""gdb's breakpoints: list them, set or delete one."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from pvhdbg.named_tuple import NamedTuple
from pvhdbg.target.mi.client import quote

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from pvhdbg.live.gdb.mi_client import MiClient
    from pvhdbg.live.gdb.results import Results
    from pvhdbg.target.mi.client import Stop

Line = tuple[str, int]
"""A source file's full name, and a line number in it."""


_REASONS = {
    "watchpoint-trigger": "a watchpoint",
    "read-watchpoint-trigger": "a watchpoint",
    "access-watchpoint-trigger": "a watchpoint",
    "location-reached": "the location",
    "function-finished": "the function's return",
}


class Breakpoints(NamedTuple):
    """The numbers of gdb's breakpoints, by address and by source line."""

    addresses: Mapping[int, tuple[str, ...]] = {}
    lines: Mapping[Line, tuple[str, ...]] = {}

    def at(self, place: int | Line) -> tuple[str, ...]:
        return self.addresses.get(place, ()) if isinstance(place, int) else self.lines.get(place, ())


def read(gdb: MiClient) -> Breakpoints:
    """Ask gdb for its breakpoints. Watchpoints have no place and are omitted.

    :raise TargetError: if gdb does not answer.
    """
    addresses: dict[int, tuple[str, ...]] = {}
    lines: dict[Line, tuple[str, ...]] = {}
    for number, place in _places(gdb.ask("-break-list").results):
        if (address := _address(place.text("addr", ""))) is not None:
            addresses[address] = (*addresses.get(address, ()), number)
        if "fullname" in place and "line" in place:
            line = (place.text("fullname"), place.number("line"))
            lines[line] = (*lines.get(line, ()), number)
    return Breakpoints(addresses, lines)


def too_high(gdb: MiClient, known: Breakpoints, to_paddr: Callable[[int], int | None]) -> list[str]:
    """Return a remark for each new breakpoint at a link address, which the CPU does not use before paging.

    `known` are the breakpoints before. `to_paddr` returns where the kernel file loads a link address.
    """
    now = read(gdb).addresses
    paddrs = {address: to_paddr(address) for address in now.keys() - known.addresses.keys()}
    also_low = {number for address in now.keys() & set(paddrs.values()) for number in now[address]}
    return [
        f"breakpoint {now[address][0]} at {address:#x} can be hit only after the guest has turned paging on; "
        f"for code that runs before, use `hbreak *{paddr:#x}`"
        for address, paddr in paddrs.items()
        if paddr not in (None, address) and not also_low.issuperset(now[address])
    ]


@contextmanager
def disabled(gdb: MiClient) -> Iterator[None]:
    """In the block, disable all breakpoints and watchpoints."""
    entries = gdb.ask("-break-list").results.results("BreakpointTable").results_list("body")
    numbers = " ".join(entry.text("number") for entry in entries if entry.text("enabled", "") == "y")
    if numbers:
        gdb.ask(f"-break-disable {numbers}")
    try:
        yield
    finally:
        if numbers:
            gdb.send(f"-break-enable {numbers}")


def toggle(gdb: MiClient, place: int | Line) -> str:
    """Set a hardware breakpoint at a place, or delete the breakpoints at that place. Describe what was done.

    :raise TargetError: with gdb's own message.
    """
    numbers = dict.fromkeys(read(gdb).at(place))
    if numbers:
        gdb.ask(f"-break-delete {' '.join(numbers)}")
        return f"deleted breakpoint {', '.join(numbers)}"
    where = f"*{place:#x}" if isinstance(place, int) else f"--source {quote(place[0])} --line {place[1]}"
    entry = gdb.ask(f"-break-insert -h {where}").results.results("bkpt")
    return f"hardware breakpoint {entry.text('number', '')}".rstrip()


def _places(answer: Results) -> Iterator[tuple[str, Results]]:
    """Yield the breakpoints' numbers and places. Of a breakpoint with several locations, only they have an address."""
    for entry in answer.results("BreakpointTable").results_list("body"):
        for place in (entry, *entry.results_list("locations")):
            yield entry.text("number"), place


def _address(text: str) -> int | None:
    """Return the number, or None for `<MULTIPLE>` and `<PENDING>`."""
    try:
        return int(text, 16)
    except ValueError:
        return None


def stop_reason(stop: Stop | None) -> str:
    """Describe what stopped the guest. Return "" for the end of a step."""
    if stop is None:
        return ""
    return f"breakpoint {stop.breakpoint}" if stop.breakpoint else stop.watch or _REASONS.get(stop.reason, "")
