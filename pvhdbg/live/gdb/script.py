"""Where the script lies that gdb sources."""

from __future__ import annotations

from pathlib import Path

import pvhdbg
from pvhdbg.errors import MachineError


def path() -> Path:
    """Installed, it is in the package; in a checkout, beside it.

    :raise MachineError: if it is in neither place.
    """
    package = Path(pvhdbg.__file__).resolve().parent
    for folder in (package / "_gdb_scripts", package.parent / "gdb_scripts"):
        if (folder / "pvh.py").is_file():
            return folder / "pvh.py"
    raise MachineError(f"gdb_scripts/pvh.py is missing beside {package}", "install pvhdbg again")
