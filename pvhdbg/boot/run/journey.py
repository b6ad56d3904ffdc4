"""From stage to stage: written once, over Target and Runner."""

from __future__ import annotations

import time
from contextlib import nullcontext, suppress
from typing import TYPE_CHECKING, cast

from pvhdbg.abi.cpu import CR0_PE, CR0_PG
from pvhdbg.boot.run import image_match
from pvhdbg.boot.run.stage_detection import Progress, Return
from pvhdbg.boot.stop import stages
from pvhdbg.boot.stop.address import Addresses
from pvhdbg.boot.stop.capture import MISSING_KERNEL, MISSING_STAGE
from pvhdbg.boot.stop.read import read_capture
from pvhdbg.errors import GuestError, RegisterUnavailable, SymbolMissing, TargetError, UserError
from pvhdbg.target.base import DIED, HIT, RESET, RESET_VECTOR, Halt, Runner, Target

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Sequence
    from contextlib import AbstractContextManager

    from pvhdbg.boot.lab.rewrite import EntryChange
    from pvhdbg.boot.record.document import Rewrite
    from pvhdbg.boot.stop.capture import Capture
    from pvhdbg.boot.stop.stages import Stage
    from pvhdbg.image.facts import ImageFacts
    from pvhdbg.target.base import WritableTarget

    Reading = Callable[[], AbstractContextManager[object]]
    NameOf = Callable[[int], str | None]

WAS_RESET = "the guest was reset and boots again"
_SEE_WHY = "a QEMU that is started with -no-reboot -no-shutdown stops where its guest died"
_OTHER_KERNEL = "name the file of the kernel that runs there; of one that was moved (KASLR) no address is known"


