"""The table of views. To add a view, add one row here and one file in this folder."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pvhdbg.tui.views import (
    boot_params,
    code,
    cpu,
    findings,
    log,
    memory,
    modules,
    paging,
    raw_bytes,
    serial,
    start_info,
)
from pvhdbg.tui.views.view import View, has_registers, of_capture

if TYPE_CHECKING:
    from pvhdbg.tui.screen.state import Screen

# fmt: off
VIEWS: tuple[View, ...] = (
    View("1", "start_info", "start", "struct hvm_start_info, or the kernel's copy of it",
         of_capture(start_info.heading), start_info.decode, captures=("start_info", "pvh_start_info", "cmdline")),
    View("2", "modules", "mods", "the module list; module 0 is the ramdisk",
         of_capture(modules.heading), modules.decode, captures=("modules",), structs=("hvm_modlist_entry",),
         empty=modules.empty, stand_in=modules.STAND_IN),
    View("3", "memory", "map", "the memory map and the kernel's e820_table, also drawn to scale",
         of_capture(memory.heading), memory.decode, captures=("memory_map", "e820_table"),
         structs=("hvm_memmap_table_entry",), has_picture=True),
    View("4", "boot_params", "params", "struct boot_params, or the kernel's copy of it",
         of_capture(boot_params.heading), boot_params.decode, captures=("boot_params", "kernel_boot_params"),
         folds=True, start_row=boot_params.start_row),
    View("5", "findings", "finds", "what the rules found; Enter goes to a finding's field",
         findings.heading, rows=findings.rows, draw=findings.draw, empty=findings.empty, detail=findings.detail,
         finding=findings.selected),
    View("6", "code", "code", "the instructions at RIP, with their source and with what unusual ones do",
         code.heading, rows=code.rows, draw=code.draw, empty=code.empty, detail=code.detail,
         start_row=code.start_row, follows_stop=True, breakpoint=code.breakpoint_place,
         has_data=code.has_data, has_virtual_addresses=True),
    View("7", "bytes", "bytes", "memory as hex, at the address of the selected row",
         raw_bytes.heading, rows=raw_bytes.rows, draw=raw_bytes.draw, empty=raw_bytes.empty,
         past_end=raw_bytes.past_end, breakpoint=raw_bytes.breakpoint_place),
    View("8", "cpu", "cpu", "registers, segments, the GDT and the CPU mode",
         of_capture(cpu.heading), cpu.decode, draw=cpu.draw, detail=cpu.detail, has_data=has_registers),
    View("9", "serial", "serial", "what the guest wrote on its serial console",
         serial.heading, text=serial.lines, empty=serial.empty, is_live=True),
    View("0", "log", "log", "the kernel's own log, read from guest memory",
         log.heading, text=log.lines, empty=log.empty, has_data=log.has_data),
    View("p", "paging", "pg", "the walk through the page tables for the selected address, and what is mapped where",
         of_capture(paging.heading), rows=paging.rows, detail=paging.detail, draw=paging.draw, has_data=has_registers),
)
# fmt: on

BY_NAME = {view.name: view for view in VIEWS}

FIRST = VIEWS[0]
"""The view that is shown first."""
FINDINGS = BY_NAME["findings"]
"""The view that is shown when the guest dies."""
CODE = BY_NAME["code"]
"""The view that is shown next to every other view if the terminal is wide enough."""
CPU = BY_NAME["cpu"]
"""The view that is shown next to views of structures if the terminal is wide enough."""
MEMORY = BY_NAME["memory"]
"""The view whose picture is also drawn below the other views."""
SERIAL, LOG = BY_NAME["serial"], BY_NAME["log"]
"""The views of what the guest writes, also while another view is shown. SERIAL is shown when it halts for good."""
COMPANIONS = tuple(
    BY_NAME[name] for name in ("findings", "start_info", "modules", "memory", "boot_params", "log", "serial")
)
"""The views that are shown under other views if the terminal is large enough."""
PAGING = BY_NAME["paging"]
"""The view that translates the address of the selected row."""
BYTES = BY_NAME["bytes"]
"""The view that shows the memory that Enter and `:` go to."""


def shown(screen: Screen) -> View:
    """Return the displayed view."""
    return BY_NAME[screen.view]
