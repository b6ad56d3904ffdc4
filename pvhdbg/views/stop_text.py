"""One stop as lines of text: what is there that was not there before."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from pvhdbg.abi.boot_params import COMMAND_LINE_SIZE, BootParams
from pvhdbg.abi.cpu import UD2
from pvhdbg.abi.e820 import BootE820Entry
from pvhdbg.abi.text import printable
from pvhdbg.boot import stages
from pvhdbg.boot.address import code_paddr
from pvhdbg.views import (
    boot_params_rows,
    cpu_rows,
    map_rows,
    memory_picture,
    picture_text,
    start_info_rows,
    tables,
    text,
)
from pvhdbg.views.rows import NOTHING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pvhdbg.abi.layout import Struct
    from pvhdbg.boot.capture import Capture, MapEntry, Module
    from pvhdbg.image.facts import ImageFacts
    from pvhdbg.views.rows import Row

CODE_SHOWN = 16
_NOT_AT_THIS_STAGE = ("not before stage ", "not any more at stage ", "not read where the guest died")


class Stop(NamedTuple):
    """A stop, those before it (oldest first), and the kernel's file."""

    seen: Capture
    earlier: Sequence[Capture] = ()
    image: ImageFacts | None = None

    @property
    def before(self) -> Capture | None:
        return self.earlier[-1] if self.earlier else None

    @property
    def handed_over(self) -> Capture:
        """The last stop that knows what was handed over."""
        return next((each for each in (self.seen, *reversed(self.earlier)) if each.memory_map), self.seen)


def lines(stop: Stop) -> list[str]:
    return [*heading(stop), *_sections(stop), *_unsaid(stop)]


def heading(stop: Stop) -> list[str]:
    seen = stop.seen
    return [
        f"{seen.stage}: {stages.stage(seen.stage).about}",
        f"  rip {text.address(seen.rip)}, {cpu_rows.rip_words(seen) or 'of unknown kind'}; {cpu_rows.mode_words(seen)}",
    ]


def _sections(stop: Stop) -> Iterator[str]:
    valid = stages.stage(stop.seen.stage).valid
    for key, section in _SECTIONS.items():
        if key in valid:
            yield from section(stop)
    if stop.seen.stage == stages.DIED:
        yield from _death(stop)


def _why_not(stop: Stop, key: str, name: str) -> list[str]:
    return [f"  {name}: none, {stop.seen.missing.get(key, 'not there')}"]


def _start_info(stop: Stop) -> Iterator[str]:
    info, before = stop.seen.start_info, stop.before
    if before and before.start_info and info and before.start_info.raw == info.raw:
        return
    if info is None:
        yield from _why_not(stop, "start_info", "start_info")
        return
    yield f"  struct hvm_start_info at {text.address(info.at)}"
    yield from tables.field_table(start_info_rows.start_info_rows(stop.seen))


def _pvh_start_info(stop: Stop) -> Iterator[str]:
    copy, given, before = stop.seen.pvh_start_info, stop.seen.start_info, stop.before
    if copy is None:
        yield from _why_not(stop, "pvh_start_info", "pvh_start_info")
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
        yield from _why_not(stop, "modules", "modules")
    elif found and not (before and before.modules == found):
        yield f"  struct hvm_modlist_entry[{len(found)}] at {text.address(found[0].entry.at)}"
        yield from tables.indexed(_module_lines(stop.seen))
        if "modules" in stop.seen.missing:
            yield f"    {stop.seen.missing['modules']}"


