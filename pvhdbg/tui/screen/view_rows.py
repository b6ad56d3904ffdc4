"""The rows of each view: what the cursor stands on, Enter follows, search finds and `y` copies."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from pvhdbg.abi.boot_params import COMMAND_LINE_SIZE
from pvhdbg.abi.text import printable
from pvhdbg.tui.screen import changes, code_at, state
from pvhdbg.tui.screen.by_id import ById
from pvhdbg.tui.screen.line import clean
from pvhdbg.views.report import tables
from pvhdbg.views.rows import boot_params_rows, cpu_rows, map_rows, start_info_rows, text
from pvhdbg.views.rows.row import Row, absent

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pvhdbg.boot.stop.capture import Capture
    from pvhdbg.checks.finding import Finding
    from pvhdbg.live.debuggee.code import Code, CodeLine
    from pvhdbg.tui.screen.state import Bytes, Noted, Screen

Rows = tuple[Row, ...]
BYTES_PER_ROW = 16
MOST_PHYSICAL = 1 << 52
"""One past the highest physical address that x86 can have."""
KEPT = 16
"""Lists of rows that are kept: some views of some stages. A hostile guest makes each as large as 16 MiB."""


def rows(screen: Screen) -> Rows:
    """The rows of the view that is shown; none for the serial console, which is lines alone."""
    listed = _listed(screen)
    if screen.only_changes and screen.view in _OF_CAPTURES:
        return _changed(ById(listed), ById(screen.before))
    return listed


def cursor(screen: Screen) -> int:
    """The selected row: in the code, as long as nobody chose another, where RIP is."""
    if screen.view == state.CODE and state.CODE not in screen.shown:
        return _at_rip(ById(code_at.code(screen)))
    return screen.here.cursor


def at_cursor(screen: Screen) -> int:
    """The physical address of the row of bytes that is selected."""
    return screen.bytes.paddr + screen.here.cursor * BYTES_PER_ROW


@lru_cache(8)
def _at_rip(code: ById[Code]) -> int:
    return next((at for at, line in enumerate(code.it.lines) if line.current), 0)


def _listed(screen: Screen) -> Rows:
    if screen.view == state.FINDINGS:
        return _findings(ById(screen.noted))
    if screen.view == state.CODE:
        return _code(ById(code_at.code(screen)))
    if screen.view == state.BYTES:
        return _bytes(ById(screen.bytes))
    return of_capture(screen, screen.view)


def of_capture(screen: Screen, view: int) -> Rows:
    """All rows of a view of the capture that is looked at; none of a view that shows something else."""
    seen = screen.looked_at
    if seen is None or view not in _OF_CAPTURES:
        return ()
    given = handed_over(screen)
    return _decoded(view, ById(seen), ById(given or seen), unfolded=screen.unfolded and view == state.BOOT_PARAMS)


def handed_over(screen: Screen) -> Capture | None:
    """What is looked at or, where that does not know any more what was handed over, the last stop that did."""
    seen = screen.looked_at
    earlier = screen.history if screen.past is None else screen.history[: screen.past]
    return next((each for each in (seen, *reversed(earlier)) if each and each.memory_map), None)


@lru_cache(KEPT)
def _decoded(view: int, seen: ById[Capture], given: ById[Capture], *, unfolded: bool) -> Rows:
    if view == state.BOOT_PARAMS:
        return _boot_params(seen.it, given.it, unfolded=unfolded)
    return tuple(_OF_CAPTURES[view](seen.it, given.it))


def _start_info(seen: Capture, _given: Capture) -> list[Row]:
    key = "pvh_start_info" if seen.pvh_start_info else "start_info"
    listed = start_info_rows.start_info_rows(seen, key)
    return [*listed, _cmdline(seen)] if seen.effective_start_info else listed


def _cmdline(seen: Capture) -> Row:
    found = seen.cmdline
    if found is None:
        return absent(seen, "cmdline")
    value = start_info_rows.string(seen, "cmdline", found, COMMAND_LINE_SIZE)
    return Row("cmdline", "cmdline", value, address=found.paddr, raw=found.raw, leads_to=found.paddr)


def _modules(seen: Capture, _given: Capture) -> list[Row]:
    return start_info_rows.module_rows(seen)


def _memory(seen: Capture, given: Capture) -> list[Row]:
    """The map that was handed over; at the kernel's stages beneath e820_table, where there is one."""
    if seen.memory_map:
        return map_rows.memory_map_rows(seen)
    made = [_compared(each, given) for each in map_rows.e820_rows(seen)] if seen.e820_table else []
    if given is seen:
        return made or map_rows.memory_map_rows(seen)
    return [*made, Row("", f"handed over, as captured at {given.stage}", ""), *map_rows.memory_map_rows(given)]


