"""A summary of a capture: one line per structure, with its name, address, and size or most important values."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pvhdbg.abi.setup_header import LOADERS, PROTOCOLS
from pvhdbg.boot.stop.stages import CAPTURE_KEYS
from pvhdbg.views.rows import map_rows, start_info_rows, text
from pvhdbg.views.rows.boot_params_rows import symbol_path
from pvhdbg.views.rows.missing import missing_reason
from pvhdbg.views.rows.row import NOTHING

if TYPE_CHECKING:
    from collections.abc import Callable

    from pvhdbg.abi.boot_params import BootParams
    from pvhdbg.abi.start_info import StartInfo
    from pvhdbg.boot.stop.capture import Capture


def lines(capture: Capture) -> list[str]:
    return text.columns([cells(capture, key) for key in CAPTURE_KEYS])


def cells(capture: Capture, key: str) -> tuple[str, str, str]:
    """Return the name, the address and the summary of one structure."""
    if getattr(capture, key) is None:
        return symbol_path(key), NOTHING, missing_reason(capture, key)
    return symbol_path(key), *_ADDRESS_AND_SUMMARY[key](capture)


def _start_info(capture: Capture) -> tuple[str, str]:
    return _address(capture.start_info), ""


def _address(record: StartInfo | BootParams | None) -> str:
    return text.address(record.at if record else None)


def _copy(capture: Capture) -> tuple[str, str]:
    original, copy = capture.start_info, capture.pvh_start_info
    if original is None or copy is None:
        return _address(copy), ""
    return _address(copy), "identical to start_info" if original.raw == copy.raw else "differs from start_info"


def _cmdline(capture: Capture) -> tuple[str, str]:
    cmdline = capture.cmdline
    if cmdline is None:
        return "", ""
    return text.address(cmdline.paddr), start_info_rows.guest_string(capture, "cmdline", cmdline)


def _modules(capture: Capture) -> tuple[str, str]:
    modules = capture.modules or ()
    if not modules:
        return NOTHING, "none: nr_modules is 0"
    return text.address(modules[0].entry.at), start_info_rows.modules_summary(modules)


def _memory_map(capture: Capture) -> tuple[str, str]:
    memory_map = capture.memory_map
    if memory_map is None or memory_map.paddr is None:
        return NOTHING, missing_reason(capture, "memory_map.paddr")
    return text.address(memory_map.paddr), f"{memory_map.protocol}, {map_rows.summary(memory_map.entries)}"


def _boot_params(record: BootParams | None) -> tuple[str, str]:
    if record is None:
        return "", ""
    header = record.hdr
    loader = LOADERS.name(header.type_of_loader)
    protocol = PROTOCOLS.name(header.version)
    return _address(record), f"boot protocol {protocol}, type_of_loader {loader}, e820_entries {record.e820_entries}"


def _e820_table(capture: Capture) -> tuple[str, str]:
    table = capture.e820_table
    return ("", "") if table is None else (text.address(table.paddr), map_rows.summary(table.entries))


_ADDRESS_AND_SUMMARY: dict[str, Callable[[Capture], tuple[str, str]]] = {
    "start_info": _start_info,
    "pvh_start_info": _copy,
    "cmdline": _cmdline,
    "modules": _modules,
    "memory_map": _memory_map,
    "boot_params": lambda capture: _boot_params(capture.boot_params),
    "kernel_boot_params": lambda capture: _boot_params(capture.kernel_boot_params),
    "e820_table": _e820_table,
}
