"""The Session protocol: what a command may ask, of a live machine or of a recording."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pvhdbg.boot.lab.rewrite import EntryChange
    from pvhdbg.boot.record.document import Document, Outcome, Rewrite
    from pvhdbg.boot.stop.capture import Capture
    from pvhdbg.boot.stop.stages import Stage
    from pvhdbg.image.facts import ImageFacts
    from pvhdbg.target.base import Target


class Session(Protocol):
    """A boot that commands ask about. LiveSession can run it; RecordedSession refuses what needs a machine."""

    @property
    def image(self) -> ImageFacts | None:
        """The kernel, or None if it is unknown or not the one in memory."""
        ...

    @property
    def history(self) -> Sequence[Capture]:
        """The captures, one per stage, oldest first."""
        ...

    @property
    def opened(self) -> Session | None:
        """The recording that commands ask instead of this session, or None."""
        ...

    def open(self, document: Document | None, /) -> None:
        """Let commands ask a recording instead of this session; None ends that."""
        ...

    def current(self) -> Capture:
        """Capture the machine as it is now; return the last stage reached for a recording or a dead guest.

        :raise UserError: if there is no capture at all.
        """
        ...

    def target_at(self, capture: Capture, /) -> Target:
        """Return where to read what a capture does not hold: the machine if the capture is the current one."""
        ...

    def why_lacking(self, stage: Stage, /) -> str | None:
        """Return why this boot does not have a stage, or None if it has it."""
        ...

    def passed(self) -> Sequence[str]:
        """Return the stages that the guest passed without a capture."""
        ...

    def next_stage(self) -> str:
        """Return the name of the next stage.

        :raise UserError: if no stages are left.
        """
        ...

    def locate(self, where: str, /) -> None:
        """Set the entry if no kernel file is known: an address, or the path of the kernel's ELF file."""
        ...

    def go(self, stage: str, /) -> Outcome:
        """Run to a stage, and capture there and at each stage on the way."""
        ...

    def rewrite(self, change: EntryChange, /) -> Sequence[Rewrite]:
        """Change what the loader handed over, at the entry. Return what was written."""
        ...

    def evaluate(self, text: str, capture: Capture, /) -> int:
        """Return the address that the user typed, with the symbols and registers of a capture.

        :raise UserError: if it is not an address, or has no value there.
        """
        ...

    def disassemble(self, address: int, count: int, /) -> Sequence[str]:
        """Return `count` instructions at an address, in the CPU's current mode; none if they can't be read."""
        ...

    def document(self) -> Document:
        """Return everything that was captured, as a recording."""
        ...
