"""The first line of each view: what it shows, and of when."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from pvhdbg.boot.stop import stages
from pvhdbg.tui.draw import boxes, classes
from pvhdbg.tui.screen import code_at, memory_at, state, view_rows
from pvhdbg.tui.screen.by_id import ById
from pvhdbg.views.rows import cpu_rows, map_rows, text

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pvhdbg.boot.stop.capture import Capture, MapRecord
    from pvhdbg.tui.screen.line import Line
    from pvhdbg.tui.screen.state import Screen


def heading(screen: Screen) -> Line:
    return [*_when(screen), (classes.HEADING, f" {_words(screen)}"), *_only_changes(screen)]


def _when(screen: Screen) -> Line:
    """The past is said to be the past, and what cannot be of the past to be of now."""
    seen = screen.looked_at
    if screen.past is not None and seen:
        words = f" captured at {seen.stage}, the past " if boxes.shows_past(screen) else " now, not the past "
        return [(classes.PAST, words)]
    if screen.run.kind == state.RUNNING and screen.view != state.SERIAL:
        return [(classes.PAST, " as of the last stop ")]
    return []


def _only_changes(screen: Screen) -> Line:
    if not screen.only_changes or screen.view not in _OF_CAPTURES:
        return []
    return [(classes.CHANGED, "   * only what changed")]


def _words(screen: Screen) -> str:
    if screen.view == state.FINDINGS:
        return _findings(screen)
    if screen.view == state.CODE:
        return code_at.code(screen).title or "code"
    if screen.view == state.BYTES:
        return _bytes(screen)
    if screen.view == state.SERIAL:
        return _serial(screen)
    seen = screen.looked_at
    return _OF_CAPTURES[screen.view](seen, screen) if seen else state.VIEWS[screen.view - 1]


def _findings(screen: Screen) -> str:
    """How many hold at what is looked at, and how many were found on the way there."""
    noted, seen = screen.noted, screen.looked_at
    here, new = sum(each.here for each in noted), sum(each.new for each in noted)
    if not noted or not seen:
        return "findings"
    stage = "the death" if seen.stage == stages.DIED else seen.stage
    parts = [f"{here} at {stage}{f' ({new} new *)' if new else ''}"]
    if here < len(noted):
        parts.append(f"{len(noted) - here} before it")
    return f"{text.counted(len(noted), 'finding')} at this boot so far: {', '.join(parts)}"


def _start_info(seen: Capture, _: Screen) -> str:
    given, copy = seen.start_info, seen.pvh_start_info
    if copy is None:
        return f"struct hvm_start_info at {text.address(given.at)}" if given else "struct hvm_start_info"
    words = f"pvh_start_info at {text.address(copy.at)}, the kernel's copy"
    if given is None:
        return words
    same = "equal" if copy.raw == given.raw else "not equal"
    return f"{words} of the one at {text.address(given.at)}: {same}"


def _modules(seen: Capture, _: Screen) -> str:
    if not seen.modules:
        return "struct hvm_modlist_entry[0]"
    return f"struct hvm_modlist_entry[{len(seen.modules)}] at {text.address(seen.modules[0].entry.at)}"


def _memory(seen: Capture, screen: Screen) -> str:
    if seen.e820_table:
        where = f"e820_table at {text.address(seen.e820_table.paddr)}"
        return f"{where}: {_summary(ById(seen.e820_table.entries))}"
    given = view_rows.handed_over(screen)
    if given is None or given.memory_map is None:
        return "memory map"
    when = "" if given is seen else f", as captured at {given.stage}"
    return f"memory map, {given.memory_map.protocol}{when}: {_summary(ById(given.memory_map.entries))}"


@lru_cache(16)
def _summary(entries: ById[Sequence[MapRecord]]) -> str:
    return map_rows.summary(entries.it)


def _boot_params(seen: Capture, _: Screen) -> str:
    if seen.kernel_boot_params:
        return f"struct boot_params at {text.address(seen.kernel_boot_params.at)}   boot_params, the kernel's copy"
    if seen.boot_params:
        return f"struct boot_params at {text.address(seen.boot_params.at)}   pvh_bootparams"
    return "struct boot_params"


def _serial(screen: Screen) -> str:
    if not screen.serial:
        return "serial console"
    count, top = text.counted(len(screen.serial), "line"), screen.serial_top
    return f"serial console, {count}, the last of them" if top is None else f"serial console, line {top + 1} of {count}"


def _bytes(screen: Screen) -> str:
    shown = screen.bytes
    virtual = f", {text.address(shown.vaddr)} virtual" if shown.vaddr is not None else ""
    name = f"   {shown.name}" if shown.name else ""
    there = memory_at.unusual(screen, view_rows.at_cursor(screen))
    return f"{text.address(shown.paddr)} physical{f'   {there}' if there else ''}{virtual}{name}"


def _cpu(seen: Capture, _: Screen) -> str:
    return cpu_rows.mode_words(seen)


_OF_CAPTURES: dict[int, Callable[[Capture, Screen], str]] = {
    state.START_INFO: _start_info,
    state.MODULES: _modules,
    state.MEMORY: _memory,
    state.BOOT_PARAMS: _boot_params,
    state.CPU: _cpu,
}
