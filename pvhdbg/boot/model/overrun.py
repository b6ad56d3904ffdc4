"""Whether a map that has more entries than struct boot_params has room for kills the kernel, and how.

Source: init_pvh_bootparams in Linux arch/x86/platform/pvh/enlighten.c, and what compilers made of it.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from pvhdbg.abi.boot_params import BootParams
from pvhdbg.abi.e820 import BootE820Entry
from pvhdbg.boot.model.predicted import OVERRUN, PredictedDeath
from pvhdbg.boot.model.zero_page import TABLE
from pvhdbg.boot.stop.early_maps import KERNEL_MAP_SIZE

if TYPE_CHECKING:
    from pvhdbg.boot.model.zero_page import ZeroPage
    from pvhdbg.boot.stop.capture import Capture

# Where from GS on gcc has the canary.
CANARY = 0x28
_TAKES_CANARY = re.compile(rb"\x65[\x48\x4c]\x8b[\x04-\x3c]\x25\x28\0\0\0", re.DOTALL)
# What xen_prepare_pvh and what it calls have on the stack below its own return address.
FRAMES = 512
# 255 entries, the most that a byte counts, were seen to do no harm before the function returns.
OVERRUN_SURVIVED = TABLE + 255 * BootE820Entry.SIZE - BootParams.SIZE


def overrun_death(capture: Capture, page: ZeroPage) -> PredictedDeath | None:
    """Whether the map runs over something behind pvh_bootparams that xen_prepare_pvh needs to return."""
    over = page.overrun_end - BootParams.SIZE
    if not over:
        return None
    why = f"its entries run {over} bytes over the end of boot_params"
    stack = _distance(capture, "rsp")
    if stack is None:
        return PredictedDeath(OVERRUN, why, page.blame, certain=False) if over > OVERRUN_SURVIVED else None
    if page.overrun_end > stack - FRAMES:
        why += ", into the stack that the function returns by"
        return PredictedDeath(OVERRUN, why, page.blame, certain=page.overrun_end >= stack + 8)
    if _canary_changes(capture, page):
        certain = _is_protected(capture)
        ends = "ends" if certain else "may end"
        why += f", over the stack protector's canary: the function {ends} in a panic that nobody sees"
        return PredictedDeath(OVERRUN, why, page.blame, certain)
    return None


def _canary_changes(capture: Capture, page: ZeroPage) -> bool:
    """Up to Linux 6.14 GS leads to a canary of its own for this code, which is 0."""
    place = _distance(capture, "gs_base")
    if place is None:
        return False
    start = place + CANARY - BootParams.SIZE
    over = page.overrun_end - BootParams.SIZE
    return (
        start < over
        and start + 8 > 0
        and (start + 8 > len(page.overrun) or any(page.overrun[max(start, 0) : start + 8]))
    )


def _is_protected(capture: Capture) -> bool:
    """Whether the function's first instructions take the canary to the stack: mov %gs:0x28 to a register."""
    rip = capture.registers.get("rip") or 0
    code = capture.bytes_at(rip % KERNEL_MAP_SIZE, 64) or b""
    return _TAKES_CANARY.search(code) is not None


def _distance(capture: Capture, register: str) -> int | None:
    """How far behind pvh_bootparams' start a register of xen_prepare_pvh leads; null if that is not known.

    One address may be physical and the other virtual; the maps begin at multiples of 512 MiB.
    """
    link, address = capture.symbols.get("pvh_bootparams"), capture.registers.get(register)
    if capture.pvh_start_info is None or link is None or address is None:
        return None
    return (address - link) % KERNEL_MAP_SIZE
