"""modules: the module list, each module with its command line. Module 0 is the ramdisk."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pvhdbg.views.rows import start_info_rows, text
from pvhdbg.views.rows.missing import missing_reason
from pvhdbg.views.rows.row import Row

if TYPE_CHECKING:
    from pvhdbg.boot.stop.capture import Capture
    from pvhdbg.tui.screen.state import Screen
    from pvhdbg.tui.views.view import Rows

STAND_IN = Row("modules", "modules", "")


def decode(capture: Capture, _map_capture: Capture, _unfolded: bool) -> Rows:
    return tuple(start_info_rows.module_rows(capture))


def heading(_screen: Screen, capture: Capture) -> str:
    if capture.modules is None:
        return f"module list: {missing_reason(capture, 'modules')}"
    if not capture.modules:
        return "module list: no modules"
    return f"struct hvm_modlist_entry[{len(capture.modules)}] at {text.address(capture.modules[0].entry.at)}"


def empty(_screen: Screen) -> str:
    return "no modules: nr_modules is 0"