def _compared(row: Row, given: Capture) -> Row:
    """An entry of e820_table with whether it was handed over so, signed as in the plain text."""
    if not row.columns or not given.memory_map:
        return row
    same = row.columns[1:4] in _given_entries(ById(given))
    *cells, gap = row.columns
    sign = f"{tables.KEPT} same" if same else f"{tables.NEW} new"
    words = "as it was handed over" if same else "not handed over: the kernel made it"
    return row._replace(columns=(*cells, f"{sign}, {gap}" if gap else sign), meaning=f"{row.meaning}, {words}")


@lru_cache(8)
def _given_entries(given: ById[Capture]) -> frozenset[tuple[str, ...]]:
    """Range, size and type of each entry that was handed over."""
    found = given.it.memory_map
    return frozenset(each.columns[1:4] for each in map_rows.entry_rows(found.entries, "")) if found else frozenset()


def _boot_params(seen: Capture, given: Capture, *, unfolded: bool) -> Rows:
    copied = seen.boot_params is None and "not any more" in seen.missing.get("boot_params", "")
    key = boot_params_rows.KERNEL_COPY if copied or seen.kernel_boot_params else boot_params_rows.PARAMS
    return tuple(boot_params_rows.boot_params_rows(seen, key, handed_over=given, folded=not unfolded))


def _cpu(seen: Capture, _given: Capture) -> list[Row]:
    return cpu_rows.cpu_rows(seen)


_OF_CAPTURES: dict[int, Callable[[Capture, Capture], list[Row]]] = {
    state.START_INFO: _start_info,
    state.MODULES: _modules,
    state.MEMORY: _memory,
    state.BOOT_PARAMS: lambda _seen, _given: [],
    state.CPU: _cpu,
}


@lru_cache(KEPT)
def _changed(listed: ById[Rows], before: ById[changes.Before]) -> Rows:
    return tuple(each for each in listed.it if changes.is_shown(each, before.it))


@lru_cache(8)
def _findings(found: ById[Sequence[Noted]]) -> Rows:
    return tuple(_finding(each.finding) for each in found.it)


def _finding(each: Finding) -> Row:
    return Row(each.field, each.code, clean(each.field), clean(each.message), address=each.at, leads_to=each.at)


@lru_cache(8)
def _code(code: ById[Code]) -> Rows:
    return tuple(Row("", _place(each), clean(each.text), address=each.address) for each in code.it.lines)


def _place(line: CodeLine) -> str:
    if line.number is not None:
        return str(line.number)
    return "" if line.address is None else text.address(line.address)


@lru_cache(8)
def _bytes(shown: ById[Bytes]) -> Rows:
    return tuple(_bytes_row(shown.it, at) for at in range(0, len(shown.it.data or b""), BYTES_PER_ROW))


def _bytes_row(shown: Bytes, at: int) -> Row:
    chunk, start = (shown.data or b"")[at : at + BYTES_PER_ROW], shown.paddr + at
    return Row(
        "", text.address(start), chunk.hex(" "), printable(chunk), start, raw=chunk, leads_to=_pointer(shown, at)
    )


def _pointer(shown: Bytes, at: int) -> int | None:
    """The u64 that is selected or else the row's first, where it may be an address."""
    chosen = shown.selected[0] - shown.paddr
    raw = (shown.data or b"")[chosen if at <= chosen < at + BYTES_PER_ROW else at :][:8]
    value = int.from_bytes(raw, "little")
    return value if 0 < value < MOST_PHYSICAL and len(raw) == 8 else None
