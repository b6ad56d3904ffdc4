"""The output of the `pvh` commands about one stop, as lines of text.

If the capture of the stop lacks a structure, the output gives the reason, and then shows the structure as it was at the
latest earlier stop that has it.
"""

from __future__ import annotations

import re
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING

from pvhdbg.abi.cpu import ENTRY_STATE, ENTRY_STATE_SOURCE
from pvhdbg.abi.e820 import BootE820Entry
from pvhdbg.abi.roles import STRUCTS
from pvhdbg.abi.text import printable
from pvhdbg.boot.record.compare import is_within
from pvhdbg.boot.stop import stages
from pvhdbg.boot.stop.address import code_paddr
from pvhdbg.boot.stop.capture import MemoryMap
from pvhdbg.boot.stop.evidence import CODE, CODE_BEFORE
from pvhdbg.boot.stop.stop import Stop
from pvhdbg.errors import TargetError, UserError
from pvhdbg.lazy_pattern import pattern
from pvhdbg.views.explain import topics
from pvhdbg.views.report import run_text, stop_text, tables
from pvhdbg.views.rows import (
    boot_params_rows,
    contents,
    cpu_rows,
    map_rows,
    memory_picture,
    paging_rows,
    picture_text,
    pointer_chain,
    segment_rows,
    start_info_rows,
    text,
)
from pvhdbg.views.rows.missing import missing_reason
from pvhdbg.views.rows.row import NOTHING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pvhdbg.abi.cpu import Requirement
    from pvhdbg.abi.paging import ReadPhys
    from pvhdbg.abi.start_info import StartInfo
    from pvhdbg.boot.stop.capture import Capture
    from pvhdbg.boot.stop.stages import Stage
    from pvhdbg.image.facts import ImageFacts
    from pvhdbg.views.rows.row import Row

BYTES_A_LINE = 16
_FOUR_GIB = 1 << 32
_INDEX = pattern(r"\[[0-9]+\]")


def info(stop: Stop) -> list[str]:
    """Return the stage, RIP and CPU mode, the kernel, a summary of what was captured, and where its pointers lead."""
    kernel = [f"  {printable(stop.image.path)}: {run_text.kernel(stop.image)}"] if stop.image else []
    return [*stop_text.heading(stop), *kernel, *contents.lines(stop.capture), *_chains(stop.capture)]


def _chains(capture: Capture) -> list[str]:
    params = capture.kernel_boot_params or capture.boot_params
    records = [record for record in (capture.effective_start_info, params) if record is not None]
    return [f"  {chain}" for record in records for chain in pointer_chain.chains(capture, record.at)]


def from_earlier_stop(stop: Stop, answer: Callable[[Stop], list[str]], *keys: str) -> list[str]:
    """Return why this capture lacks all of `keys`, then the output for the latest earlier stop that has any of them."""
    reason = f"{boot_params_rows.symbol_path(keys[0])}: {missing_reason(stop.capture, keys[0])}"
    for index, capture in reversed(list(enumerate(stop.earlier))):
        if any(getattr(capture, key) is not None for key in keys):
            earlier = Stop(capture, stop.earlier[:index], stop.image)
            return [f"{reason}; last captured at stage {capture.stage}:", *answer(earlier)]
    return [reason]


def start_info(stop: Stop) -> list[str]:
    """Return start_info, and the kernel's copy unless it is identical."""
    original, copy = stop.capture.start_info, stop.capture.pvh_start_info
    if original is None and copy is None:
        lines = from_earlier_stop(stop, start_info, "start_info", "pvh_start_info")
        is_late = stop.capture.stage == stages.UNSEEN
        return [*lines, f"pvh_start_info: {missing_reason(stop.capture, 'pvh_start_info')}"] if is_late else lines
    lines = _structure(stop.capture, "start_info", original)
    if original and copy and original.raw == copy.raw:
        return [*lines, start_info_rows.identical_copy(copy, original, start_info_rows.copy_name(stop.image))]
    return lines + _structure(stop.capture, "pvh_start_info", copy)


def _structure(capture: Capture, key: str, record: StartInfo | None) -> list[str]:
    if record is None:
        return []
    head = f"{key}, struct hvm_start_info at {text.address(record.at)}"
    return [head, *tables.field_table(start_info_rows.start_info_rows(capture, key))]


def modules(stop: Stop) -> list[str]:
    entries = stop.capture.modules
    if entries is None:
        return from_earlier_stop(stop, modules, "modules")
    if not entries:
        return [stop.capture.missing.get("modules", "no modules: nr_modules is 0")]
    head = f"struct hvm_modlist_entry[{len(entries)}] at {text.address(entries[0].entry.at)}"
    return [head, *tables.field_table(start_info_rows.module_rows(stop.capture))]


