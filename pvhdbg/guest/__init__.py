"""The teaching guest: a small kernel that boots via PVH and prints its boot data on the serial console.

build  build teaching-guest.elf from its source; the Makefile of a copy of the source

Read the source in this order: entry.S, pvh.c, main.c, e820.c. Nothing in pvhdbg is imported here.
"""

from __future__ import annotations

from pathlib import Path

SOURCE = Path(__file__).parent
ELF = SOURCE / "teaching-guest.elf"

# The path of the source folder in the ELF file's debug information. In gdb: `set substitute-path COMPILED_IN SOURCE`.
COMPILED_IN = "/pvhdbg/guest"

TRACE = SOURCE / "trace.json.gz"
"""A recording with the trace of a boot to stage e820, made by `pvhdbg trace teaching-guest.elf`."""
