"""gdb's breakpoints: where they are, and setting or deleting one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from pvhdbg.target.mi import quoted

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pvhdbg.live.gdb.mi_client import MiClient

Line = tuple[str, int]
"""A source file's whole name, and a line in it."""


class Breakpoints(NamedTuple):
    """The numbers of the breakpoints at each address, and at each line of source."""

    addresses: Mapping[int, tuple[str, ...]] = {}
    lines: Mapping[Line, tuple[str, ...]] = {}

    def at(self, place: int | Line) -> tuple[str, ...]:
        return self.addresses.get(place, ()) if isinstance(place, int) else self.lines.get(place, ())


def listed(gdb: MiClient) -> Breakpoints:
    """All of them; a watchpoint is nowhere.

    :raise TargetError: if gdb does not answer.
    """
    addresses: dict[int, tuple[str, ...]] = {}
    lines: dict[Line, tuple[str, ...]] = {}
    for number, place in _places(gdb.ask("-break-list").payload):
        if (address := _address(place.get("addr", ""))) is not None:
            addresses[address] = (*addresses.get(address, ()), number)
        if "fullname" in place and "line" in place:
            line = (place["fullname"], int(place["line"]))
            lines[line] = (*lines.get(line, ()), number)
    return Breakpoints(addresses, lines)


def toggle(gdb: MiClient, place: int | Line) -> str:
    """Set a hardware breakpoint there, or delete those that are there: which it was.

    :raise TargetError: with gdb's own words.
    """
    there = dict.fromkeys(listed(gdb).at(place))
    if there:
        gdb.ask(f"-break-delete {' '.join(there)}")
        return f"deleted breakpoint {', '.join(there)}"
    where = f"*{place:#x}" if isinstance(place, int) else f"--source {quoted(place[0])} --line {place[1]}"
    made = gdb.ask(f"-break-insert -h {where}").payload.get("bkpt", {})
    return f"hardware breakpoint {made.get('number', '')}".rstrip()


def _places(payload: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """One breakpoint may have many locations, and then has its own place in none."""
    for each in payload.get("BreakpointTable", {}).get("body", []):
        for place in (each, *each.get("locations", ())):
            yield each["number"], place


def _address(text: str) -> int | None:
    """None for `<MULTIPLE>` and `<PENDING>`."""
    try:
        return int(text, 16)
    except ValueError:
        return None
