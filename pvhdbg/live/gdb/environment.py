"""gdb's environment, and the cache of its compiled Python files."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pvhdbg.live.system.cache import folder
from pvhdbg.live.system.folder import has_room

if TYPE_CHECKING:
    from collections.abc import Mapping

NO_PYTHON = "Python not initialized"
"""gdb's last message if Python can't start, such as after it found a truncated file in the cache."""
_CACHE = "gdb-python"
_ROOM = 64 << 20
"""How many bytes must be free before files are cached. They need 4 MiB, and temporary files as much again. On a full
disk, or with a limit on the size of files, Python would leave truncated files, and never replace them.
"""


def of_gdb(environment: Mapping[str, str], *, gdbinit: bool) -> dict[str, str]:
    """Return gdb's environment. LC_ALL is C because pvhdbg parses gdb's messages.

    Without `gdbinit`, variables for pvhdbg's Python interpreter are removed, because gdb has its own interpreter, and
    gdb's compiled Python files are cached in the user's cache folder, which saves 20 ms per start. They are not cached
    where other users could change them. With `gdbinit`, the variables stay, because the user's start-up files may need
    PYTHONPATH.
    """
    if gdbinit:
        return {**environment, "LC_ALL": "C"}
    others = {name: value for name, value in environment.items() if not name.startswith("PYTHON")}
    cache = folder(_CACHE, environment)
    can_cache = cache is not None and has_room(cache, _ROOM)
    setting = {"PYTHONPYCACHEPREFIX": str(cache)} if can_cache else {"PYTHONDONTWRITEBYTECODE": "1"}
    return {**others, "LC_ALL": "C", **setting}


def delete_cache(environment: Mapping[str, str]) -> bool:
    """Delete the cached files. Return False if there is no cache that only the user can change."""
    cache = folder(_CACHE, environment)
    if cache is None:
        return False
    import shutil

    shutil.rmtree(cache, ignore_errors=True)
    return not cache.exists()
