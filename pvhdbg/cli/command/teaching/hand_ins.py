"""What students hand in for a lab: recordings of its boots, or kernels."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from pvhdbg.abi.text import escape_unprintable
from pvhdbg.boot.record.replay import load
from pvhdbg.cli.command.teaching import lab_boots
from pvhdbg.cli.result import Result
from pvhdbg.errors import PvhdbgError, UserError
from pvhdbg.teaching import values
from pvhdbg.teaching.defined_boots import FIRST_BOOT
from pvhdbg.teaching.lab import grading

if TYPE_CHECKING:
    import argparse
    from collections.abc import Mapping, Sequence

    from pvhdbg.boot.record.document import Document
    from pvhdbg.teaching.lab.lab_file import Lab
    from pvhdbg.teaching.values import Boot

NOT_TRUE = "not yet true: "
"""What is printed before the goals that a boot does not reach."""
_SOLVED = "solved"


def grade(chosen: Lab, words: Sequence[str], options: argparse.Namespace) -> Result:
    """Check files, one for each student. The exit status is 1 if one of them does not solve the lab.

    :raise UserError: if the lab does not take files.
    """
    if chosen.words:
        raise UserError(f"lab {chosen.number} takes words, not files", "check words with `pvhdbg lab check`")
    if lab_boots.changes_boot(options):
        raise UserError("`pvhdbg lab grade` takes no options about the boot", "pass only the files of the students")
    verdicts = [_verdict(chosen, word, options) for word in words]
    names = [escape_unprintable(word) for word in words]
    width = max(len(name) for name in names)
    lines = [f"{name:{width}}  {verdict}" for name, verdict in zip(names, verdicts, strict=True)]
    solved = verdicts.count(_SOLVED)
    lines += ["", f"{solved} of {len(words)} solve lab {chosen.number}: {chosen.title}"]
    return Result("\n".join(lines) + "\n", int(solved < len(words)))


def _verdict(chosen: Lab, word: str, options: argparse.Namespace) -> str:
    """Return one line about a file, also about one that can't be read or does not boot."""
    try:
        if not chosen.has_own_kernel and not lab_boots.is_recording(Path(word)):
            return "error: not a recording"
        mistakes = grading.unreached_goals(chosen, boots(chosen, [word], options))
    except PvhdbgError as error:
        return f"error: {escape_unprintable(str(error)).removeprefix(f'{escape_unprintable(word)}: ')}"
    return f"{NOT_TRUE}{'; '.join(mistakes)}" if mistakes else _SOLVED


def boots(chosen: Lab, words: Sequence[str], options: argparse.Namespace) -> Mapping[str, Boot]:
    """Return the boots that the goals are about: those in the student's recordings, or new ones."""
    paths = [Path(word) for word in words]
    if paths and lab_boots.is_recording(paths[0]):
        documents = _handed_in(chosen, paths)
    else:
        documents = lab_boots.documents(chosen, paths, options)
    return {name: values.of_document(document) for name, document in documents.items()}


def _handed_in(chosen: Lab, paths: Sequence[Path]) -> dict[str, Document]:
    """Decode the student's recordings again, one for each of the lab's boots, in the order of the lab."""
    names = [FIRST_BOOT, *chosen.boots]
    if len(paths) != len(names):
        one = len(names) == 1
        wanted = "one recording" if one else f"{len(names)} recordings: {', '.join(names)}"
        hint = f"check those of several students with `pvhdbg lab grade {chosen.number} FILE…`"
        raise UserError(
            f"this lab takes {wanted}, not {len(paths)}", hint if len(names) == 1 else "see `pvhdbg manual labs`"
        )
    loaded = {name: load(path) for name, path in zip(names, paths, strict=True)}
    return {name: lab_boots.decoded(chosen, document) for name, document in loaded.items()}
