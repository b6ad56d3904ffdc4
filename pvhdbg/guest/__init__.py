"""The teaching guest: a small kernel that boots by PVH and prints on the serial console what it was given.

build  build teaching-guest.elf from its source

Read the source in this order: entry.S, pvh.c, main.c, e820.c. Nothing in pvhdbg is imported here.
"""

from __future__ import annotations

from pathlib import Path

SOURCE = Path(__file__).parent
ELF = SOURCE / "teaching-guest.elf"

# The source folder in its debug information, on any build machine: gdb's `set substitute-path COMPILED_IN SOURCE`.
COMPILED_IN = "/pvhdbg/guest"
