"""Which differences between the boot data of two runs the guest reads. Pure functions over what `who` has found."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pvhdbg.boot.who.fields import is_part
from pvhdbg.named_tuple import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pvhdbg.boot.record.compare import Change, Comparison
    from pvhdbg.boot.record.document import Document
    from pvhdbg.boot.who.answer import Answer, Reader

_ORIGINAL, _COPY = "start_info.", "pvh_start_info."


class ReadChange(NamedTuple):
    """A difference at the entry, and the names of the functions that read the value in one of the runs."""

    change: Change
    functions: tuple[str, ...]


def read_changes(compared: Comparison, before: Document, after: Document) -> list[ReadChange]:
    """Return the differences at the entry of which `who` knows the readers, in the order of the comparison.

    The instruction with which Linux copies start_info does not count as a reader: what reads the copy does.
    """
    known = [{answer.path: answer for answer in document.who or ()} for document in (before, after)]
    found = []
    for change in _entry_changes(compared):
        paths = {path for answers in known for path in answers if is_part(path, change.path)}
        if paths:
            readers = (reader for answers in known for path in sorted(paths) for reader in _readers(answers, path))
            found.append(ReadChange(change, tuple(dict.fromkeys(reader.code.function for reader in readers))))
    return found


def _entry_changes(compared: Comparison) -> Iterator[Change]:
    for stage in compared.stages:
        if stage.stage == "entry":
            yield from stage.changes


def _readers(answers: Mapping[str, Answer], path: str) -> Iterator[Reader]:
    """Yield what reads a field, or Linux's copy of it, except the instruction that makes the copy."""
    copy = answers.get(_COPY + path.removeprefix(_ORIGINAL)) if path.startswith(_ORIGINAL) else None
    copied_by = {writer.code.rip for writer in copy.writers if writer.code is not None} if copy else set()
    if path in answers:
        yield from (reader for reader in answers[path].readers if reader.code.rip not in copied_by)
    if copy is not None:
        yield from copy.readers
