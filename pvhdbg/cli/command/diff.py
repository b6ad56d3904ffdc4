"""`pvhdbg diff RECORDING OTHER`: compare two recordings, or two stages."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from pvhdbg.boot.record import compare, readers
from pvhdbg.boot.record.replay import load
from pvhdbg.boot.stop import stages
from pvhdbg.cli.result import Result
from pvhdbg.errors import UserError
from pvhdbg.named_tuple import NamedTuple
from pvhdbg.views.report import diff_text
from pvhdbg.vmm_profiles import table

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

    from pvhdbg.boot.record.document import Document
    from pvhdbg.boot.stop.capture import Capture

STAGES = (*stages.NAMES, stages.DIED)


class Place(NamedTuple):
    """A recording, and the stage that was named after `@`, or None."""

    path: Path
    stage: str | None


def diff(options: argparse.Namespace) -> Result:
    """Compare whole recordings. If only one argument names a stage, compare that stage of both."""
    if options.bisect:
        from pvhdbg.cli.command.bisect import bisect

        return bisect(options)
    for word in (options.before, options.after):
        if word in table.NAMES and not os.path.lexists(word):
            raise UserError(f"{word}: a VMM is only for --bisect", "add --bisect, or name two recordings")
    if options.kernel is not None or options.format == "json":
        what = f"{options.kernel}: a kernel" if options.kernel is not None else "--format json"
        raise UserError(f"{what} is only for --bisect", "drop it, or add --bisect")
    first, second = place(options.before), place(options.after)
    before, after = load(first.path), load(second.path)
    if first.stage is None and second.stage is None:
        compared = compare.compare_runs(before, after)
        read = readers.read_changes(compared, before, after)
        status = _status(options, differs=compared.differs)
        return Result(diff_text.documents(compared, read), status, () if read else tuple(_how_to_ask(before, after)))
    old = _stop(before, first.path, first.stage or second.stage)
    new = _stop(after, second.path, second.stage or first.stage)
    return Result(diff_text.captures(old, new), _status(options, differs=bool(compare.compare_captures(old, new))))


def _how_to_ask(before: Document, after: Document) -> Iterator[str]:
    """Yield how to find out what the guest reads, if the runs have two VMMs' handovers, and no answers of `who`."""
    names = {document.machine.vmm and document.machine.vmm.name for document in (before, after)}
    if len(names) > 1 and not (before.who or after.who):
        yield "pvhdbg: note: neither recording says what the guest reads: record them with -c 'who --all'"


def _status(options: argparse.Namespace, *, differs: bool) -> int:
    return int(options.exit_code and differs)


def place(word: str) -> Place:
    """Parse FILE or FILE@STAGE. If a file with the whole name exists, the @ is part of its name.

    :raise UserError: if the text after the last @ is not a stage.
    """
    name, at, stage = word.rpartition("@")
    if not at or os.path.lexists(word):
        return Place(Path(word), None)
    if stage not in STAGES:
        raise UserError(f"{word}: no such file, and {stage!r} is not a stage", f"use one of {', '.join(STAGES)}")
    return Place(Path(name), stage)


def _stop(document: Document, path: Path, stage: str | None) -> Capture:
    stops = [stop for stop in document.stops if stop.stage == stage]
    if stops:
        return stops[-1]
    names = ", ".join(stop.stage for stop in document.stops)
    raise UserError(f"{path}: stage {stage} is not in this recording", f"use one of {names}" if names else None)
