"""pvhdbg's script for gdb: its path, and how a gdb that pvhdbg has started loads it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import pvhdbg
from pvhdbg.errors import MachineError
from pvhdbg.live.gdb import environment
from pvhdbg.target.mi.client import MiError, console_command

if TYPE_CHECKING:
    from pvhdbg.live.gdb.mi_client import MiClient


_SHIELD = "python from pvhdbg.in_gdb.install import shield_disassembler as s; s(); del s"


def load(gdb: MiClient) -> None:
    """Load the script. If gdb could not read its cached Python files, delete them: gdb 16 then runs without Python.

    :raise PvhdbgError: if gdb has no Python, or its Python is too old.
    """
    try:
        gdb.ask(console_command(f"source {path()}"))
        gdb.ask(console_command(_SHIELD))
    except MiError as error:
        if environment.NO_PYTHON in str(error) and not gdb.process.options.gdbinit:
            environment.delete_cache(os.environ)
        raise


def path() -> Path:
    """Return the path of pvh.py: inside the package if pvhdbg is installed, next to the package in a checkout.

    :raise MachineError: if it is in neither place.
    """
    package = Path(pvhdbg.__file__).resolve().parent
    for folder in (package / "_gdb_scripts", package.parent / "gdb_scripts"):
        if (folder / "pvh.py").is_file():
            return folder / "pvh.py"
    raise MachineError(f"gdb_scripts/pvh.py: not found beside {package}", "reinstall pvhdbg")
