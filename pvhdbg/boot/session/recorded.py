"""A session that answers commands from a recording. No machine runs."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from pvhdbg.boot.session import expression
from pvhdbg.boot.stop import stages
from pvhdbg.boot.who.answer import WhoResult
from pvhdbg.errors import RegisterUnavailable, SymbolMissing, UserError
from pvhdbg.target.recording import Recording

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pvhdbg.boot.lab.rewrite import EntryChange
    from pvhdbg.boot.record.document import Document, Outcome, Rewrite
    from pvhdbg.boot.record.trace_index import TraceIndex
    from pvhdbg.boot.stop.capture import Capture
    from pvhdbg.boot.stop.stages import Stage
    from pvhdbg.target.base import Target


def recording_of(capture: Capture) -> Recording:
    """Return a Target that answers from the memory, registers and symbols of a capture."""
    return Recording(capture.memory, capture.registers, capture.symbols)


def evaluate_captured(text: str, capture: Capture, target: Target | None = None) -> int:
    """Evaluate an address that the user typed, with the symbols and registers of a capture.

    `target` replaces the capture as their source, if it knows more symbols than were captured.

    :raise UserError: if the text is not an address, or a symbol or register was not captured.
    """
    try:
        return expression.evaluate(text, target or recording_of(capture))
    except SymbolMissing as error:
        raise UserError(str(error)) from error
    except RegisterUnavailable as error:
        known = error.name in capture.registers
        raise UserError(str(error) if known else f"${error.name}: not captured at {capture.stage}") from error


class Opener:
    """Mixin for sessions: the user can open a recording, which then answers commands instead of the session."""

    _opened: RecordedSession | None = None

    def open(self, document: Document | None) -> None:
        self._opened = None if document is None else RecordedSession(document)

    @property
    def opened(self) -> RecordedSession | None:
        return self._opened


class RecordedSession(Opener):
    """A session with a recording. Methods that need a machine raise UserError."""

    def __init__(self, document: Document) -> None:
        self._document = document
        self.image = document.kernel
        self.history: Sequence[Capture] = document.stops

    def target_at(self, capture: Capture) -> Target:
        return recording_of(capture)

    def current(self) -> Capture:
        if not self.history:
            raise UserError("no captures: the guest reached no stage", "see `stages` for why")
        return self.history[-1]

    def why_lacking(self, stage: Stage) -> str | None:
        if any(capture.stage == stage.name for capture in self.history):
            return None
        outcome = self._document.outcome
        if outcome.died is None or stages.NAMES.index(stage.name) < self._reached_count:
            return "not in this recording"
        location = outcome.died.symbol or (None if outcome.died.rip is None else f"{outcome.died.rip:#x}")
        return f"not reached: the guest died at {location}" if location else "not reached: the guest died"

    @property
    def _reached_count(self) -> int:
        reached = self._document.outcome.reached
        return stages.NAMES.index(reached) + 1 if reached else 0

    def passed(self) -> Sequence[str]:
        return ()

    @property
    def undone(self) -> Sequence[str]:
        return ()

    def back(self, stage: str | None) -> str:  # noqa: ARG002  the protocol's signature
        raise UserError("can't go back: this is a recording", "see `stages` for the stages that were captured")

    def next_stage(self) -> str:
        raise _not_available("next-stage")

    def locate(self, where: str) -> None:  # noqa: ARG002  the protocol's signature
        raise _not_available("run-to")

    def go(self, stage: str) -> Outcome:  # noqa: ARG002  the protocol's signature
        raise _not_available("run-to")

    def rewrite(self, change: EntryChange) -> Sequence[Rewrite]:
        command = "protocol" if isinstance(change, str) else "set"
        raise UserError(f"{command}: a recording is read-only", "run the kernel with pvhdbg to change its boot data")

    @cached_property
    def _trace(self) -> TraceIndex | None:
        from pvhdbg.boot.record.trace_index import TraceIndex

        return TraceIndex(self._document, self._document.trace) if self._document.trace else None

    def who(self, text: str) -> WhoResult:
        """Return the answers in this recording or, if it has none, what its trace says."""
        from pvhdbg.boot.who import request

        stored = {answer.path: answer for answer in self._document.who or ()}
        answers = request.selected_in_recording(text, stored)
        if not answers and (index := self._trace) is not None:
            from pvhdbg.boot.session import traced

            return traced.who(index, text)
        if not answers:
            raise UserError("who: not in this recording", "run `pvhdbg who` with the kernel")
        return WhoResult(answers, stored, ended=self._document.who_ended)

    def evaluate(self, text: str, capture: Capture) -> int:
        return evaluate_captured(text, capture)

    def disassemble(self, address: int, count: int) -> Sequence[str]:  # noqa: ARG002  the protocol's signature
        return ()

    def document(self) -> Document:
        return self._document


def _not_available(command: str) -> UserError:
    return UserError(f"{command}: not available in a recording", "see `stages` for the stages that were captured")