def memory_map(stop: Stop) -> list[str]:
    """Return the memory map that the VMM passed, from start_info or from a module."""
    table = stop.capture.memory_map
    if table is None:
        return from_earlier_stop(stop, memory_map, "memory_map")
    if table.paddr is None:
        return [f"memory_map: {missing_reason(stop.capture, 'memory_map.paddr')}"]
    head = f"memory map ({table.protocol}) at {text.address(table.paddr)}: {map_rows.summary(table.entries)}"
    return [head, *_cut(stop.capture, "memory_map.entries"), *tables.map_table(table.entries)]


def _cut(capture: Capture, path: str) -> list[str]:
    """Return the reason if a map or a string was not read completely, otherwise nothing."""
    return [f"  {printable(capture.missing[path])}"] if path in capture.missing else []


def e820(stop: Stop) -> list[str]:
    """Return the kernel's e820_table or, before the kernel has built it, the table in boot_params."""
    table = stop.capture.e820_table
    if table is not None:
        head = f"e820_table at {text.address(table.paddr)}: {map_rows.summary(table.entries)}"
        return [head, *_cut(stop.capture, "e820_table"), *tables.map_table(table.entries)]
    key = _boot_params_key(stop.capture)
    record = getattr(stop.capture, key)
    if record is None:
        return from_earlier_stop(stop, e820, "e820_table", "kernel_boot_params", "boot_params")
    entries = record.e820_table[: record.e820_entries]
    name = boot_params_rows.symbol_path(f"{key}.e820_table")
    return [f"{name}: {map_rows.summary(entries)}", *tables.map_table(entries)]


def _boot_params_key(capture: Capture) -> str:
    """Return the key of boot_params if the kernel has filled it in, otherwise the key of pvh_bootparams."""
    return boot_params_rows.PARAMS if capture.kernel_boot_params is None else boot_params_rows.KERNEL_COPY


def boot_params(stop: Stop, names: Sequence[str] = ()) -> list[str]:
    """Return the named fields (`hdr.version`, `version`, `e820_table`), or all fields with runs of zeros folded.

    :raise UserError: if a field does not exist.
    """
    key = _boot_params_key(stop.capture)
    record = getattr(stop.capture, key)
    if record is None:
        return from_earlier_stop(stop, partial(boot_params, names=names), "boot_params", "kernel_boot_params")
    head = f"{boot_params_rows.SYMBOLS[key]}, struct boot_params at {text.address(record.at)}"
    rows = boot_params_rows.boot_params_rows(stop.capture, key, boot_data=stop.latest_with_map, folded=not names)
    return [head, *tables.field_table(_named(rows, names) if names else rows)]


def _named(rows: Sequence[Row], names: Sequence[str]) -> list[Row]:
    """Return the rows of the named fields and of the fields inside them.

    A name is a path, or the end of a path after a dot. The rows are labeled with their paths.
    """
    tops = [path for name in names for path in _paths(rows, name)]
    selected = [row for row in rows if row.path in tops or (not _is_in_entry(row) and _is_below(row, tops))]
    return [row._replace(depth=0, name=row.path.partition(".")[2]) for row in selected]


def _is_below(row: Row, tops: Sequence[str]) -> bool:
    return any(is_within(row.path, top) for top in tops)


def _is_in_entry(row: Row) -> bool:
    """Return True for a field of an e820 entry, because the row of the entry already shows it."""
    return bool(row.fields) and row.fields[0].owner is BootE820Entry


def _paths(rows: Sequence[Row], name: str) -> list[str]:
    ending = "." + re.sub(r"^(kernel_boot_params|boot_params|pvh_bootparams)\.", "", name)
    paths = [row.path for row in rows if row.path.endswith(ending) or _INDEX.sub("", row.path).endswith(ending)]
    if not paths:
        raise UserError(f"boot_params has no field {text.quoted(name)}", "run `bootparams` to list all fields")
    return paths


def cmdline(stop: Stop) -> list[str]:
    """Return the whole command line, wrapped."""
    string = stop.capture.cmdline
    if string is None:
        return from_earlier_stop(stop, cmdline, "cmdline")
    head = f"at {text.address(string.paddr)}, {text.size(len(string.raw))}"
    return [head, *_cut(stop.capture, "cmdline"), *(f"  {line}" for line in text.folded(string.raw))]


def cpu(stop: Stop) -> list[str]:
    """Return the CPU mode, registers and GDT; at the entry, also how they compare with the ABI's requirements."""
    before = stop.before.registers if stop.before else {}
    registers = [cpu_rows.with_changed_bits(row, before.get(row.name)) for row in cpu_rows.register_rows(stop.capture)]
    gdt = segment_rows.gdt_heading(stop.capture)
    head = [
        *text.columns([(row.name, row.value, row.meaning) for row in registers]),
        *([gdt] if gdt else []),
        *text.columns(list(segment_rows.gdt_cells(stop.capture))),
    ]
    if stop.capture.stage != "entry":
        return [*head, "the ABI's requirements apply at the entry: see `cpu @entry`"]
    rows = [_requirement(stop.capture, requirement) for requirement in ENTRY_STATE]
    return [*head, f"ABI requirements at the entry ({ENTRY_STATE_SOURCE}; = met, ! not met):", *text.columns(rows)]


