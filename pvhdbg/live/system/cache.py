"""The user's cache folder: $XDG_CACHE_HOME/pvhdbg, or ~/.cache/pvhdbg."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from pvhdbg.live.system.folder import make_private

if TYPE_CHECKING:
    from collections.abc import Mapping


def folder(name: str, environment: Mapping[str, str]) -> Path | None:
    """Return a folder below the cache folder, and create it if it is missing.

    Return None if the user has no cache folder, or other users could put files into it. A home folder that does not
    exist is not created: services have /nonexistent.
    """
    home = environment.get("HOME")
    base = Path(environment.get("XDG_CACHE_HOME") or (f"{home}/.cache" if home and os.path.isdir(home) else ""))  # noqa: PTH112 - also of an invalid path
    path = base / "pvhdbg" / name
    return path if base.is_absolute() and make_private(path) else None
