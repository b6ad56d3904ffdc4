"""A session with a live machine: it answers commands and runs the guest to the next stage."""

from __future__ import annotations

import re
from contextlib import suppress
from typing import TYPE_CHECKING

from pvhdbg.abi.text import printable
from pvhdbg.boot.record import document as doc
from pvhdbg.boot.record.document import Document, MachineFacts, Outcome
from pvhdbg.boot.run.image_match import runs_on_xen
from pvhdbg.boot.run.run_to_stage import death_outcome, run_to_stage, timeout_outcome
from pvhdbg.boot.run.stop_recorder import StopRecorder
from pvhdbg.boot.run.xen_domains import GDB_LIMIT
from pvhdbg.boot.session import expression
from pvhdbg.boot.session.expression import NotAnAddress
from pvhdbg.boot.session.recorded import Opener, evaluate_captured, recording_of
from pvhdbg.boot.stop import stages
from pvhdbg.boot.who.request import NOT_OURS
from pvhdbg.errors import GuestError, RegisterUnavailable, SymbolMissing, TargetError, UserError
from pvhdbg.lazy_pattern import pattern

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from pvhdbg.boot.lab.rewrite import EntryChange
    from pvhdbg.boot.record.document import Rewrite
    from pvhdbg.boot.run.journey import Journey
    from pvhdbg.boot.run.saved_journey import SavedJourney
    from pvhdbg.boot.stop.capture import Capture, CodeRow
    from pvhdbg.boot.stop.stages import Stage
    from pvhdbg.boot.who.answer import Answer, WhoResult
    from pvhdbg.image.facts import ImageFacts
    from pvhdbg.target.base import Halt, Target

    GoBack = Callable[[str | None], str]
    Disassembler = Callable[[int, int], Sequence[str]]

TIMEOUT = 30.0
_CALIBRATES, _LONG_CALIBRATION = "calibrate_delay", 3.0
"""Linux's function that measures its delay loop, and more seconds than it needs."""
RESTART = "start the guest again"
SEE_STAGES = "see `stages` for what was captured"
_BRANCH_TARGET = pattern(r"\b(?:call|j)[a-z]* +(0x[0-9a-f]+)$", re.ASCII)


