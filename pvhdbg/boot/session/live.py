"""Where questions are asked: what that must be able to do, and a machine on its way through the stages."""

from __future__ import annotations

import re
from contextlib import suppress
from typing import TYPE_CHECKING, Protocol

from pvhdbg.abi.text import printable
from pvhdbg.boot.record import document as doc
from pvhdbg.boot.record.document import Document, MachineFacts, Outcome
from pvhdbg.boot.run.run_to_stage import run_to_stage
from pvhdbg.boot.session.expression import entry_at, evaluate
from pvhdbg.boot.session.recorded import Opener, last_reached, recording_of
from pvhdbg.boot.stop import stages
from pvhdbg.errors import GuestError, RegisterUnavailable, SymbolMissing, TargetError, UserError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pvhdbg.boot.lab.rewrite import Change
    from pvhdbg.boot.record.document import Rewrite
    from pvhdbg.boot.run.journey import Journey
    from pvhdbg.boot.stop.capture import Capture
    from pvhdbg.boot.stop.stages import Stage
    from pvhdbg.image.facts import ImageFacts
    from pvhdbg.target.base import Target

    Disassembler = Callable[[int, int], Sequence[str]]

TIMEOUT = 30.0
_LEADS_TO = re.compile(r"\b(?:call|j)[a-z]* +(0x[0-9a-f]+)$", re.ASCII)


class Session(Protocol):
    """What a command may ask of where it runs: a machine, gdb, or a recording."""

    @property
    def image(self) -> ImageFacts | None: ...

    @property
    def history(self) -> Sequence[Capture]:
        """What was captured at the stages, oldest first."""
        ...

    @property
    def opened(self) -> Session | None:
        """The recording that is looked at instead, if there is one."""
        ...

    def open(self, document: Document | None, /) -> None:
        """Look at a recording instead, or no longer."""
        ...

    def current(self) -> Capture:
        """What is there now; in a recording, and of a dead guest, at the last stage reached."""
        ...

    def target_at(self, capture: Capture, /) -> Target:
        """Whom to ask for more than a capture has."""
        ...

    def lacking(self, stage: Stage, /) -> str | None:
        """Why there is no such stage here, or null if there is."""
        ...

    def passed(self) -> Sequence[str]:
        """The stages that can't come any more and that nobody captured."""
        ...

    def next_stage(self) -> str: ...

    def locate(self, where: str, /) -> None:
        """Learn where the entry is, where no image tells: its address, or the path of the kernel's ELF file."""
        ...

    def go(self, stage: str, /) -> Outcome:
        """Run to a stage and capture there, and at each stage on the way."""
        ...

    def rewrite(self, change: Change, /) -> Sequence[Rewrite]:
        """Change what was handed over, at the entry; what was written."""
        ...

    def evaluate(self, words: str, capture: Capture, /) -> int:
        """An expression's value, as an address, where the symbols and registers are those of a capture."""
        ...

    def disassemble(self, address: int, count: int, /) -> Sequence[str]:
        """Instructions at an address as the CPU sees it, one a line; none where nobody can tell."""
        ...

    def document(self) -> Document: ...


def _no_more(journey: Journey) -> UserError:
    if journey.passed:
        return UserError("every stage that was left has been passed", "`stages` tells which were captured")
    if journey.reached:
        return UserError(f"{journey.reached} is the last stage")
    return UserError("no stage is known here", "name the kernel: its file and symbols tell")


