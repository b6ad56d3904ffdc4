"""Which firmware starts a microvm: it decides where what is handed over lies, and how long a command line may be."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

FOLDERS = (Path("/usr/share/qemu"), Path("/usr/share/seabios"))
"""Where Debian's QEMU looks: `qemu-system-x86_64 -L help`."""
QBOOT, SEABIOS = "qboot", "seabios"


def microvm_firmware(args: Sequence[str], folders: Sequence[Path] = FOLDERS) -> str | None:
    """`qboot` or `seabios`, by the file's name; null where QEMU's files are not where Debian has them.

    `args` are the user's own for QEMU, of which `-bios` counts. Debian 12 starts a microvm by qboot, Debian 13 as QEMU
    itself by SeaBIOS.
    """
    chosen = [value for name, value in pairwise(args) if name.lstrip("-") == "bios"]
    if chosen:
        name = Path(chosen[-1]).name
        return QBOOT if name.startswith(QBOOT) else SEABIOS if name.startswith("bios") else None
    found = next((each for folder in folders if (each := folder / "bios-microvm.bin").is_file()), None)
    if found is None:
        return None
    return QBOOT if found.resolve().name.startswith(QBOOT) else SEABIOS