class Journey:
    """One machine's way through its boot, and what was captured on it, oldest first.

    `entry` is the PHYS32_ENTRY address, null where nobody knows it: an image tells it, or whoever knows better.
    `reading` is a context in which many physical reads are cheap, where the target has one. `name_of` gives an address
    as symbol+offset. `changes` are made to what was handed over when `go` comes to the entry; `rewrites` is what was
    written, then or by `rewrite`. `is_sure` where nobody need ask whether the image is what runs.

    A guest whose memory holds another kernel than the image has no image and no symbols, and `stranger` says why.
    `news` are lines for the user, until somebody takes them.
    """

    def __init__(  # noqa: PLR0913  each is one question that somebody else answers
        self,
        target: Target,
        runner: Runner,
        image: ImageFacts | None,
        *,
        reading: Reading = nullcontext,
        changes: Sequence[EntryChange] = (),
        name_of: NameOf = lambda _: None,
        trust_image: bool = False,
    ) -> None:
        self._changes = changes
        self._own = target
        self._runner = runner
        self._reading = reading
        self._name_of = name_of
        self._is_sure = trust_image
        self.news: list[str] = []
        self.set_image(image)
        self._start_over()

    def take_news(self) -> list[str]:
        told, self.news = self.news, []
        return told

    def set_image(self, image: ImageFacts | None) -> None:
        """The kernel's file, which has to prove itself, and the entry that it tells."""
        self._file = image
        self._is_loaded = True if self._is_sure else None
        self.kernel_mismatch: str | None = None
        self.entry = image.entry if image else None

    def _start_over(self) -> None:
        self.rewrites: tuple[Rewrite, ...] = ()
        self.history: list[Capture] = []
        self._returns: dict[str, Return] = {}
        self._start_info_paddr: int | None = None
        self._passed = 0
        self._left_at: int | None = None

    @property
    def target(self) -> Target:
        return self._own if self.kernel_mismatch is None else image_match.WithoutSymbols(self._own)

    @property
    def image(self) -> ImageFacts | None:
        return self._file if self.kernel_mismatch is None else None

    @property
    def reached(self) -> str | None:
        """The last stage that was captured."""
        names = [each.stage for each in self.history if each.stage != stages.DIED]
        return names[-1] if names else None

    @property
    def passed(self) -> list[str]:
        """The stages that were passed while nobody looked."""
        captured = {each.stage for each in self.history}
        return [each for each in stages.NAMES[: self._passed] if each not in captured]

    def lacking(self, stage: Stage) -> str | None:
        """Why this guest does not have a stage, or null if it has it."""
        if stage.symbol is None:
            unknown = image_match.ANOTHER_KERNEL if self.kernel_mismatch else "the entry address is not known"
            return None if self.entry is not None else unknown
        if self.kernel_mismatch is not None:
            return image_match.ANOTHER_KERNEL
        try:
            self.target.symbol(stage.symbol)
        except SymbolMissing as error:
            return str(error)
        return None

    def ahead(self) -> list[Stage]:
        """The stages this guest has and that can still come, in order."""
        return [each for each in stages.STAGES[self._behind :] if self.lacking(each) is None]

    @property
    def _behind(self) -> int:
        """How many stages were reached or passed."""
        return max(stages.NAMES.index(self.reached) + 1 if self.reached else 0, self._passed)

    def stage_at(self, rip: int) -> Stage | None:
        """The stage whose first instruction, or whose awaited return, `rip` is."""
        for stage in stages.STAGES:
            if self.lacking(stage) is None and rip in self._arrivals(stage):
                return stage
        return None

    def go(self, last: str, timeout: float) -> Iterator[Halt]:
        """Run to each stage ahead up to `last` and capture there. Ends after the first halt that is no HIT.

        `timeout` is in seconds, for each stage.

        :raise GuestError: if the guest was reset on the way.
        :raise UserError: if its kernel turns out to be another one than the file that was named.
        """
        wanted = stages.NAMES.index(last)
        for stage in self.ahead():
            if stages.NAMES.index(stage.name) > wanted:
                return
            halt = self._run_to(stage, timeout)
            self._refuse(halt)
            if halt.kind == HIT:
                self.capture_at(stage.name)
                if stage.name == "entry" and self._changes:
                    self.rewrite(self._changes)
            elif halt.kind == DIED:
                self.capture_at(stages.DIED)
            yield halt
            if halt.kind != HIT:
                return

    def _refuse(self, halt: Halt) -> None:
        if halt.kind == RESET:
            self._start_over()
            raise GuestError(WAS_RESET, _SEE_WHY)
        if halt.kind != DIED:
            self.check_kernel()
            self.refuse_kernel_mismatch()

    def refuse_kernel_mismatch(self) -> None:
        """:raise UserError: if another kernel is there than the one whose file is known."""
        if self.kernel_mismatch is not None and self.entry is None:
            self.news.clear()
            raise UserError(self.kernel_mismatch, _OTHER_KERNEL)

    def capture_at(self, stage: str) -> Capture:
        """Capture what is there now, as `stage`. A second look at where it stands takes the place of the first."""
        if stage == "entry":
            self._start_info_paddr = None
        seen = self._capture(stage)
        if stage == stages.DIED and seen.rip is not None:
            with suppress(TargetError):
                self._passed = self._find_passed(seen.rip)
        with self._reading():
            self._remember_return(stages.stage(stage))
        if stage == "entry" and seen.start_info is not None:
            self._start_info_paddr = seen.start_info.at
        if self.history and self.history[-1].stage == stage:
            self.history.pop()
        self.history.append(seen)
        return seen

    def rewrite(self, changes: Sequence[EntryChange]) -> tuple[Rewrite, ...]:
        """Change what was handed over, and capture the entry as it is then.

        :raise UserError: if the machine does not stand at its entry, or a change can't be made.
        """
        from pvhdbg.boot.lab.rewrite import apply_changes

        if self.reached != "entry" or self.target.register("rip") != self.entry:
            raise UserError(
                "what was handed over can be changed at the entry alone",
                "start again and stop there: `starti`, on pvhdbg's screen",
            )
        if not hasattr(self.target, "write_phys"):
            raise UserError("this machine's memory can't be written")
        with self._reading():
            done, _ = apply_changes(cast("WritableTarget", self.target), self.image, self.history[-1], changes)
        self.rewrites += done
        self.capture_at("entry")
        return done

    def capture_now(self) -> Capture:
        """What is there now, wherever that is: at a stage, which is captured, or between two, where what the next one
        will have is being made and is read as well. Between stages the history stays as it is.

        :raise TargetError: if the machine has gone.
        """
        with self._reading():
            stage = self.find()
            if stage is not None:
                return self.capture_at(stage.name)
            if self.reached is None:
                return self._capture_nowhere()
            seen = self._capture(self.reached, stages.filled_in_after(self.reached))
        return seen._replace(missing={**seen.missing, MISSING_STAGE: f"after {self.reached}, at no stage"})

    def find(self) -> Stage | None:
        """The stage that the machine stands at; and whatever it did while nobody looked is known then."""
        rip = self._own.register("rip")
        self.check_kernel()
        if self._went_back(rip):
            self._start_over()
            self.news.append(f"{WAS_RESET}: what was captured before is forgotten")
        stage = self.stage_at(rip)
        if stage is not None:
            self._passed = max(self._passed, stages.NAMES.index(stage.name))
        elif rip != self._left_at:
            self._passed = self._find_passed(rip)
        self._left_at = rip
        return stage

    def check_kernel(self) -> None:
        """Find out whether the kernel that is there is the one whose file is known."""
        if self._file is None or self._is_loaded:
            return
        with self._reading():
            self._is_loaded = image_match.is_loaded(self._own, self._file)
        before = self.kernel_mismatch
        self.kernel_mismatch = image_match.words(self._file) if self._is_loaded is False else None
        if self.kernel_mismatch is not None and before is None:
            self.news.append(self.kernel_mismatch)
            self.entry = None
        elif before is not None and self.entry is None:
            self.entry = self._file.entry if self.kernel_mismatch is None else None

    def _went_back(self, rip: int) -> bool:
        """Whether the machine is where it was before what was captured, or passed, last."""
        if not self._behind:
            return False
        here = self.stage_at(rip)
        if here is not None:
            return stages.NAMES.index(here.name) < self._behind - 1
        cr0 = image_match.cr0_of(self._own) or 0
        then = (self.history[-1].registers.get("cr0") or 0) if self.history else 0
        return rip == RESET_VECTOR or bool(then & ~cr0 & (CR0_PE | CR0_PG))

    def _find_passed(self, rip: int) -> int:
        if self.image is None:
            return max(self._passed, int(self._is_paging()))
        addresses = Addresses(self.target, self._registers(), self.image)
        found = Progress(self.target, self.image, addresses, self._name_of(rip) or "", self._returns)
        return found.passed(self._behind)

    def _is_paging(self) -> bool:
        return bool((image_match.cr0_of(self._own) or 0) & CR0_PG)

    def _capture_nowhere(self) -> Capture:
        """Before the entry or, on a machine that others let run, behind it."""
        if not (self._passed or self.kernel_mismatch or self._is_paging()):
            return self._capture(stages.RESET)
        if self.image is None:
            return self._capture(stages.UNSEEN, (stages.KERNEL_BOOT_PARAMS,))
        return self._capture(stages.UNSEEN, stages.readable_after_missing(self._passed))

    def _capture(self, stage: str, also: Collection[str] = ()) -> Capture:
        with self._reading():
            seen = read_capture(self.target, stage, self.image, self._start_info_paddr, also)
        self._left_at = seen.rip
        return (
            seen
            if self.kernel_mismatch is None
            else seen._replace(missing={**seen.missing, MISSING_KERNEL: self.kernel_mismatch})
        )

    def _arrivals(self, stage: Stage) -> Collection[int]:
        """Where RIP is at this stage; nothing for a return whose call was not seen."""
        if stage.symbol is None:
            return () if self.entry is None else (self.entry,)
        if stage.returns:
            back = self._returns.get(stage.symbol)
            return () if back is None else (back.address,)
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
                self._returns[symbol] = self._call()
        return halt

    def _remember_return(self, stage: Stage) -> None:
        """Whoever steps into the function by hand can still go to its return afterwards."""
        if stage.symbol is not None and not stage.returns:
            with suppress(TargetError):
                self._returns[stage.symbol] = self._call()

    def _call(self) -> Return:
        """The call that the machine stands at the first instruction of."""
        addresses, rsp = Addresses(self.target, self._registers(), self.image), self.target.register("rsp")
        return Return(addresses.return_address(), addresses.physical(rsp), rsp)

    def _registers(self) -> dict[str, int]:
        """Those that addresses are translated by, without those that a stub does not know."""
        found = {}
        for name in ("rip", "rsp", "cr0", "cr3", "cr4", "efer"):
            with suppress(RegisterUnavailable):
                found[name] = self.target.register(name)
        return found
