"""Which firmware boots a microvm. It determines the addresses of the boot data and the longest command line."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

FOLDERS = (Path("/usr/share/qemu"), Path("/usr/share/seabios"))
"""Debian's firmware folders, as `qemu-system-x86_64 -L help` lists them."""
QBOOT, SEABIOS = "qboot", "seabios"


def microvm_firmware(args: Sequence[str], folders: Sequence[Path] = FOLDERS) -> str | None:
    """Return QBOOT or SEABIOS, according to the file name. None if it is neither, or not found in `folders`.

    `args` are the user's own arguments for QEMU; the last `-bios` among them takes precedence. By default, a microvm
    uses qboot on Debian 12 and SeaBIOS on Debian 13, as in upstream QEMU.
    """
    chosen = [value for name, value in pairwise(args) if name.lstrip("-") == "bios"]
    if chosen:
        name = Path(chosen[-1]).name
        return QBOOT if name.startswith(QBOOT) else SEABIOS if name.startswith("bios") else None
    default = next((file for folder in folders if (file := folder / "bios-microvm.bin").is_file()), None)
    if default is None:
        return None
    return QBOOT if default.resolve().name.startswith(QBOOT) else SEABIOS
