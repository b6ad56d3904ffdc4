"""start_info: struct hvm_start_info (at `prepare` and later, the kernel's copy of it) and the command line."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pvhdbg.abi.boot_params import COMMAND_LINE_SIZE
from pvhdbg.views.rows import start_info_rows, text
from pvhdbg.views.rows.row import Row, absent

if TYPE_CHECKING:
    from pvhdbg.boot.stop.capture import Capture
    from pvhdbg.tui.screen.state import Screen
    from pvhdbg.tui.views.view import Rows


def decode(capture: Capture, _map_capture: Capture, _unfolded: bool) -> Rows:
    key = "pvh_start_info" if capture.pvh_start_info else "start_info"
    rows = tuple(start_info_rows.start_info_rows(capture, key))
    return (*rows, _cmdline(capture)) if capture.effective_start_info else rows


def _cmdline(capture: Capture) -> Row:
    cmdline = capture.cmdline
    if cmdline is None:
        return absent(capture, "cmdline")
    value = start_info_rows.guest_string(capture, "cmdline", cmdline, COMMAND_LINE_SIZE)
    return Row("cmdline", "cmdline", value, address=cmdline.paddr, raw=cmdline.raw, leads_to=cmdline.paddr)


def heading(_screen: Screen, capture: Capture) -> str:
    original, copy = capture.start_info, capture.pvh_start_info
    if copy is None:
        return f"struct hvm_start_info at {text.address(original.at)}" if original else "struct hvm_start_info"
    name = f"pvh_start_info at {text.address(copy.at)}"
    if original is None:
        return f"{name}, the kernel's copy"
    kind = "an identical copy" if copy.raw == original.raw else "a changed copy"
    return f"{name}, {kind} of start_info at {text.address(original.at)}"
