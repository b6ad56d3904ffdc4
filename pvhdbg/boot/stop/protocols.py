"""The ways in which a kernel gets its memory map, and the values of `--protocol`."""

from __future__ import annotations

from pvhdbg.abi import e820

MEMMAP, E820_MODULE, NO_MAP, HYPERCALL = e820.MEMMAP, e820.E820_MODULE, e820.NO_MAP, e820.HYPERCALL
AS_IS, V0 = "as-is", "v0"
PROTOCOLS = (AS_IS, E820_MODULE, MEMMAP, V0)
