"""boot_params: the zero page that the kernel's PVH code builds, and later the kernel's copy of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pvhdbg.boot.stop import stages
from pvhdbg.views.rows import boot_params_rows, text

if TYPE_CHECKING:
    from pvhdbg.boot.stop.capture import Capture
    from pvhdbg.tui.screen.state import Screen
    from pvhdbg.tui.views.view import Rows


def decode(capture: Capture, map_capture: Capture, unfolded: bool) -> Rows:
    key = boot_params_rows.KERNEL_COPY if _shows_copy(capture) else boot_params_rows.PARAMS
    return tuple(boot_params_rows.boot_params_rows(capture, key, boot_data=map_capture, folded=not unfolded))


def _shows_copy(capture: Capture) -> bool:
    """Return whether to show the kernel's copy. Until the kernel writes it, it is all 0."""
    if stages.KERNEL_BOOT_PARAMS in stages.stage(capture.stage).valid:
        return True
    copy = capture.kernel_boot_params
    return copy is not None and (capture.boot_params is None or any(copy.raw))


def start_row(_screen: Screen, rows: Rows) -> int:
    """Return the index of the first field that is not 0."""
    return next((index for index, row in enumerate(rows) if row.value and any(row.raw)), 0)


def heading(_screen: Screen, capture: Capture) -> str:
    copy = capture.kernel_boot_params
    if copy and _shows_copy(capture):
        return f"boot_params at {text.address(copy.at)}, the kernel's copy of pvh_bootparams"
    if capture.boot_params:
        copied = ", not copied to boot_params yet" if copy else ""
        return f"pvh_bootparams at {text.address(capture.boot_params.at)}, a struct boot_params{copied}"
    return "struct boot_params"
