"""The Session protocol: everything that a command may query, from a live machine or a recording."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from pvhdbg.boot.lab.rewrite import EntryChange
    from pvhdbg.boot.record.document import Document, Outcome, Rewrite
    from pvhdbg.boot.stop.capture import Capture
    from pvhdbg.boot.stop.stages import Stage
    from pvhdbg.boot.who.answer import WhoResult
    from pvhdbg.image.facts import ImageFacts
    from pvhdbg.target.base import Target


class Session(Protocol):
    """A boot that commands query. A LiveSession can run the guest; a RecordedSession cannot."""

    @property
    def image(self) -> ImageFacts | None:
        """The kernel file; None if it is unknown, or if another kernel is in memory."""
        ...

    @property
    def history(self) -> Sequence[Capture]:
        """The captures, one per stage, oldest first."""
        ...

    @property
    def opened(self) -> Session | None:
        """The recording that answers commands instead of this session; None if no recording is open."""
        ...

    def open(self, document: Document | None, /) -> None:
        """Open a recording, which then answers commands instead of this session. None closes the recording."""
        ...

    def current(self) -> Capture:
        """Capture the machine as it is now; for a recording or a dead guest, return the last capture.

        :raise UserError: if there are no captures.
        """
        ...

    def target_at(self, capture: Capture, /) -> Target:
        """Return a Target to read memory for a capture: the machine for the current capture, otherwise a recording."""
        ...

    def why_lacking(self, stage: Stage, /) -> str | None:
        """Return why this boot does not have a stage; None if it has the stage."""
        ...

    def passed(self) -> Sequence[str]:
        """Return the stages that the guest passed without a capture."""
        ...

    @property
    def undone(self) -> Collection[str]:
        """The stages that were captured before the machine went back, and not again since."""
        ...

    def back(self, stage: str | None, /) -> str:
        """Take the machine back to a stage, or to the last captured stage before here. Return what happened.

        :raise UserError: if there is no way back.
        """
        ...

    def next_stage(self) -> str:
        """Return the name of the next stage.

        :raise UserError: if no stages are left.
        """
        ...

    def locate(self, where: str, /) -> None:
        """Set the entry address if no kernel file is known. `where` is an address, or the path of an ELF file."""
        ...

    def go(self, stage: str, /) -> Outcome:
        """Run to a stage. Capture the machine there, and at each stage on the way."""
        ...

    def rewrite(self, change: EntryChange, /) -> Sequence[Rewrite]:
        """Change boot data that the VMM passed, at the entry. Return what was written."""
        ...

    def who(self, text: str, /) -> WhoResult:
        """Return who wrote and who reads what the user asks about. See boot.who.request for the forms of `text`.

        :raise UserError: if there is no such field, or this guest can't be booted again.
        """
        ...

    def evaluate(self, text: str, capture: Capture, /) -> int:
        """Evaluate an address that the user typed, with the symbols and registers of a capture.

        :raise UserError: if the text is not an address, or a symbol or register in it is unknown.
        """
        ...

    def disassemble(self, address: int, count: int, /) -> Sequence[str]:
        """Disassemble `count` instructions at an address, in the CPU's current mode; none if they can't be read."""
        ...

    def document(self) -> Document:
        """Return everything that was captured, as a recording."""
        ...