class LiveSession(Opener):
    """A machine on a journey. `outcome` is how that went so far, where somebody else was the guide.

    `disassembler` gives lines for so many instructions at an address as the CPU sees it; `expressions` the address that
    a debugger's expression means, or raises TargetError; `name_of` gives an address as symbol+offset; `timeout` is in
    seconds, for each stage.
    """

    def __init__(  # noqa: PLR0913  each is one question that somebody else answers
        self,
        journey: Journey,
        machine: MachineFacts | None = None,
        outcome: Outcome | None = None,
        *,
        disassembler: Disassembler = lambda _address, _count: (),
        expressions: Callable[[str], int] | None = None,
        name_of: Callable[[int], str | None] = lambda _: None,
        timeout: float = TIMEOUT,
    ) -> None:
        self.journey = journey
        self.machine = machine or MachineFacts()
        self._disassembler = disassembler
        self._outcome = outcome
        self._expressions = expressions
        self._name_of = name_of
        self._timeout = timeout
        self._now: Capture | None = None

    @property
    def image(self) -> ImageFacts | None:
        return self.journey.image

    @property
    def history(self) -> Sequence[Capture]:
        return self.journey.history

    @property
    def _is_dead(self) -> bool:
        return bool(self.history) and self.history[-1].stage == stages.DIED

    def target_at(self, capture: Capture) -> Target:
        """The machine for what is there now; of what was before there is only what was captured."""
        return self.journey.target if capture is self._now else recording_of(capture)

    def current(self) -> Capture:
        """What is there now; of a dead guest the last stage it reached."""
        self._now = None if self._is_dead else self.journey.capture_now()
        return self._now or last_reached(self.history)

    def lacking(self, stage: Stage) -> str | None:
        return self.journey.lacking(stage)

    def passed(self) -> Sequence[str]:
        with suppress(TargetError):  # there is no machine, or it runs
            self.current()
        return self.journey.passed

    def next_stage(self) -> str:
        """:raise UserError: if there is none."""
        self.current()
        self.journey.refuse_kernel_mismatch()
        ahead = self.journey.ahead()
        if not ahead:
            raise _no_more(self.journey)
        return ahead[0].name

    def locate(self, where: str) -> None:
        """:raise UserError: if the entry is known already, or `where` does not tell it."""
        if self.image is not None and self.image.entry is not None:
            raise UserError("the kernel is known: its file tells where the entry is")
        self.journey.entry = entry_at(where)

    def go(self, stage: str) -> Outcome:
        """:raise GuestError: if the guest is dead or has no such stage.
        :raise UserError: if it has been passed.
        """
        if self._is_dead:
            raise GuestError("the guest is dead", "start it again")
        self.current()
        self.journey.refuse_kernel_mismatch()
        if reason := self.lacking(stages.stage(stage)):
            hint = None if stages.stage(stage).symbol else "`run-to entry` takes the kernel's file or that address"
            raise GuestError(f"this guest has no stage {stage}: {reason}", hint)
        if all(each.name != stage for each in self.journey.ahead()):
            was_seen = any(each.stage == stage for each in self.history)
            hint = f"`info @{stage}` shows what was captured there" if was_seen else "it was not captured"
            raise UserError(f"stage {stage} has been passed", hint)
        self._outcome = run_to_stage(self.journey, stage, self._timeout, self._name_of)
        return self._outcome

    def disassemble(self, address: int, count: int) -> Sequence[str]:
        """None of a dead guest: its CPU may have been in another mode at the stage that is asked about."""
        return () if self._is_dead else [self._with_name(each) for each in self._disassembler(address, count)]

    def _with_name(self, instruction: str) -> str:
        """Where a call or a jump leads, by name."""
        found = _LEADS_TO.search(instruction) if self.journey.kernel_mismatch is None else None
        name = self._name_of(int(found[1], 16)) if found else None
        return f"{instruction} <{printable(name)}>" if name else instruction

    def rewrite(self, change: Change) -> Sequence[Rewrite]:
        """:raise UserError: if the machine does not stand at its entry, or there is no such thing to change."""
        return self.journey.rewrite([change])

    def evaluate(self, words: str, capture: Capture) -> int:
        """A sum of ours, or what the debugger makes of it; of the past the debugger knows nothing."""
        try:
            return evaluate(words, self.target_at(capture))
        except (UserError, SymbolMissing, RegisterUnavailable) as error:
            if self._expressions is None or capture is not self._now or self.journey.kernel_mismatch is not None:
                raise UserError(str(error), error.hint) from error
            try:
                return self._expressions(words)
            except TargetError as problem:
                raise UserError(str(problem if isinstance(error, UserError) else error)) from problem

    def document(self) -> Document:
        outcome = self._outcome
        if outcome is None or outcome.reached != self.journey.reached:  # the user has gone on, or it was reset
            outcome = Outcome(self.journey.reached, doc.DONE)
        machine = self.machine._replace(rewrites=self.journey.rewrites)
        return Document(self.image, machine, tuple(self.history), outcome)
