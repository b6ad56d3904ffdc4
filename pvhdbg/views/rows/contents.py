"""What a stop holds, a line each: its name, where it lies, and what it comes to."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pvhdbg.abi.setup_header import LOADERS, PROTOCOLS
from pvhdbg.boot.stop.stages import CAPTURE_KEYS
from pvhdbg.views.rows import map_rows, start_info_rows, text
from pvhdbg.views.rows.row import NOTHING
from pvhdbg.views.rows.stop import reason

if TYPE_CHECKING:
    from collections.abc import Callable

    from pvhdbg.abi.boot_params import BootParams
    from pvhdbg.abi.start_info import StartInfo
    from pvhdbg.boot.stop.capture import Capture


def lines(seen: Capture) -> list[str]:
    return text.columns([_thing(seen, key) for key in CAPTURE_KEYS])


def _thing(seen: Capture, key: str) -> tuple[str, str, str]:
    """Its name, where it lies, and what it comes to."""
    found = getattr(seen, key)
    return (key, *_TOLD[key](seen)) if found is not None else (key, NOTHING, reason(seen, key))


def _start_info(seen: Capture) -> tuple[str, str]:
    return _record(seen.start_info), ""


def _record(found: StartInfo | BootParams | None) -> str:
    return text.address(found.at if found else None)


def _copy(seen: Capture) -> tuple[str, str]:
    given, copy = seen.start_info, seen.pvh_start_info
    if given is None or copy is None:
        return _record(copy), ""
    return _record(copy), "equal to start_info" if given.raw == copy.raw else "differs from start_info"


def _cmdline(seen: Capture) -> tuple[str, str]:
    found = seen.cmdline
    return ("", "") if found is None else (text.address(found.paddr), start_info_rows.string(seen, "cmdline", found))


def _modules(seen: Capture) -> tuple[str, str]:
    found = seen.modules or ()
    if not found:
        return NOTHING, "none: nr_modules is 0"
    size = text.size(sum(each.entry.size for each in found))
    return text.address(found[0].entry.at), f"{text.counted(len(found), 'module')}: {size}"


def _memory_map(seen: Capture) -> tuple[str, str]:
    found = seen.memory_map
    if found is None or found.paddr is None:
        return NOTHING, reason(seen, "memory_map.paddr")
    return text.address(found.paddr), f"{found.protocol}, {map_rows.summary(found.entries)}"


def _params(found: BootParams | None) -> tuple[str, str]:
    if found is None:
        return "", ""
    header = found.hdr
    loader = LOADERS.name(header.type_of_loader)
    protocol = PROTOCOLS.name(header.version)
    return _record(found), f"protocol {protocol}, loader {loader}, e820_entries {found.e820_entries}"


def _table(seen: Capture) -> tuple[str, str]:
    found = seen.e820_table
    return ("", "") if found is None else (text.address(found.paddr), map_rows.summary(found.entries))


_TOLD: dict[str, Callable[[Capture], tuple[str, str]]] = {
    "start_info": _start_info,
    "pvh_start_info": _copy,
    "cmdline": _cmdline,
    "modules": _modules,
    "memory_map": _memory_map,
    "boot_params": lambda seen: _params(seen.boot_params),
    "kernel_boot_params": lambda seen: _params(seen.kernel_boot_params),
    "e820_table": _table,
}
