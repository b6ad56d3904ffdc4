"""What the screen remembers between sessions: whether the mouse is on, and whether a pane is zoomed."""

from __future__ import annotations

import json
import os
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

_LARGEST = 4096
"""Bytes of the file that are read."""


class Settings(NamedTuple):
    """The settings, with the values for the first session."""

    mouse: bool = True
    zoomed: bool = False


def folder() -> Path:
    """Return the user's state folder for pvhdbg. A home folder that does not exist is not created.

    :raise RuntimeError: if the user has no home folder.
    :raise OSError: if the home folder does not exist.
    """
    if state := os.environ.get("XDG_STATE_HOME"):
        return Path(state) / "pvhdbg"
    return Path.home().resolve(strict=True) / ".local" / "state" / "pvhdbg"


def load() -> Settings:
    """Read the settings. A file that cannot be read, and values of another type, count as missing."""
    try:
        with (folder() / "screen.json").open("rb") as file:
            stored = json.loads(file.read(_LARGEST))
    except (OSError, RuntimeError, ValueError, RecursionError):
        return Settings()
    if not isinstance(stored, dict):
        return Settings()
    known = {name: stored[name] for name in Settings._fields if isinstance(stored.get(name), bool)}
    return Settings(**known)


def save(settings: Settings) -> None:
    """Write the settings, if the folder is writable. Another pvhdbg never reads half a file."""
    with suppress(OSError, RuntimeError):
        path = folder() / "screen.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_name(f"screen.json.{os.getpid()}")
        part.write_text(json.dumps(settings._asdict()) + "\n", encoding="utf-8")
        part.replace(path)
