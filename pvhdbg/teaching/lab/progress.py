"""What a student has solved, and the lab that was started last. It is kept in the user's state folder."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from pvhdbg import state_files
from pvhdbg.named_tuple import NamedTuple

if TYPE_CHECKING:
    from pvhdbg.teaching.lab.lab_file import Lab

_NAME = "labs"


class Progress(NamedTuple):
    """What a student did with one lab."""

    is_started: bool = False
    is_solved: bool = False
    hints: int = 0
    saw_solution: bool = False


def of(lab: Lab, own_folder: Path) -> Progress:
    """Return the progress in a lab. `own_folder` has pvhdbg's own labs."""
    stored = state_files.load(_NAME).get("labs")
    one = stored.get(_key(lab, own_folder)) if isinstance(stored, dict) else None
    if not isinstance(one, dict):
        return Progress()
    hints = one.get("hints")
    count = hints if isinstance(hints, int) and 0 <= hints <= len(lab.hints) else 0
    return Progress(True, one.get("solved") is True, count, one.get("solution") is True)


def save(lab: Lab, own_folder: Path, progress: Progress) -> None:
    """Remember the progress in a lab, and that it is the current one."""
    stored = state_files.load(_NAME)
    labs = stored.get("labs")
    labs = dict(labs) if isinstance(labs, dict) else {}
    labs[_key(lab, own_folder)] = {
        "solved": progress.is_solved,
        "hints": progress.hints,
        "solution": progress.saw_solution,
    }
    folder = None if lab.folder == own_folder else str(lab.folder.resolve())
    state_files.save(_NAME, {"current": {"folder": folder, "name": lab.name}, "labs": labs})


def current() -> tuple[Path | None, str] | None:
    """Return the folder and the name of the lab that was used last. The folder is None for pvhdbg's own labs.

    Return None if no lab was used.
    """
    stored = state_files.load(_NAME).get("current")
    if not isinstance(stored, dict) or not isinstance(stored.get("name"), str):
        return None
    folder = stored.get("folder")
    return (Path(folder) if isinstance(folder, str) else None), stored["name"]


def _key(lab: Lab, own_folder: Path) -> str:
    return lab.name if lab.folder == own_folder else f"{lab.folder.resolve()}/{lab.name}"
