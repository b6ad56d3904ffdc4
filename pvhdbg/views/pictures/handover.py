"""What the VMM hands over: EBX, start_info, and everything that its pointers lead to, as boxes and arrows."""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING

from pvhdbg.abi.e820 import E820_TYPES
from pvhdbg.abi.text import printable_start
from pvhdbg.boot.stop import regions
from pvhdbg.boot.stop.protocols import HYPERCALL
from pvhdbg.views.pictures import graph
from pvhdbg.views.pictures.graph import Box, Line
from pvhdbg.views.rows import cpu_rows, map_rows, start_info_rows, text
from pvhdbg.views.rows.missing import missing_reason

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from pvhdbg.boot.stop.capture import Capture, Module, Text
    from pvhdbg.image.facts import ImageFacts
    from pvhdbg.views.pictures.drawing import Drawing

MOST_MODULES, MOST_ENTRIES = 4, 12
"""The most modules and map entries that the picture shows."""
_TEXT_WIDTH, _TEXT_LINES = 30, 5
_CPU, _START_INFO, _CONTENTS, _INNER = range(4)
_TITLE = "What the VMM hands over: the CPU at the entry and the boot data in memory"
_POINTERS = {"modlist_paddr": "modules", "cmdline_paddr": "cmdline", "rsdp_paddr": "rsdp", "memmap_paddr": "memory_map"}
"""The key of the box to which a field of start_info leads."""


def as_text(capture: Capture, image: ImageFacts | None) -> list[str]:
    """Return the picture as lines of text."""
    return graph.as_text(boxes(capture, image), _TITLE)


def draw(capture: Capture, image: ImageFacts | None) -> Drawing:
    """Draw the picture."""
    return graph.draw(boxes(capture, image), "handover", _TITLE)


def boxes(capture: Capture, image: ImageFacts | None) -> list[Box]:
    """Return the boxes of a capture: the registers, start_info, and what lies at its addresses."""
    found = [_cpu(capture), _start_info(capture), *_kernel(capture, image), *_pointed_to(capture)]
    keys = {box.key for box in found}
    return [box._replace(lines=tuple(_without_loose_end(line, keys) for line in box.lines)) for box in found]


def _without_loose_end(line: Line, keys: set[str]) -> Line:
    return line if line.leads_to in keys else line._replace(leads_to=None)


def _cpu(capture: Capture) -> Box:
    if capture.stage != "entry":
        return Box("cpu", "CPU at the entry", (Line("not captured"),), _CPU, is_missing=True)
    rip, rbx = (text.address(capture.registers.get(name)) for name in ("rip", "rbx"))
    mode = cpu_rows.MODES[capture.cpu_mode]
    lines = Line(f"eip  {rip}", "kernel"), Line(f"ebx  {rbx}", "start_info")
    return Box("cpu", "CPU at the entry", (*lines, *map(Line, (mode, cpu_rows.paging_words(capture)))), _CPU)


def _start_info(capture: Capture) -> Box:
    info = capture.start_info
    if info is None:
        return _missing("start_info", "struct hvm_start_info", missing_reason(capture, "start_info"), _START_INFO)
    lines = [
        Line(f"{row.name:14}  {row.value}", _POINTERS.get(row.name) if row.leads_to else None)
        for row in start_info_rows.start_info_rows(capture)
    ]
    return Box("start_info", f"hvm_start_info at {text.address(info.at)}", tuple(lines), _START_INFO)


def _missing(key: str, title: str, reason: str, column: int) -> Box:
    lines = _wrapped(printable_start(reason, 4 * _TEXT_WIDTH))
    return Box(key, title, tuple(map(Line, lines)), column, is_missing=True)


def _kernel(capture: Capture, image: ImageFacts | None) -> Iterator[Box]:
    """Yield the box of the kernel, if the CPU enters it in one of its segments."""
    segments = list(regions.kernel(image))
    if any(segment.start <= (capture.rip or 0) < segment.end for segment in segments):
        spans = [Line(text.span(segment.start, segment.end)) for segment in segments[:MOST_MODULES]]
        yield Box("kernel", "the kernel's segments", (*spans, *_more(len(segments), MOST_MODULES)), _START_INFO)


