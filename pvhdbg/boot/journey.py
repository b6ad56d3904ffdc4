"""From stage to stage: written once, over Target and Runner."""

from __future__ import annotations

import time
from contextlib import nullcontext, suppress
from typing import TYPE_CHECKING, cast

from pvhdbg.abi.cpu import CR0_PG
from pvhdbg.boot import stages
from pvhdbg.boot.address import Addresses
from pvhdbg.boot.read import capture
from pvhdbg.errors import RegisterUnavailable, SymbolMissing, TargetError, UserError
from pvhdbg.target.base import DIED, HIT, Halt, Runner, Target

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Sequence
    from contextlib import AbstractContextManager

    from pvhdbg.boot.capture import Capture
    from pvhdbg.boot.document import Rewrite
    from pvhdbg.boot.rewrite import Change
    from pvhdbg.boot.stages import Stage
    from pvhdbg.image.facts import ImageFacts
    from pvhdbg.target.base import WritableTarget

    Reading = Callable[[], AbstractContextManager[object]]


class Journey:
    """One machine's way through its boot, and what was captured on it, oldest first.

    `entry` is the PHYS32_ENTRY address, null where nobody knows it: an image tells it, or whoever knows better.
    `reading` is a context in which many physical reads are cheap, where the target has one. `changes` are made to what
    was handed over when `go` comes to the entry; `rewrites` is what was written, then or by `rewrite`.
    """

    def __init__(
        self,
        target: Target,
        runner: Runner,
        image: ImageFacts | None,
        *,
        reading: Reading = nullcontext,
        changes: Sequence[Change] = (),
    ) -> None:
        self.rewrites: tuple[Rewrite, ...] = ()
        self._changes = changes
        self.target = target
        self.image = image
        self.entry = image.entry if image else None
        self.history: list[Capture] = []
        self._runner = runner
        self._reading = reading
        self._returns: dict[str, int] = {}
        self._start_info_paddr: int | None = None
        self._missed_entry = False

    @property
    def reached(self) -> str | None:
        """The last stage that was captured."""
        names = [each.stage for each in self.history if each.stage != stages.DIED]
        return names[-1] if names else None

    def lacking(self, stage: Stage) -> str | None:
        """Why this guest does not have a stage, or null if it has it."""
        if stage.symbol is None:
            return None if self.entry is not None else "the entry address is not known"
        try:
            self.target.symbol(stage.symbol)
        except SymbolMissing as error:
            return str(error)
        return None

    def ahead(self) -> list[Stage]:
        """The stages this guest has and has not reached yet, in order; without an entry that was passed unseen."""
        done = stages.NAMES.index(self.reached) + 1 if self.reached else int(self._missed_entry)
        return [each for each in stages.STAGES[done:] if self.lacking(each) is None]

    def recognise(self, rip: int) -> Stage | None:
        """The stage whose first instruction, or whose awaited return, `rip` is."""
        for stage in stages.STAGES:
            if self.lacking(stage) is None and rip in self._arrivals(stage):
                return stage
        return None

    def go(self, last: str, timeout: float) -> Iterator[Halt]:
        """Run to each stage ahead up to `last` and capture there. Ends after the first halt that is no HIT.

        `timeout` is in seconds, for each stage.
        """
        wanted = stages.NAMES.index(last)
        for stage in self.ahead():
            if stages.NAMES.index(stage.name) > wanted:
                return
            halt = self._run_to(stage, timeout)
            if halt.kind == HIT:
                self.look(stage.name)
                if stage.name == "entry" and self._changes:
                    self.rewrite(self._changes)
            elif halt.kind == DIED:
                self.look(stages.DIED)
            yield halt
            if halt.kind != HIT:
                return

    def look(self, stage: str) -> Capture:
        """Capture what is there now, as `stage`. A second look at where it stands takes the place of the first."""
        if stage == "entry":
            self._start_info_paddr = None
        seen = self._capture(stage)
        with self._reading():
            self._remember_return(stages.stage(stage))
        if stage == "entry" and seen.start_info is not None:
            self._start_info_paddr = seen.start_info.at
        if self.history and self.history[-1].stage == stage:
            self.history.pop()
        self.history.append(seen)
        return seen

    def rewrite(self, changes: Sequence[Change]) -> tuple[Rewrite, ...]:
        """Change what was handed over, and capture the entry as it is then.

        :raise UserError: if the machine does not stand at its entry, or a change can't be made.
        """
        from pvhdbg.boot.rewrite import apply

        if self.reached != "entry" or self.target.register("rip") != self.entry:
            raise UserError(
                "what was handed over can be changed at the entry alone",
                "start again and stop there: `starti`, on pvhdbg's screen",
            )
        if not hasattr(self.target, "write_phys"):
            raise UserError("this machine's memory can't be written")
        with self._reading():
            done, _ = apply(cast("WritableTarget", self.target), self.image, self.history[-1], changes)
        self.rewrites += done
        self.look("entry")
        return done

    def glance(self) -> Capture:
        """What is there now, wherever that is: at a stage, which is captured, or between two, where what the next one
        will have is being made and is read as well. Between stages the history stays as it is.

        :raise TargetError: if the machine has gone.
        """
        stage = self.recognise(self.target.register("rip"))
        if stage is not None:
            return self.look(stage.name)
        if self.reached is None:
            nowhere = self._nowhere()
            self._missed_entry = nowhere == stages.UNSEEN
            return self._capture(nowhere)
        return self._capture(self.reached, stages.made_after(self.reached))

    def _nowhere(self) -> str:
        """Before the entry or, on a machine that others let run, behind it."""
        rip, paging = self.target.register("rip"), 0
        with suppress(RegisterUnavailable):  # a stub without control registers
            paging = self.target.register("cr0") & CR0_PG
        inside = self.image and any(each.paddr <= rip < each.end for each in self.image.segments)
        return stages.UNSEEN if paging or inside else stages.RESET

    def _capture(self, stage: str, also: Collection[str] = ()) -> Capture:
        with self._reading():
            return capture(self.target, stage, self.image, self._start_info_paddr, also)

    def _arrivals(self, stage: Stage) -> Collection[int]:
        """Where RIP is at this stage; nothing for a return whose call was not seen."""
        if stage.symbol is None:
            return () if self.entry is None else (self.entry,)
        if stage.returns:
            back = self._returns.get(stage.symbol)
            return () if back is None else (back,)
        return self._function(stage.symbol)

    def _function(self, symbol: str) -> Collection[int]:
        address = self.target.symbol(symbol)
        return self.image.aliases(address) if self.image else (address,)

    def _run_to(self, stage: Stage, timeout: float) -> Halt:
        deadline = time.monotonic() + timeout
        if stage.returns and stage.symbol is not None and stage.symbol not in self._returns:
            halt = self._to_function(stage.symbol, timeout)
            if halt.kind != HIT:
                return halt
        return self._runner.run_to(self._arrivals(stage), max(deadline - time.monotonic(), 0.0))

    def _to_function(self, symbol: str, timeout: float) -> Halt:
        """Run to the function's first instruction, where its return address is on top of the stack."""
        start = self._function(symbol)
        rip = self.target.register("rip")
        halt = Halt(HIT, rip) if rip in start else self._runner.run_to(start, timeout)
        if halt.kind == HIT:
            with self._reading():
                self._returns[symbol] = self._return_address()
        return halt

    def _remember_return(self, stage: Stage) -> None:
        """Whoever steps into the function by hand can still go to its return afterwards."""
        if stage.symbol is not None and not stage.returns:
            with suppress(TargetError):
                self._returns[stage.symbol] = self._return_address()

    def _return_address(self) -> int:
        registers = {name: self.target.register(name) for name in ("rip", "rsp", "cr0", "cr3", "cr4", "efer")}
        return Addresses(self.target, registers, self.image).return_address()