class LiveSession(Opener):
    """A session with a machine that can be run from stage to stage.

    `machine_facts` returns a description of the machine for recordings. `disassembler` takes an address and a count,
    and returns instructions in the CPU's current mode. `debugger` evaluates an expression in the debugger's own
    language to an address, and raises TargetError if it can't. `name_of` returns an address as symbol+offset. `note`
    explains why the kernel has no more stages. `serial` returns what the guest has written to its serial console; None
    if pvhdbg does not read it.
    `timeout` is in seconds, for each stage. `go_back` takes the machine back to a stage and returns what happened; None
    if there are no snapshots. `observe` answers `who` with another machine; None if there can't be one.

    `codes` has the instructions at stages, by stage name, if a disassembler has read them.
    """

    _outcome: Outcome | None = None
    _now: Capture | None = None
    _told_limit = False

    def __init__(  # noqa: PLR0913  one callable for each thing that a debugger knows
        self,
        journey: Journey,
        machine_facts: Callable[[], MachineFacts] = MachineFacts,
        *,
        disassembler: Disassembler = lambda _address, _count: (),
        debugger: Callable[[str], int] | None = None,
        name_of: Callable[[int], str | None] = lambda _: None,
        note: str | None = None,
        serial: Callable[[], bytes] | None = None,
        timeout: float = TIMEOUT,
        go_back: GoBack | None = None,
        observe: Callable[[str], WhoResult] | None = None,
    ) -> None:
        self.journey = journey
        self._machine_facts = machine_facts
        self._disassembler = disassembler
        self._debugger = debugger
        self._name_of = name_of
        self._note = note
        self._serial = serial or (lambda: b"")
        journey.recorder = StopRecorder(serial)
        self.codes: dict[str, tuple[CodeRow, ...]] = {}
        self._timeout = timeout
        self._go_back = go_back
        self._observe = observe
        self._answers: dict[str, Answer] = {}
        self._who_ended: str | None = None
        self._undone: Collection[str] = ()

    @property
    def image(self) -> ImageFacts | None:
        return self.journey.image

    @property
    def history(self) -> Sequence[Capture]:
        return self.journey.history

    @property
    def _is_dead(self) -> bool:
        return bool(self.history) and self.history[-1].stage == stages.DIED

    @property
    def outcome(self) -> Outcome:
        """How the last run ended; DONE if the machine has moved since then, or this session has not run it."""
        where_now = (self.journey.reached, self.journey.furthest)
        if self._outcome is None or self._outcome.reached not in where_now:
            return Outcome(self.journey.reached, doc.DONE)
        return self._outcome

    def target_at(self, capture: Capture) -> Target:
        return self.journey.target if capture is self._now else recording_of(capture)

    def current(self) -> Capture:
        if not self._is_dead:
            return self.capture_now()
        self._now = self.history[-1] if self.history[-1].rip is not None else None  # QEMU may be gone
        return self.history[-1]

    def capture_now(self) -> Capture:
        """Capture the machine as it is now. The guest must not be dead."""
        self._now = self.journey.capture_now(self._unchanged())
        self._note_limit_of_gdb()
        return self._now

    def _unchanged(self) -> Capture | None:
        """Return the last capture if the debugger has reported no change since; otherwise None."""
        return None

    def _note_limit_of_gdb(self) -> None:
        with suppress(TargetError):  # the machine may be gone
            if self._debugger is not None and not self._told_limit and runs_on_xen(self.journey.target):
                self._told_limit = True
                self.journey.news.append(GDB_LIMIT)

    def read_no_log(self) -> None:
        """Do not read the kernel's log at each stage: that takes long, and nothing shows it."""
        if self.journey.recorder is not None:
            self.journey.recorder.reads_log = False

    def why_lacking(self, stage: Stage) -> str | None:
        return self.journey.why_lacking(stage)

    def passed(self) -> Sequence[str]:
        with suppress(TargetError):  # there may be no machine, or the guest may be running
            self.current()
        return self.journey.passed

    def refuse_if_dead(self, hint: str | None = RESTART) -> None:
        """Raise an error if the guest is dead, because QEMU hangs if a dead guest is resumed.

        :raise GuestError: if the guest is dead.
        """
        if self._is_dead:
            raise GuestError("the guest is dead", hint)

    def next_stage(self) -> str:
        self.current()
        return self.stage_ahead()

    def stage_ahead(self, hint: str = SEE_STAGES) -> str:
        """Return the name of the next stage, according to the captures so far.

        :raise GuestError: if the guest is dead.
        :raise UserError: if no stages are left, or another kernel is in memory.
        """
        self.refuse_if_dead()
        self.journey.refuse_kernel_mismatch()
        ahead = self.journey.stages_ahead()
        if ahead:
            return ahead[0].name
        if self.journey.passed:
            raise UserError("no stages left", hint)
        if self.journey.reached:
            why = f": {self._note}" if self._note else ""
            raise UserError(f"no stages left after {self.journey.reached}{why}", hint)
        raise UserError("no stages known", "pass the kernel file to get its entry and symbols")

    def locate(self, where: str) -> None:
        """Set the entry address.

        :raise UserError: if the entry is known already, or `where` is neither an address nor a kernel file.
        """
        if self.image is not None and self.image.entry is not None:
            raise UserError("the entry is known from the kernel file", "use `run-to entry` without an address or file")
        self.journey.entry = expression.entry_at(where, self.journey.target)

    def go(self, stage: str) -> Outcome:
        """Run to a stage.

        :raise GuestError: if the guest is dead, or does not have this stage.
        :raise UserError: if the guest has passed the stage, or another kernel is in memory.
        """
        self.current()
        self.refuse_if_dead()
        self.journey.refuse_kernel_mismatch()
        wanted = stages.stage(stage, self.image)
        if reason := self.why_lacking(wanted):
            hint = "pass the kernel file or the entry address to `run-to entry`" if stage == "entry" else None
            raise GuestError(f"this guest has no stage {stage}: {reason}", hint)
        if all(ahead.name != stage for ahead in self.journey.stages_ahead()):
            raise self._has_been_passed(stage)
        return self.run(stage)

    def _has_been_passed(self, stage: str) -> UserError:
        if any(capture.stage == stage for capture in self.history):
            return UserError(f"stage {stage} has been passed", f"see `info @{stage}` for what was captured there")
        return UserError(f"stage {stage} has been passed without a capture", RESTART)

    def run(self, stage: str) -> Outcome:
        """Run to a stage without first checking that it is ahead."""
        outcome = run_to_stage(self.journey, stage, self._timeout, self._name_of)
        self._outcome = outcome
        if outcome.ended in (doc.TIMED_OUT, doc.DEAD):
            self._outcome = self._with_early_end(outcome)
        self._note_limit_of_gdb()
        return self._outcome

    def watch(self, seconds: float, *, to_console: bool) -> Outcome:
        """Let the guest continue for up to `seconds`; with `to_console`, until Linux has started its console.

        :raise TargetError: if the guest stopped for another reason, such as a user's breakpoint.
        """
        from pvhdbg.boot.run.watch import watch

        self._outcome = watch(self.journey, seconds, self._name_of, self._serial, to_console=to_console)
        self._now = None
        return self._outcome

    def note_early_end(self, halt: Halt) -> None:
        """Store how the guest ended before its next stage."""
        self._outcome = self._with_early_end(timeout_outcome(self.journey, halt, self._name_of))

    def _with_early_end(self, outcome: Outcome) -> Outcome:
        from pvhdbg.boot.run.ending import early_outcome

        return early_outcome(self.journey, outcome, self._name_of, self._serial)

    @property
    def ended(self) -> Outcome | None:
        """How the last run ended if pvhdbg found out more than that the guest stopped or died. None otherwise."""
        outcome = self.outcome
        return outcome if outcome.watched is not None else None

    def note_end(self, ended: str | None, seconds: float) -> None:
        """Store how a guest ended after it ran for `seconds`: PANICKED, HALTED or RUNAWAY. None if it only stopped.

        A kernel that has panicked stays panicked, but a guest that ended otherwise may continue. A kernel that has
        calibrated its delay loop for a long time may never finish: with the outcome TIME, PVH916 names the reason.
        Call this while the guest is stopped.
        """
        from pvhdbg.boot.run import ending

        if ended == doc.RUNAWAY and not ending.is_runaway(self.journey):
            ended = None
        if ended is not None:
            self._outcome = ending.end_outcome(self.journey, ended, seconds, self._name_of, self._serial)
        elif self._outcome is None or (self._outcome.watched and self._outcome.watched.ended != doc.PANICKED):
            self._outcome = None
            symbol = self._name_of(self.journey.target.register("rip")) or ""
            if seconds > _LONG_CALIBRATION and symbol.startswith(_CALIBRATES):
                self._outcome = ending.end_outcome(self.journey, doc.TIME, seconds, self._name_of, self._serial)

    def back(self, stage: str | None) -> str:
        """Take the machine back to a stage, or to the last captured stage before here. Return what happened.

        :raise UserError: if this machine has no snapshots, or the stage was not captured before here.
        """
        if self._go_back is None:
            raise UserError(
                "can't go back: only pvhdbg's screen takes snapshots", "start `pvhdbg KERNEL` on a terminal"
            )
        return self._go_back(stage)

    @property
    def undone(self) -> Collection[str]:
        """The stages that were captured before the machine went back, and not again since."""
        captured = {capture.stage for capture in self.history}
        return [name for name in self._undone if name not in captured]

    def went_back(self, saved: SavedJourney | None, before: Collection[str]) -> None:
        """Continue with what the journey knew when it was saved; with None, with what it knows now.

        `before` has the names of the stages that had been captured before the machine went back.
        """
        if saved is not None:
            saved.restore(self.journey)
        self._undone = before
        self._outcome = None
        self._now = None

    def _record_panic(self) -> None:
        """Record the panic of a Linux whose stages passed without a capture, if its log has one."""
        from pvhdbg.boot.run.ending import find_panic

        if self._now is not None and self._now.stage == stages.UNSEEN and self._outcome is None:
            with suppress(TargetError):  # the machine may be gone
                self._outcome = find_panic(self.journey)

    def record_death(self, death: Halt) -> None:
        """Record how the guest died while the debugger ran it. The first record is kept."""
        if not self._is_dead:
            self.journey.capture_at(stages.DIED)
        if self.outcome.died is None:
            self._outcome = self._with_early_end(death_outcome(self.journey, death, self._name_of))

    def disassemble(self, address: int, count: int) -> Sequence[str]:
        """Return instructions in the CPU's current mode; none if QEMU is gone."""
        is_gone = self._is_dead and self.history[-1].rip is None
        return () if is_gone else [self._with_name(line) for line in self._disassembler(address, count)]

    def _with_name(self, instruction: str) -> str:
        """Append the symbol that a branch or call instruction goes to."""
        match = _BRANCH_TARGET.search(instruction) if self.journey.kernel_mismatch is None else None
        name = self._name_of(int(match[1], 16)) if match else None
        return f"{instruction} <{printable(name)}>" if name else instruction

    def rewrite(self, change: EntryChange) -> Sequence[Rewrite]:
        """Change boot data at the entry.

        :raise UserError: if the machine is not at its entry, or the change can't be made.
        """
        return self.journey.rewrite([change])

    def who(self, text: str) -> WhoResult:
        """See Session. The answers become part of the recording."""
        if self._observe is None:
            raise UserError(NOT_OURS)
        found = self._observe(text)
        self._answers.update({answer.path: answer for answer in (*found.answers, *found.links.values())})
        self._who_ended = found.ended
        return found

    def evaluate(self, text: str, capture: Capture) -> int:
        return self.evaluate_now(text) if capture is self._now else evaluate_captured(text, capture)

    def evaluate_now(self, text: str) -> int:
        """Evaluate an address that the user typed, on the machine as it is now. The debugger evaluates other forms.

        :raise UserError: if the text is not an address, or neither pvhdbg nor the debugger knows a name in it.
        """
        try:
            return expression.evaluate(text, self.journey.target)
        except (NotAnAddress, SymbolMissing, RegisterUnavailable) as error:
            # A debugger with another kernel's symbols would find the wrong places.
            if self._debugger is not None and self.journey.kernel_mismatch is None:
                with suppress(TargetError):
                    return self._debugger(text)
            raise UserError(str(error), error.hint) from error

    def document(self) -> Document:
        self._record_panic()
        handed_over = self.journey.handed_over
        vmm = handed_over and handed_over.facts(self._name_of)
        machine = self._machine_facts()._replace(rewrites=self.journey.rewrites, vmm=vmm)
        who = tuple(self._answers.values()) or None
        stops = tuple(stop._replace(code=self.codes.get(stop.stage, stop.code)) for stop in self.history)
        return Document(self.image, machine, stops, self.outcome, who, self._who_ended)
