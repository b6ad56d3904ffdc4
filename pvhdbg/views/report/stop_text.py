"""One stop as lines of text. What has not changed since the previous stop is left out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pvhdbg.abi.boot_params import COMMAND_LINE_SIZE
from pvhdbg.abi.cpu import UD2
from pvhdbg.abi.text import printable
from pvhdbg.boot.stop import stages
from pvhdbg.boot.stop.address import code_paddr
from pvhdbg.boot.stop.capture import MISSING_KERNEL, MISSING_STAGE
from pvhdbg.views.report import boot_params_text, tables
from pvhdbg.views.rows import boot_params_rows, cpu_rows, map_rows, memory_picture, picture_text, start_info_rows, text
from pvhdbg.views.rows.missing import missing_line, missing_reason
from pvhdbg.views.rows.row import NOTHING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pvhdbg.abi.layout import Struct
    from pvhdbg.boot.stop.capture import Capture, Module
    from pvhdbg.boot.stop.stop import Stop

_LATE = (stages.UNSEEN, stages.DIED)

CODE_SHOWN = 16
"""How many bytes of code at RIP are shown if the guest died."""


def lines(stop: Stop) -> list[str]:
    return [*heading(stop), *_sections(stop), *_missing_registers(stop)]


def heading(stop: Stop) -> list[str]:
    """Return the stage, RIP and the CPU mode, and the reason if the kernel file could not be used."""
    capture = stop.capture
    kind = cpu_rows.rip_words(capture) or "unknown kind of address"
    return [
        _stage(stop),
        f"  rip {text.address(capture.rip)}, {kind}; {cpu_rows.mode_words(capture)}",
        *([f"  {printable(capture.missing[MISSING_KERNEL])}"] if MISSING_KERNEL in capture.missing else []),
    ]


def _stage(stop: Stop) -> str:
    name = stop.capture.stage
    if MISSING_STAGE in stop.capture.missing:
        return f"after {name}: between stages"
    return f"{name}: {stages.stage(name, stop.image).about}"


def _sections(stop: Stop) -> Iterator[str]:
    valid = stages.stage(stop.capture.stage, stop.image).valid
    for key, section in _SECTIONS.items():
        if key in valid or (stop.capture.stage in _LATE and getattr(stop.capture, key) is not None):
            yield from section(stop)
    if stop.capture.stage in _LATE:
        yield from _no_longer_held(stop)
    if stop.capture.stage == stages.DIED:
        yield from _death(stop)


def _no_longer_held(stop: Stop) -> list[str]:
    """Return why memory does not hold the other structures, one line per reason, if no stage was captured."""
    names_of: dict[str, list[str]] = {}
    for key in _SECTIONS:
        reason = stop.capture.missing.get(key, stages.NOT_READ)
        if getattr(stop.capture, key) is None and reason != stages.NOT_READ:
            names_of.setdefault(reason, []).append(boot_params_rows.symbol_path(key))
    return [f"  {', '.join(names)}: missing, {printable(reason)}" for reason, names in names_of.items()]


def _start_info(stop: Stop) -> Iterator[str]:
    info, before = stop.capture.start_info, stop.before
    if before and before.start_info and info and before.start_info.raw == info.raw:
        return
    if info is None:
        yield missing_line(stop.capture, "start_info", "start_info")
        return
    yield f"  struct hvm_start_info at {text.address(info.at)}"
    yield from tables.field_table(start_info_rows.start_info_rows(stop.capture))


def _pvh_start_info(stop: Stop) -> Iterator[str]:
    copy, original, before = stop.capture.pvh_start_info, stop.capture.start_info, stop.before
    name = start_info_rows.copy_name(stop.image)
    if copy is None:
        yield missing_line(stop.capture, "pvh_start_info", name)
    elif before and before.pvh_start_info == copy:
        return
    elif original and original.raw == copy.raw:
        yield f"  {start_info_rows.identical_copy(copy, original, name)}"
    else:
        changed = _changed_paths(copy, original, "pvh_start_info") if original else set()
        legend = " (* differs from start_info)" if changed else ""
        rows = start_info_rows.start_info_rows(stop.capture, "pvh_start_info")
        yield f"  {name} at {text.address(copy.at)}{legend}"
        yield from tables.field_table(rows, changed=changed)


def _changed_paths(copy: Struct, original: Struct, path: str) -> set[str]:
    return {f"{path}.{field.name}" for field in copy.FIELDS if copy.bytes_of(field) != original.bytes_of(field)}


def _cmdline(stop: Stop) -> Iterator[str]:
    """Yield the command line only if no row of cmdline_paddr shows it, or if it is too long for that row."""
    cmdline, before = stop.capture.cmdline, stop.before
    if cmdline is None or (before and before.cmdline == cmdline):
        return
    if stop.capture.effective_start_info is not None and len(printable(cmdline.raw)) <= text.SHORT:
        return
    rest = len(cmdline.raw) - COMMAND_LINE_SIZE
    yield f"  command line at {text.address(cmdline.paddr)}, {text.size(len(cmdline.raw))}"
    yield from (f"    {line}" for line in text.folded(cmdline.raw[:COMMAND_LINE_SIZE]))
    if rest > 0:
        yield f"    … and {text.size(rest)} more"


def _modules(stop: Stop) -> Iterator[str]:
    modules, before = stop.capture.modules, stop.before
    if modules is None:
        yield missing_line(stop.capture, "modules", "modules")
    elif modules and not (before and before.modules == modules):
        yield f"  struct hvm_modlist_entry[{len(modules)}] at {text.address(modules[0].entry.at)}"
        yield from tables.indexed_table(_module_cells(stop.capture))
        if "modules" in stop.capture.missing:
            yield f"    {stop.capture.missing['modules']}"


def _module_cells(capture: Capture) -> list[tuple[str, ...]]:
    return [
        (
            text.span(*module.span),
            text.size(module.entry.size),
            start_info_rows.module_role(capture, index, module),
            _module_cmdline(capture, index, module),
            f"reserved {module.entry.reserved:#x}" if module.entry.reserved else "",
        )
        for index, module in enumerate(capture.modules or ())
    ]


def _module_cmdline(capture: Capture, index: int, module: Module) -> str:
    cmdline = start_info_rows.module_cmdline(capture, f"modules[{index}]", module)
    return f"cmdline {cmdline}" if module.entry.cmdline_paddr else "no cmdline"


def _memory_map(stop: Stop) -> Iterator[str]:
    memory_map, before = stop.capture.memory_map, stop.before
    if memory_map is None:
        yield missing_line(stop.capture, "memory_map", "memory map")
    elif not (before and before.memory_map and tables.is_same_map(before.memory_map.entries, memory_map.entries)):
        yield f"  {_map_heading(stop.capture)}"
        yield from tables.map_table(memory_map.entries)
        yield from picture_text.render(memory_picture.of_capture(stop.capture, stop.image), indent=4)


def _map_heading(capture: Capture) -> str:
    memory_map = capture.memory_map
    if memory_map is None or memory_map.paddr is None:
        return f"memory map: missing, {missing_reason(capture, 'memory_map.paddr')}"
    cut = capture.missing.get("memory_map.entries")
    summary = map_rows.summary(memory_map.entries)
    heading = f"memory map ({memory_map.protocol}) at {memory_map.paddr:#x}: {summary}"
    return f"{heading} ({cut})" if cut else heading


def _death(stop: Stop) -> Iterator[str]:
    rows = [row for row in cpu_rows.register_rows(stop.capture) if row.name not in ("cpu mode", "rip")]
    yield from tables.field_table([row for row in rows if row.value not in ("0x0", NOTHING)])
    yield "    all other known registers are 0"
    yield f"  code at rip: {_code(stop)}"


def _code(stop: Stop) -> str:
    capture = stop.capture
    if capture.rip is None:
        return "rip is unknown"
    paddr = code_paddr(capture, stop.image)
    code = None if paddr is None else _captured_code(capture, paddr)
    if not code:
        return capture.missing.get("code", "not captured")
    is_linux = stop.image is not None and stop.image.is_linux
    meaning = "a Linux BUG" if is_linux else "the guest's own abort"
    return code.hex(" ") + (f" (begins with ud2: {meaning})" if code.startswith(UD2) else "")


def _captured_code(capture: Capture, paddr: int) -> bytes | None:
    """Return as many of the CODE_SHOWN bytes at `paddr` as were captured, or None."""
    candidates = (capture.bytes_at(paddr, size) for size in range(CODE_SHOWN, 0, -1))
    return next(filter(None, candidates), None)


def _missing_registers(stop: Stop) -> list[str]:
    """Return why registers are missing, one line per reason. Reasons that the previous stop has too are left out."""
    known = stop.before.missing if stop.before else {}
    paths_of: dict[str, list[str]] = {}
    for path, reason in stop.capture.missing.items():
        if path.startswith(("registers.", "address_kind")) and known.get(path) != reason:
            paths_of.setdefault(reason, []).append(path.removeprefix("registers."))
    return [f"  missing: {_first_three(paths)}: {printable(reason)}" for reason, paths in paths_of.items()]


def _first_three(paths: Sequence[str]) -> str:
    shown = ", ".join(paths[:3])
    return shown if len(paths) <= 3 else f"{shown} and {len(paths) - 3} more"


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