def paging(stop: Stop, read: ReadPhys, address: int | None) -> list[str]:
    """Return the walks through the page tables, and what is mapped. `read` reads the tables."""
    rows = paging_rows.paging_rows(stop.capture, read, address)
    cells = [
        ("  " * row.depth + row.name, "" if row.address is None else f"{row.address:#x}", row.value, row.meaning)
        for row in rows
    ]
    return [cpu_rows.paging_words(stop.capture), *text.columns(cells)]


def _requirement(capture: Capture, requirement: Requirement) -> tuple[str, str, str, str]:
    name, value = requirement.register, capture.registers.get(requirement.register)
    if value is None:
        return "?", name, NOTHING, missing_reason(capture, f"registers.{name}")
    if requirement.is_met_by(value):
        return "=", name, f"{value:#x}", requirement.meaning
    later = " (not required by older versions of the ABI)" if requirement.added_later else ""
    part = name.partition(".")[2]
    wanted = f"must be {requirement.meaning.removeprefix(f'{part} ')}" if part else f"must have {requirement.meaning}"
    return "!", name, f"{value:#x}", f"{wanted}: {requirement.why}{later}"


def code_bytes(stop: Stop, address: int | None, read: Callable[[int, int], bytes]) -> list[str]:
    """Return the code at a physical address, or at RIP, as raw bytes.

    They come from the capture; if it has no bytes there, from `read`.
    """
    start = address if address is not None else code_paddr(stop.capture, stop.image)
    if start is None:
        return [f"code: {missing_reason(stop.capture, 'code')}"]
    data = _captured(stop.capture, start)
    if not data:
        with suppress(TargetError):
            data = read(start, min(CODE - CODE_BEFORE, _FOUR_GIB - start % _FOUR_GIB))
    if not data:
        return [f"no bytes were captured at physical address {start:#x}"]
    offsets = range(0, len(data), BYTES_A_LINE)
    rows = [(f"{start + offset:#x}", data[offset : offset + BYTES_A_LINE].hex(" ")) for offset in offsets]
    return [f"raw bytes at physical address {start:#x}:", *text.columns(rows)]


def recorded_code(capture: Capture, count: int) -> list[str]:
    """Return `count` instructions from RIP on, if a disassembler has read them for this capture."""
    rows = [row for row in capture.code or () if row.text and row.address >= (capture.rip or 0)]
    cells = [(f"{row.address:#x}", printable(row.text or ""), printable(row.source or "")) for row in rows]
    return text.columns(cells[:count], indent=0)


def _captured(capture: Capture, start: int) -> bytes:
    candidates = (capture.bytes_at(start, size) for size in range(CODE - CODE_BEFORE, 0, -1))
    return next(filter(None, candidates), b"")


def picture(stop: Stop) -> list[str]:
    """Return a picture of memory, drawn to scale."""
    table = stop.capture.e820_table
    if stop.capture.memory_map is not None:
        return picture_text.render(memory_picture.of_capture(stop.capture, stop.image), indent=0)
    lines = from_earlier_stop(stop, picture, "memory_map")
    if table is None or len(lines) > 1:
        return lines
    kernels = MemoryMap("e820_table", table.paddr, table.nr_entries, table.entries)
    drawn = memory_picture.of_capture(stop.capture._replace(memory_map=kernels), stop.image)
    return [f"{lines[0]}; the types are those in e820_table:", *picture_text.render(drawn, indent=0)]


def timeline(
    history: Sequence[Capture],
    image: ImageFacts | None,
    now: str | None,
    lacking: Callable[[Stage], str | None],
    passed: Sequence[str] = (),
) -> list[str]:
    """Return a line for each stage: captured, passed but not captured, not reached, or the reason why it is missing."""
    captured = {capture.stage for capture in history}
    rows = []
    for stage in stages.of(image):
        not_captured = stages.MISSED if stage.name in passed else "not reached"
        state = "captured" if stage.name in captured else lacking(stage) or not_captured
        rows.append(("*" if stage.name == now else "", stage.name, printable(state), stage.about))
    if stages.DIED in captured:
        died = stages.stage(stages.DIED)
        rows.append(("*" if died.name == now else "", died.name, "captured", died.about))
    return text.columns(rows, indent=0)


def field_names() -> list[str]:
    """Return the fields that the command `bootparams` accepts, as paths without indexes."""
    keys = (key for struct in STRUCTS for topic in topics.fields(struct) for key in topic.keys)
    return [key.partition(".")[2] for key in keys if is_within(key, boot_params_rows.PARAMS)]
