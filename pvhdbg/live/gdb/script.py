"""The path of pvhdbg's script for gdb."""

from __future__ import annotations

from pathlib import Path

import pvhdbg
from pvhdbg.errors import MachineError


def path() -> Path:
    """Return the path of pvh.py: inside the package if pvhdbg is installed, next to the package in a checkout.

    :raise MachineError: if it is in neither place.
    """
    package = Path(pvhdbg.__file__).resolve().parent
    for folder in (package / "_gdb_scripts", package.parent / "gdb_scripts"):
        if (folder / "pvh.py").is_file():
            return folder / "pvh.py"
    raise MachineError(f"gdb_scripts/pvh.py: not found beside {package}", "reinstall pvhdbg")
