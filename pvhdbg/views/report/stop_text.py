"""One stop as lines of text: what is there that was not there before."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pvhdbg.abi.boot_params import COMMAND_LINE_SIZE
from pvhdbg.abi.cpu import UD2
from pvhdbg.abi.text import printable
from pvhdbg.boot.stop import stages
from pvhdbg.boot.stop.address import code_paddr
from pvhdbg.boot.stop.capture import MISSING_STAGE, MISSING_KERNEL
from pvhdbg.views.report import boot_params_text, tables
from pvhdbg.views.rows import cpu_rows, map_rows, memory_picture, picture_text, start_info_rows, text
from pvhdbg.views.rows.row import NOTHING
from pvhdbg.views.rows.stop import why_not

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pvhdbg.abi.layout import Struct
    from pvhdbg.boot.stop.capture import Capture, Module
    from pvhdbg.views.rows.stop import Stop

CODE_SHOWN = 16
_NOT_AT_THIS_STAGE = ("not before stage ", "not any more at stage ", "not read where the guest died")


def lines(stop: Stop) -> list[str]:
    return [*heading(stop), *_sections(stop), *_unsaid(stop)]


def heading(stop: Stop) -> list[str]:
    seen = stop.seen
    return [
        f"after {seen.stage}: at no stage" if MISSING_STAGE in seen.missing else _at(seen.stage),
        f"  rip {text.address(seen.rip)}, {cpu_rows.rip_words(seen) or 'of unknown kind'}; {cpu_rows.mode_words(seen)}",
        *([f"  {printable(seen.missing[KERNEL_FILE])}"] if MISSING_KERNEL in seen.missing else []),
    ]


def _at(stage: str) -> str:
    return f"{stage}: {stages.stage(stage).about}"


def _sections(stop: Stop) -> Iterator[str]:
    valid = stages.stage(stop.seen.stage).valid
    for key, section in _SECTIONS.items():
        if key in valid:
            yield from section(stop)
    if stop.seen.stage == stages.DIED:
        yield from _death(stop)


def _start_info(stop: Stop) -> Iterator[str]:
    info, before = stop.seen.start_info, stop.before
    if before and before.start_info and info and before.start_info.raw == info.raw:
        return
    if info is None:
        yield from why_not(stop, "start_info", "start_info")
        return
    yield f"  struct hvm_start_info at {text.address(info.at)}"
    yield from tables.field_table(start_info_rows.start_info_rows(stop.seen))


def _pvh_start_info(stop: Stop) -> Iterator[str]:
    copy, given, before = stop.seen.pvh_start_info, stop.seen.start_info, stop.before
    if copy is None:
        yield from why_not(stop, "pvh_start_info", "pvh_start_info")
    elif before and before.pvh_start_info == copy:
        return
    elif given and given.raw == copy.raw:
        yield f"  pvh_start_info at {text.address(copy.at)}: equal to start_info, byte for byte"
    else:
        changed = _differing(copy, given, "pvh_start_info") if given else set()
        differs = " (* differs from start_info)" if changed else ""
        yield f"  pvh_start_info at {text.address(copy.at)}{differs}"
        yield from tables.field_table(start_info_rows.start_info_rows(stop.seen, "pvh_start_info"), changed=changed)


def _differing(record: Struct, other: Struct, path: str) -> set[str]:
    return {f"{path}.{each.name}" for each in record.FIELDS if record.bytes_of(each) != other.bytes_of(each)}


def _cmdline(stop: Stop) -> Iterator[str]:
    """Only what the line in start_info has no room for."""
    found, before = stop.seen.cmdline, stop.before
    if found is None or len(printable(found.raw)) <= text.SHORT or (before and before.cmdline == found):
        return
    rest = len(found.raw) - COMMAND_LINE_SIZE
    yield f"  command line at {text.address(found.paddr)}, {text.size(len(found.raw))}"
    yield from (f"    {each}" for each in text.folded(found.raw[:COMMAND_LINE_SIZE]))
    if rest > 0:
        yield f"    … and {text.size(rest)} more"


def _modules(stop: Stop) -> Iterator[str]:
    found, before = stop.seen.modules, stop.before
    if found is None:
        yield from why_not(stop, "modules", "modules")
    elif found and not (before and before.modules == found):
        yield f"  struct hvm_modlist_entry[{len(found)}] at {text.address(found[0].entry.at)}"
        yield from tables.indexed(_module_lines(stop.seen))
        if "modules" in stop.seen.missing:
            yield f"    {stop.seen.missing['modules']}"


def _module_lines(seen: Capture) -> list[tuple[str, ...]]:
    return [
        (
            text.span(*each.span),
            text.size(each.entry.size),
            start_info_rows.role(seen, index, each),
            _named(seen, index, each),
            f"reserved {each.entry.reserved:#x}" if each.entry.reserved else "",
        )
        for index, each in enumerate(seen.modules or ())
    ]


def _named(seen: Capture, index: int, module: Module) -> str:
    words = start_info_rows.module_cmdline(seen, f"modules[{index}]", module)
    return f"cmdline {words}" if module.entry.cmdline_paddr else "no cmdline"


def _memory_map(stop: Stop) -> Iterator[str]:
    found, before = stop.seen.memory_map, stop.before
    if found is None:
        yield from why_not(stop, "memory_map", "memory map")
    elif not (before and before.memory_map and tables.same_map(before.memory_map.entries, found.entries)):
        yield f"  memory map: {_origin(stop.seen)}"
        yield from tables.map_table(found.entries)
        yield from picture_text.render(memory_picture.of_capture(stop.seen, stop.image), indent=4)


def _origin(seen: Capture) -> str:
    found = seen.memory_map
    if found is None or found.paddr is None:
        return f"none, {seen.missing.get('memory_map.paddr', 'not there')}"
    cut = seen.missing.get("memory_map.entries")
    return f"{found.protocol} at {found.paddr:#x}, {map_rows.summary(found.entries)}" + (f" ({cut})" if cut else "")


def _death(stop: Stop) -> Iterator[str]:
    rows = [row for row in cpu_rows.cpu_rows(stop.seen) if row.name not in ("cpu mode", "rip")]
    yield from tables.field_table([row for row in rows if row.value not in ("0x0", NOTHING)])
    yield "    all others that are known are 0"
    yield f"  code at rip: {_code(stop)}"


def _code(stop: Stop) -> str:
    seen = stop.seen
    if seen.rip is None:
        return "rip is not known"
    paddr = code_paddr(seen, stop.image)
    code = None if paddr is None else next(_bytes(seen, paddr), None)
    if not code:
        return seen.missing.get("code", "not read")
    return code.hex(" ") + (" (ud2 first: how Linux ends a BUG)" if code.startswith(UD2) else "")


def _bytes(seen: Capture, paddr: int) -> Iterator[bytes]:
    """As many bytes from there on as were read."""
    for size in range(CODE_SHOWN, 0, -1):
        found = seen.bytes_at(paddr, size)
        if found:
            yield found


def _unsaid(stop: Stop) -> list[str]:
    """Reasons that no section gave: each once, and not again at the next stop."""
    said = stop.before.missing if stop.before else {}
    reasons: dict[str, list[str]] = {}
    for path, reason in stop.seen.missing.items():
        if path.startswith(_OWN_REASONS) and said.get(path) != reason and not reason.startswith(_NOT_AT_THIS_STAGE):
            reasons.setdefault(reason, []).append(path.removeprefix("registers."))
    return [f"  not there: {_listed(paths)}: {printable(reason)}" for reason, paths in reasons.items()]


def _listed(paths: Sequence[str]) -> str:
    shown = ", ".join(paths[:3])
    return shown if len(paths) <= 3 else f"{shown} and {len(paths) - 3} more"


_OWN_REASONS = ("registers.", "address_kind")
_SECTIONS = {
    stages.START_INFO: _start_info,
    stages.PVH_START_INFO: _pvh_start_info,
    "cmdline": _cmdline,
    "modules": _modules,
    "memory_map": _memory_map,
    stages.BOOT_PARAMS: boot_params_text.boot_params,
    stages.KERNEL_BOOT_PARAMS: boot_params_text.kernel_boot_params,
    stages.E820_TABLE: boot_params_text.e820_table,
}
