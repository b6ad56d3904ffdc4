"""The protocols with which a VMM passes a memory map, and the values of `--protocol`."""

from __future__ import annotations

MEMMAP, E820_MODULE, NO_MAP = "memmap", "e820-module", "none"
AS_IS, V0 = "as-is", "v0"
PROTOCOLS = (AS_IS, E820_MODULE, MEMMAP, V0)
