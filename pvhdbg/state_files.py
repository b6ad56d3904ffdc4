"""The files in which pvhdbg remembers something about its user between runs: $XDG_STATE_HOME/pvhdbg/NAME.json.

`screen` has the settings of the screen, `tour` the place in the tour, and `labs` what was solved. A file that is
missing, damaged or not writable never stops pvhdbg: it then starts as if nothing was remembered.
"""

from __future__ import annotations

import json
import os
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

_LARGEST = 64 * 1024
"""Bytes of a file that are read."""


def folder() -> Path:
    """Return the user's state folder for pvhdbg. A home folder that does not exist is not created.

    :raise RuntimeError: if the user has no home folder.
    :raise OSError: if the home folder does not exist.
    """
    if state := os.environ.get("XDG_STATE_HOME"):
        return Path(state) / "pvhdbg"
    return Path.home().resolve(strict=True) / ".local" / "state" / "pvhdbg"


def load(name: str) -> dict[str, Any]:
    """Read NAME.json. A file that is missing or cannot be read counts as empty, and so does one without a JSON object.

    The values can have any type, because users can change the file.
    """
    try:
        path = folder() / f"{name}.json"
        if not path.is_file():  # opening a FIFO would wait for a writer
            return {}
        with path.open("rb") as file:
            stored = json.loads(file.read(_LARGEST))
    except (OSError, RuntimeError, ValueError, RecursionError):
        return {}
    return stored if isinstance(stored, dict) else {}


def save(name: str, values: Mapping[str, object]) -> None:
    """Write NAME.json, if the folder is writable. Another pvhdbg never reads half a file."""
    with suppress(OSError, RuntimeError):
        path = folder() / f"{name}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_name(f"{path.name}.{os.getpid()}")
        try:
            part.write_text(json.dumps(values) + "\n", encoding="utf-8")
            part.replace(path)
        finally:
            part.unlink(missing_ok=True)
