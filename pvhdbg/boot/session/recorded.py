"""A recording as a place where questions are asked."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pvhdbg.boot.session.expression import evaluate
from pvhdbg.boot.stop import stages
from pvhdbg.errors import RegisterUnavailable, SymbolMissing, UserError
from pvhdbg.target.recording import Recording

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pvhdbg.boot.lab.rewrite import Change
    from pvhdbg.boot.record.document import Document, Outcome, Rewrite
    from pvhdbg.boot.stop.capture import Capture
    from pvhdbg.boot.stop.stages import Stage
    from pvhdbg.target.base import Target


def last_reached(history: Sequence[Capture]) -> Capture:
    """What was captured at the last stage reached; a death is no stage, but better than nothing.

    :raise UserError: if nothing was captured.
    """
    if not history:
        raise UserError("no stage was reached: nothing was captured", "`stages` lists what there is")
    return next((each for each in reversed(history) if each.stage != stages.DIED), history[-1])


def recording_of(capture: Capture) -> Recording:
    """A Target of what was read at a stop."""
    return Recording(capture.memory, capture.registers, capture.symbols)


class Opener:
    """Who can look at a recording instead of what he stands at."""

    _opened: RecordedSession | None = None

    def open(self, document: Document | None) -> None:
        self._opened = None if document is None else RecordedSession(document)

    @property
    def opened(self) -> RecordedSession | None:
        return self._opened


class RecordedSession(Opener):
    """A recording: what was captured can be asked for, and nothing runs."""

    def __init__(self, document: Document) -> None:
        self._document = document
        self.image = document.kernel
        self.machine = document.machine
        self.history: Sequence[Capture] = document.stops

    def target_at(self, capture: Capture) -> Target:
        return recording_of(capture)

    def current(self) -> Capture:
        return last_reached(self.history)

    def lacking(self, stage: Stage) -> str | None:
        return None if any(each.stage == stage.name for each in self.history) else "not in this recording"

    def passed(self) -> Sequence[str]:
        return ()

    def next_stage(self) -> str:
        raise _cannot_run()

    def locate(self, where: str) -> None:  # noqa: ARG002  nor anything be looked for
        raise _cannot_run()

    def go(self, stage: str) -> Outcome:  # noqa: ARG002  no stage can be gone to
        raise _cannot_run()

    def rewrite(self, change: Change) -> Sequence[Rewrite]:  # noqa: ARG002  nor anything be written
        raise _cannot_run()

    def evaluate(self, words: str, capture: Capture) -> int:
        """:raise UserError: for what has no such value here."""
        try:
            return evaluate(words, self.target_at(capture))
        except (SymbolMissing, RegisterUnavailable) as error:
            raise UserError(str(error)) from error

    def disassemble(self, address: int, count: int) -> Sequence[str]:  # noqa: ARG002
        return ()

    def document(self) -> Document:
        return self._document


def _cannot_run() -> UserError:
    return UserError("a recording can't run", "`info @STAGE` shows what was captured at a stage")
