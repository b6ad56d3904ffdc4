"""The teaching guest: a small kernel of our own that boots by PVH and tells on the serial console what it found.

Its source is here to be read, in this order: entry.S, pvh.c, main.c, e820.c.
"""

from __future__ import annotations

from pathlib import Path

SOURCE = Path(__file__).parent
ELF = SOURCE / "teaching-guest.elf"

# The folder its DWARF names, on whatever machine it was built: gdb's `set substitute-path COMPILED_IN SOURCE`.
COMPILED_IN = "/pvhdbg/guest"
