"""cpu: registers, segments and control registers, with the CPU mode spelled out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pvhdbg.views.rows import cpu_rows

if TYPE_CHECKING:
    from pvhdbg.boot.stop.capture import Capture
    from pvhdbg.tui.screen.state import Screen
    from pvhdbg.tui.views.view import Rows


def decode(capture: Capture, _map_capture: Capture, _unfolded: bool) -> Rows:
    return tuple(cpu_rows.cpu_rows(capture))


def heading(_screen: Screen, capture: Capture) -> str:
    return cpu_rows.mode_words(capture)
