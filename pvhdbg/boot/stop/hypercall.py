"""The hypercall with which a kernel asks Xen for its memory map, and a capture that has its answer.

Source: Xen xen/include/public/memory.h (XENMEM_memory_map, struct xen_memory_map); Linux arch/x86/xen/enlighten_pvh.c.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pvhdbg.abi.e820 import BootE820Entry
from pvhdbg.abi.layout import records
from pvhdbg.boot.stop.capture import MemoryMap
from pvhdbg.boot.stop.protocols import HYPERCALL

if TYPE_CHECKING:
    from pvhdbg.boot.stop.capture import Capture, Hypercall


def with_answer(capture: Capture, call: Hypercall | None) -> Capture:
    """Return the capture with the map that Xen gave to the kernel."""
    if call is None:
        return capture
    entries = records(BootE820Entry, call.raw, call.paddr)
    missing = {path: why for path, why in capture.missing.items() if path != "memory_map.paddr"}
    memory_map = MemoryMap(HYPERCALL, call.paddr, call.nr_entries, entries)
    return capture._replace(hypercall=call, memory_map=memory_map, missing=missing)
