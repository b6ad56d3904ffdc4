"""What the screen remembers between sessions: whether the mouse is on, and whether a pane is zoomed."""

from __future__ import annotations

from pvhdbg import state_files
from pvhdbg.named_tuple import NamedTuple

_FILE = "screen"


class Settings(NamedTuple):
    """The settings, with the values for the first session."""

    mouse: bool = True
    zoomed: bool = False


def load() -> Settings:
    """Read the settings. A file that cannot be read, and values of another type, count as missing."""
    stored = state_files.load(_FILE)
    known = {name: stored[name] for name in Settings._fields if isinstance(stored.get(name), bool)}
    return Settings(**known)


def save(settings: Settings) -> None:
    """Write the settings, if the folder is writable."""
    state_files.save(_FILE, settings._asdict())
