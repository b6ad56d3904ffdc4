"""`pvhdbg diff A B`: two saved dumps, or two stages of one."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from pvhdbg.boot.record import compare
from pvhdbg.boot.record.replay import load
from pvhdbg.boot.stop import stages
from pvhdbg.cli.result import Result
from pvhdbg.errors import UserError
from pvhdbg.views.report import diff_text

if TYPE_CHECKING:
    import argparse

    from pvhdbg.boot.record.document import Document
    from pvhdbg.boot.stop.capture import Capture

STAGES = (*stages.NAMES, stages.DIED)


class Place(NamedTuple):
    """A recording, and the stage after its `@`, null where there is none."""

    path: Path
    stage: str | None


def diff(options: argparse.Namespace) -> Result:
    """Where one side names a stage, that stage of both."""
    first, second = place(options.before), place(options.after)
    before, after = load(first.path), load(second.path)
    if first.stage is None and second.stage is None:
        compared = compare.documents(before, after)
        return Result(diff_text.documents(compared), _status(options, differs=compared.differs))
    old = _stop(before, first.path, first.stage or second.stage)
    new = _stop(after, second.path, second.stage or first.stage)
    return Result(diff_text.captures(old, new), _status(options, differs=bool(compare.captures(old, new))))


def _status(options: argparse.Namespace, *, differs: bool) -> int:
    return int(options.exit_code and differs)


def place(word: str) -> Place:
    """FILE or FILE@STAGE; a file's own name may have an @ in it.

    :raise UserError: if what follows the last @ is no stage.
    """
    name, at, stage = word.rpartition("@")
    if not at or os.path.lexists(word):
        return Place(Path(word), None)
    if stage not in STAGES:
        raise UserError(f"{word}: no stage {stage!r}, and no such file", f"the stages are {', '.join(STAGES)}")
    return Place(Path(name), stage)


def _stop(document: Document, path: Path, stage: str | None) -> Capture:
    found = [each for each in document.stops if each.stage == stage]
    if found:
        return found[-1]
    names = ", ".join(each.stage for each in document.stops)
    raise UserError(f"{path}: there is no stage {stage} in it", f"it has {names or 'none'}")
