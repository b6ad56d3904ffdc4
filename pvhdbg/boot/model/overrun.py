"""Predict whether a memory map that overflows struct boot_params kills the kernel, and how.

Source: init_pvh_bootparams in Linux arch/x86/platform/pvh/enlighten.c, and the code that compilers generate for it.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from pvhdbg.abi.boot_params import BootParams
from pvhdbg.abi.e820 import BootE820Entry
from pvhdbg.boot.model.predicted import OVERRUN, PredictedDeath
from pvhdbg.boot.model.zero_page import TABLE
from pvhdbg.boot.stop.early_maps import KERNEL_MAP_SIZE
from pvhdbg.lazy_pattern import pattern

if TYPE_CHECKING:
    from pvhdbg.boot.model.zero_page import ZeroPage
    from pvhdbg.boot.stop.capture import Capture

# The offset of the stack protector's canary from GS, as gcc generates it.
CANARY = 0x28
_LOADS_CANARY = pattern(rb"\x65[\x48\x4c]\x8b[\x04-\x3c]\x25\x28\0\0\0", re.DOTALL)
# The bytes of stack that xen_prepare_pvh and its callees use below the return address.
FRAMES = 512
# In tests, 255 entries (the most that a byte can count) did no harm before the function returned.
OVERRUN_SURVIVED = TABLE + 255 * BootE820Entry.SIZE - BootParams.SIZE


def overrun_death(capture: Capture, page: ZeroPage) -> PredictedDeath | None:
    """Return the predicted death if the map overwrites data that xen_prepare_pvh needs to return, otherwise None."""
    over = page.overrun_end - BootParams.SIZE
    if not over:
        return None
    why = f"the map's entries overflow boot_params by {over} bytes"
    stack = _distance(capture, "rsp")
    if stack is None:
        return PredictedDeath(OVERRUN, why, page.blamed_field, certain=False) if over > OVERRUN_SURVIVED else None
    if page.overrun_end > stack - FRAMES:
        why += " and overwrite the stack of xen_prepare_pvh"
        return PredictedDeath(OVERRUN, why, page.blamed_field, certain=page.overrun_end >= stack + 8)
    if _changes_canary(capture, page):
        certain = _is_protected(capture)
        effect = f"xen_prepare_pvh {'panics' if certain else 'may panic'} silently"
        why += f" and overwrite the stack protector's canary: {effect}"
        return PredictedDeath(OVERRUN, why, page.blamed_field, certain)
    return None


def _changes_canary(capture: Capture, page: ZeroPage) -> bool:
    """Return whether the map changes the canary. Before Linux 6.15, GS points to a canary of 0 for this early code."""
    distance = _distance(capture, "gs_base")
    if distance is None:
        return False
    start = distance + CANARY - BootParams.SIZE
    over = page.overrun_end - BootParams.SIZE
    return (
        start < over
        and start + 8 > 0
        and (start + 8 > len(page.overrun) or any(page.overrun[max(start, 0) : start + 8]))
    )


def _is_protected(capture: Capture) -> bool:
    """Return whether the function's first instructions load the canary: mov %gs:0x28 to a register."""
    rip = capture.registers.get("rip") or 0
    code = capture.bytes_at(rip % KERNEL_MAP_SIZE, 64) or b""
    return _LOADS_CANARY.search(code) is not None


def _distance(capture: Capture, register: str) -> int | None:
    """Return the distance in bytes from the start of pvh_bootparams to a register's value; None if it is not known.

    One address may be physical and the other virtual. The modulo removes this difference, because the kernel's maps
    begin at multiples of 512 MiB.
    """
    link, address = capture.symbols.get("pvh_bootparams"), capture.registers.get(register)
    if capture.pvh_start_info is None or link is None or address is None:
        return None
    return (address - link) % KERNEL_MAP_SIZE