def _module_lines(seen: Capture) -> list[tuple[str, ...]]:
    return [
        (
            text.span(each.entry.paddr, each.entry.paddr + each.entry.size),
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
        yield from _why_not(stop, "memory_map", "memory map")
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


def _boot_params(stop: Stop) -> Iterator[str]:
    found = stop.seen.boot_params
    if found is None:
        yield from _why_not(stop, "boot_params", "pvh_bootparams")
        return
    yield f"  struct boot_params pvh_bootparams at {text.address(found.at)}"
    yield from _set_fields(boot_params_rows.boot_params_rows(stop.seen, handed_over=stop.handed_over))
    yield from _e820(stop, "its e820_table", found.e820_table[: found.e820_entries])


def _set_fields(tree: Sequence[Row]) -> Iterator[str]:
    """The fields that are not 0, by their paths inside the structure; the map's entries have a table of their own."""
    leaves = [row for row in tree if _is_leaf(row) and not row.is_zero]
    rows = [row._replace(depth=0, name=row.path.partition(".")[2]) for row in leaves]
    yield from tables.field_table(rows)
    yield f"    all other fields are 0{', apart from e820_table' if any(_is_map(row) for row in tree) else ''}"


def _is_leaf(row: Row) -> bool:
    return bool(row.fields) and bool(row.value) and row.fields[0].owner is not BootE820Entry


def _is_map(row: Row) -> bool:
    return row.fields == (BootParams.e820_table,) and not row.is_zero


def _kernel_boot_params(stop: Stop) -> Iterator[str]:
    found, before = stop.seen.kernel_boot_params, stop.before
    if found is None:
        yield from _why_not(stop, "kernel_boot_params", "boot_params")
        return
    where = f"  boot_params at {text.address(found.at)}"
    source, name = _source(stop)
    if before and before.kernel_boot_params == found:
        return
    if source is None:
        yield where
        tree = boot_params_rows.boot_params_rows(stop.seen, "kernel_boot_params", handed_over=stop.handed_over)
        yield from _set_fields(tree)
        yield from _e820(stop, "its e820_table", found.e820_table[: found.e820_entries])
    elif source.raw == found.raw:
        yield f"{where}: equal to {name}, byte for byte"
    else:
        yield f"{where}: differs from {name}"
        yield from _differences(stop, source)


def _source(stop: Stop) -> tuple[BootParams | None, str]:
    """What boot_params should still be equal to: itself at the stop before, else pvh_bootparams."""
    for each in reversed(stop.earlier):
        if each.kernel_boot_params:
            return each.kernel_boot_params, f"itself at stage {each.stage}"
        if each.boot_params:
            return each.boot_params, "pvh_bootparams"
    return None, ""


def _differences(stop: Stop, source: BootParams) -> list[str]:
    key = boot_params_rows.KERNEL_COPY
    now = boot_params_rows.boot_params_rows(stop.seen, key, handed_over=stop.handed_over)
    then = boot_params_rows.boot_params_rows(stop.seen._replace(kernel_boot_params=source), key)
    old = {row.path: row for row in then}
    rows = [
        row._replace(depth=0, name=row.path.partition(".")[2], value=f"{_value(old.get(row.path))} -> {row.value}")
        for row in now
        if row.fields and row.value and _value(old.get(row.path)) != row.value
    ]
    return tables.field_table(rows)


def _value(row: Row | None) -> str:
    return row.value if row else "-"


def _e820_table(stop: Stop) -> Iterator[str]:
    found = stop.seen.e820_table
    if found is None:
        yield from _why_not(stop, "e820_table", "e820_table")
        return
    cut = stop.seen.missing.get("e820_table")
    name = f"e820_table at {text.address(found.paddr)}" + (f" ({cut})" if cut else "")
    yield from _e820(stop, name, found.entries)


def _e820(stop: Stop, name: str, entries: Sequence[MapEntry]) -> Iterator[str]:
    given = stop.handed_over.memory_map
    if given is None:
        yield f"  {name}: {map_rows.summary(entries)}"
        yield from tables.map_table(entries)
        return
    yield f"  {name}: {map_rows.summary(entries)}   (= was handed over, + was not, - was and is gone)"
    yield from tables.compared_map(entries, given.entries)


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
    stages.BOOT_PARAMS: _boot_params,
    stages.KERNEL_BOOT_PARAMS: _kernel_boot_params,
    stages.E820_TABLE: _e820_table,
}
