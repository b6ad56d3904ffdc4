"""One question each about a stop, answered in lines of text. What is not there says why, and which stage has it."""

from __future__ import annotations

import re
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING

from pvhdbg.abi.cpu import ENTRY_STATE, ENTRY_STATE_SOURCE
from pvhdbg.abi.e820 import BootE820Entry
from pvhdbg.abi.text import printable
from pvhdbg.boot.record.compare import is_within
from pvhdbg.boot.stop import stages
from pvhdbg.boot.stop.address import code_paddr
from pvhdbg.boot.stop.read import CODE, CODE_BEFORE
from pvhdbg.errors import TargetError, UserError
from pvhdbg.views.explain import topics
from pvhdbg.views.report import run_text, stop_text, tables
from pvhdbg.views.rows import (
    boot_params_rows,
    contents,
    cpu_rows,
    map_rows,
    memory_picture,
    picture_text,
    start_info_rows,
    text,
)
from pvhdbg.views.rows.row import NOTHING
from pvhdbg.views.rows.stop import Stop, reason

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pvhdbg.abi.cpu import Requirement
    from pvhdbg.abi.start_info import StartInfo
    from pvhdbg.boot.stop.capture import Capture
    from pvhdbg.boot.stop.stages import Stage
    from pvhdbg.views.rows.row import Row

BYTES_A_LINE = 16
_FOUR_GIB = 1 << 32
_INDEX = re.compile(r"\[[0-9]+\]")


def info(stop: Stop) -> list[str]:
    """Where the machine stands, which kernel it runs, and what is there."""
    kernel = [f"  {printable(stop.image.path)}: {run_text.kernel(stop.image)}"] if stop.image else []
    return [*stop_text.heading(stop), *kernel, *contents.lines(stop.seen)]


def absent(stop: Stop, ask: Callable[[Stop], list[str]], *keys: str) -> list[str]:
    """Why none of these is there; and the answer from the last stop that had one, which it is said to be."""
    why = f"{keys[0]}: {reason(stop.seen, keys[0])}"
    for index, each in reversed(list(enumerate(stop.earlier))):
        if any(getattr(each, key) is not None for key in keys):
            return [f"{why}; as captured at stage {each.stage}:", *ask(Stop(each, stop.earlier[:index], stop.image))]
    return [why]


def start_info(stop: Stop) -> list[str]:
    """What EBX pointed to, and the kernel's copy where that is another."""
    given, copy = stop.seen.start_info, stop.seen.pvh_start_info
    if given is None and copy is None:
        return absent(stop, start_info, "start_info", "pvh_start_info")
    lines = _structure(stop.seen, "start_info", given)
    if given and copy and given.raw == copy.raw:
        return [*lines, f"pvh_start_info at {text.address(copy.at)}: equal, byte for byte"]
    return lines + _structure(stop.seen, "pvh_start_info", copy)


def _structure(seen: Capture, key: str, found: StartInfo | None) -> list[str]:
    if found is None:
        return []
    head = f"{key}, struct hvm_start_info at {text.address(found.at)}"
    return [head, *tables.field_table(start_info_rows.start_info_rows(seen, key))]


def modules(stop: Stop) -> list[str]:
    found = stop.seen.modules
    if found is None:
        return absent(stop, modules, "modules")
    if not found:
        return [stop.seen.missing.get("modules", "there are none: nr_modules is 0")]
    head = f"struct hvm_modlist_entry[{len(found)}] at {text.address(found[0].entry.at)}"
    return [head, *tables.field_table(start_info_rows.module_rows(stop.seen))]


def memory_map(stop: Stop) -> list[str]:
    """The map that was handed over."""
    found = stop.seen.memory_map
    if found is None:
        return absent(stop, memory_map, "memory_map")
    if found.paddr is None:
        return [f"memory_map: {reason(stop.seen, 'memory_map.paddr')}"]
    head = f"{found.protocol} at {text.address(found.paddr)}, {map_rows.summary(found.entries)}"
    return [head, *_cut(stop.seen, "memory_map.entries"), *tables.map_table(found.entries)]


def _cut(seen: Capture, path: str) -> list[str]:
    return [f"  {printable(seen.missing[path])}"] if path in seen.missing else []


def e820(stop: Stop) -> list[str]:
    """The kernel's own table, or the one in boot_params as long as that is all there is."""
    found = stop.seen.e820_table
    if found is not None:
        head = f"e820_table at {text.address(found.paddr)}, {map_rows.summary(found.entries)}"
        return [head, *_cut(stop.seen, "e820_table"), *tables.map_table(found.entries)]
    key = _params_key(stop.seen)
    record = getattr(stop.seen, key)
    if record is None:
        return absent(stop, e820, "e820_table", "kernel_boot_params", "boot_params")
    entries = record.e820_table[: record.e820_entries]
    return [f"{key}.e820_table, {map_rows.summary(entries)}", *tables.map_table(entries)]


def _params_key(seen: Capture) -> str:
    """The kernel's copy as soon as there is one."""
    return boot_params_rows.PARAMS if seen.kernel_boot_params is None else boot_params_rows.KERNEL_COPY