def _more(count: int, most: int) -> list[Line]:
    return [Line(f"… and {count - most} more")] if count > most else []


def _pointed_to(capture: Capture) -> Iterator[Box]:
    info = capture.start_info
    if info is None:
        return
    if info.nr_modules:
        yield from _modules(capture, capture.modules)
    if info.cmdline_paddr:
        yield _text("cmdline", "command line", capture.cmdline, capture.missing.get("cmdline", ""), _CONTENTS)
    if info.rsdp_paddr:
        is_good = start_info_rows.rsdp_meaning(capture, info.rsdp_paddr) == "ACPI RSDP"
        words = start_info_rows.rsdp_meaning(capture, info.rsdp_paddr)
        yield Box("rsdp", f"RSDP at {info.rsdp_paddr:#x}", (Line(words),), _CONTENTS, is_missing=not is_good)
    yield from _memory_map(capture)


def _modules(capture: Capture, modules: Sequence[Module] | None) -> Iterator[Box]:
    """Yield the module list, and for each of its first modules the module and its command line."""
    if not modules:
        yield _missing("modules", "module list", missing_reason(capture, "modules"), _CONTENTS)
        return
    shown = list(enumerate(modules[:MOST_MODULES]))
    lines = chain.from_iterable(_entry(capture, index, module) for index, module in shown)
    title = f"hvm_modlist_entry[{len(modules)}] at {text.address(modules[0].entry.at)}"
    yield Box("modules", title, (*lines, *_more(len(modules), MOST_MODULES)), _CONTENTS)
    for index, module in shown:
        if not _is_map(capture, index):
            role = start_info_rows.module_role(capture, index, module)
            lines_of = Line(text.span(*module.span)), Line(f"{text.size(module.entry.size)}: {role}")
            yield Box(f"module {index}", f"module {index}", lines_of, _INNER)
        if module.entry.cmdline_paddr:
            reason = capture.missing.get(f"modules[{index}].cmdline", "")
            yield _text(f"text {index}", f"text of module {index}", module.cmdline, reason, _INNER)


def _is_map(capture: Capture, index: int) -> bool:
    return index == 1 and capture.memory_map is not None and capture.memory_map.is_module


def _entry(capture: Capture, index: int, module: Module) -> Iterable[Line]:
    entry = module.entry
    target = "memory_map" if _is_map(capture, index) else f"module {index}"
    yield Line(f"[{index}] paddr          {entry.paddr:#x}", target)
    yield Line(f"    size           {text.size(entry.size)}")
    yield Line(f"    cmdline_paddr  {entry.cmdline_paddr:#x}", f"text {index}" if entry.cmdline_paddr else None)


def _text(key: str, title: str, string: Text | None, reason: str, column: int) -> Box:
    """Return a box with guest text in quotes, or with the reason why it could not be read."""
    if string is None:
        return _missing(key, title, reason or "not read", column)
    lines = _wrapped(text.quoted(string.raw, _TEXT_WIDTH * _TEXT_LINES))
    return Box(key, f"{title} at {string.paddr:#x}", tuple(map(Line, lines)), column)


def _wrapped(words: str) -> list[str]:
    from textwrap import wrap

    return wrap(words, _TEXT_WIDTH, break_on_hyphens=False)


def _memory_map(capture: Capture) -> Iterator[Box]:
    """Yield the memory map. No arrow leads to one that the kernel gets by a hypercall."""
    memory_map = capture.memory_map
    if memory_map is None:
        if capture.start_info and capture.start_info.version and capture.start_info.memmap_paddr:
            yield _missing("memory_map", "memory map", missing_reason(capture, "memory_map"), _CONTENTS)
        return
    key = "answer" if memory_map.protocol == HYPERCALL else "memory_map"
    where = "from a hypercall" if key == "answer" else f"at {text.address(memory_map.paddr)}"
    lines = [
        Line(f"{text.span(entry.addr, map_rows.end(entry))}  {E820_TYPES.label(entry.type)}")
        for entry in memory_map.entries[:MOST_ENTRIES]
    ]
    if lines or memory_map.nr_entries:
        more = _more(len(memory_map.entries), MOST_ENTRIES)
        column = _INNER if memory_map.is_module else _CONTENTS
        yield Box(key, f"memory map {where}", (*lines, *more), column)