def boot_params(stop: Stop, names: Sequence[str] = ()) -> list[str]:
    """All of it with the zeros folded, or the fields that are named: `hdr.version`, `version`, `e820_table`.

    :raise UserError: for a field that it does not have.
    """
    key = _params_key(stop.seen)
    record = getattr(stop.seen, key)
    if record is None:
        return absent(stop, partial(boot_params, names=names), "boot_params", "kernel_boot_params")
    head = f"{key}, struct boot_params at {text.address(record.at)}"
    rows = boot_params_rows.boot_params_rows(stop.seen, key, handed_over=stop.handed_over, folded=not names)
    return [head, *tables.field_table(_named(rows, names) if names else rows)]


def _named(rows: Sequence[Row], names: Sequence[str]) -> list[Row]:
    """The rows of these names, whole or from a dot on, and of what lies in them; each told by its path."""
    tops = [path for name in names for path in _paths(rows, name)]
    found = [row for row in rows if row.path in tops or (not _in_entry(row) and _is_below(row, tops))]
    return [row._replace(depth=0, name=row.path.partition(".")[2]) for row in found]


def _is_below(row: Row, tops: Sequence[str]) -> bool:
    return any(is_within(row.path, top) for top in tops)


def _in_entry(row: Row) -> bool:
    """A field of an entry of the map: the entry's own row tells it."""
    return bool(row.fields) and row.fields[0].owner is BootE820Entry


def _paths(rows: Sequence[Row], name: str) -> list[str]:
    ending = "." + re.sub(r"^(kernel_boot_params|boot_params|pvh_bootparams)\.", "", name)
    found = [row.path for row in rows if row.path.endswith(ending) or _INDEX.sub("", row.path).endswith(ending)]
    if not found:
        raise UserError(f"boot_params has no field {text.quoted(name)}", "`bootparams` shows all of it")
    return found


def cmdline(stop: Stop) -> list[str]:
    """All of it, on as many lines as it takes."""
    found = stop.seen.cmdline
    if found is None:
        return absent(stop, cmdline, "cmdline")
    head = f"at {text.address(found.paddr)}, {text.size(len(found.raw))}"
    return [head, *_cut(stop.seen, "cmdline"), *(f"  {line}" for line in text.folded(found.raw))]


def cpu(stop: Stop) -> list[str]:
    """Mode, registers and bits; at the entry also what the ABI demands of them."""
    head = text.columns([(row.name, row.value, row.meaning) for row in cpu_rows.cpu_rows(stop.seen)])
    if stop.seen.stage != "entry":
        return [*head, "the ABI's demands are about the entry: `cpu @entry` tells whether they are met"]
    rows = [_demand(stop.seen, each) for each in ENTRY_STATE]
    return [*head, f"what the ABI demands here ({ENTRY_STATE_SOURCE}):", *text.columns(rows)]


def _demand(seen: Capture, demand: Requirement) -> tuple[str, str, str, str]:
    value = seen.registers.get(demand.register)
    if value is None:
        return "?", demand.register, NOTHING, reason(seen, f"registers.{demand.register}")
    if demand.is_met_by(value):
        return "=", demand.register, f"{value:#x}", demand.meaning
    later = " (not in older texts of the ABI)" if demand.added_later else ""
    return "!", demand.register, f"{value:#x}", f"should be {demand.meaning}: {demand.why}{later}"


def code_bytes(stop: Stop, address: int | None, read: Callable[[int, int], bytes]) -> list[str]:
    """The code at a physical address, or at RIP: bytes, as nobody is there to disassemble them. What was captured, or
    what `read` gives.
    """
    start = address if address is not None else code_paddr(stop.seen, stop.image)
    if start is None:
        return [f"code: {reason(stop.seen, 'code')}"]
    data, whose = _captured(stop.seen, start), "captured bytes"
    if not data:
        with suppress(TargetError):
            data, whose = read(start, min(CODE - CODE_BEFORE, _FOUR_GIB - start % _FOUR_GIB)), "bytes"
    if not data:
        return [f"nothing was captured at {start:#x}"]
    rows = [(f"{start + at:#x}", data[at : at + BYTES_A_LINE].hex(" ")) for at in range(0, len(data), BYTES_A_LINE)]
    return [f"{whose}, not disassembled:", *text.columns(rows)]


def _captured(seen: Capture, start: int) -> bytes:
    found = (seen.bytes_at(start, size) for size in range(CODE - CODE_BEFORE, 0, -1))
    return next(filter(None, found), b"")


def picture(stop: Stop) -> list[str]:
    """Memory to scale, with what lies in it."""
    if stop.seen.memory_map is None:
        return absent(stop, picture, "memory_map")
    return picture_text.render(memory_picture.of_capture(stop.seen, stop.image), indent=0)


def timeline(
    history: Sequence[Capture], now: str | None, lacking: Callable[[Stage], str | None], passed: Sequence[str] = ()
) -> list[str]:
    """Every stage: whether it was captured, was passed unseen, is ahead, or does not exist in this guest."""
    captured = {each.stage for each in history}
    rows = []
    for stage in stages.STAGES:
        to_come = stages.MISSED if stage.name in passed else "ahead"
        state = "captured" if stage.name in captured else lacking(stage) or to_come
        rows.append(("*" if stage.name == now else "", stage.name, printable(state), stage.about))
    return text.columns(rows, indent=0)


def field_names() -> list[str]:
    """What `boot_params` can be asked for: every field by its path, without indexes."""
    keys = (key for topic in topics.fields() for key in topic.keys)
    return [key.partition(".")[2] for key in keys if is_within(key, boot_params_rows.PARAMS)]
