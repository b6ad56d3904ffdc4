"""Run from stage to stage, using a Target and a Runner."""

from __future__ import annotations

import time
from contextlib import nullcontext, suppress
from typing import TYPE_CHECKING

from pvhdbg.boot.run import entry_changes, file_match, image_match, slow_page, xen_domains
from pvhdbg.boot.run.entry_changes import NO_CHANGES, EntryChanges
from pvhdbg.boot.run.hypercall import HypercallObserver
from pvhdbg.boot.run.observed_calls import ObservedCall, StackSearch, observe
from pvhdbg.boot.run.stage_detection import StageDetector, went_back
from pvhdbg.boot.stop import stages
from pvhdbg.boot.stop.address import Addresses, paging_registers
from pvhdbg.boot.stop.capture import MISSING_KERNEL, MISSING_STAGE
from pvhdbg.boot.stop.late import read_late
from pvhdbg.boot.stop.read import read_capture
from pvhdbg.errors import GuestError, TargetError, UserError
from pvhdbg.target.base import DIED, ELSEWHERE, HIT, KVM_BREAKPOINTS, RESET, Halt, Runner, Target

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Sequence
    from contextlib import AbstractContextManager

    from pvhdbg.boot.handover.handover import HandedOver
    from pvhdbg.boot.lab.rewrite import EntryChange
    from pvhdbg.boot.record.document import Rewrite
    from pvhdbg.boot.run.stop_recorder import StopRecorder
    from pvhdbg.boot.stop.capture import Capture, Overwritten
    from pvhdbg.boot.stop.stages import Stage
    from pvhdbg.image.facts import ImageFacts

    Reading = Callable[[], AbstractContextManager[object]]
    NameOf = Callable[[int], str | None]


class Journey:
    """The boot of one machine, stage by stage. `history` has the captures, oldest first.

    `entry` is the PHYS32_ENTRY address from the image, or an address that the caller has set; None if it is not known.
    `reading` is a context manager in which many physical reads are cheap. `name_of` returns an address as
    symbol+offset. `changes` are made when `go` reaches the entry; `handed_over` and `rewrites` have what was written.
    With `trust_image`, pvhdbg loaded the image: it is not compared with guest memory, and nothing resets the machine.

    If guest memory contains another kernel than the image, `image` is None, the target has no symbols, and
    `kernel_mismatch` is the message for the user. `news` has lines for the user that `take_news` has not returned yet.
    `recorder` completes the captures of stages.
    """

    def __init__(  # noqa: PLR0913  callers pass few of them
        self,
        target: Target,
        runner: Runner,
        image: ImageFacts | None,
        *,
        reading: Reading = nullcontext,
        changes: EntryChanges = NO_CHANGES,
        name_of: NameOf = lambda _: None,
        trust_image: bool = False,
    ) -> None:
        self.use(target, runner, reading)
        self._changes, self._name_of, self._trust_image = changes, name_of, trust_image
        self.news: list[str] = []
        self.recorder: StopRecorder | None = None
        self.set_image(image)
        self._start_over()

    def take_news(self) -> list[str]:
        news, self.news = self.news, []
        return news

    def use(self, target: Target, runner: Runner, reading: Reading) -> None:
        """Reach the machine in this way from now on. It must be the same machine, at the same place, as before."""
        self._machine, self._reading = target, reading
        self._runner = slow_page.SlowPageRunner(target, runner, lambda: self.image, lambda: self.target)
        self._hypercalls = HypercallObserver(lambda: self.target, self._runner, self.addresses)

    def set_image(self, image: ImageFacts | None) -> None:
        """Use another kernel file and its entry. Compare the file with guest memory again."""
        self._original = self._file_facts = image
        self._is_loaded = True if self._trust_image else None
        self.kernel_mismatch: str | None = None
        self.entry = image.entry if image else None

    def _start_over(self) -> None:
        if self.image is not self._original and self.kernel_mismatch is None:  # KASLR chooses a new place
            self.set_image(self._original)
        self.rewrites: tuple[Rewrite, ...] = ()
        self.handed_over: HandedOver | None = None
        self.history: list[Capture] = []
        self.calls: dict[str, ObservedCall] = {}
        self._start_info_paddr: int | None = None
        self._passed_count, self._now = 0, xen_domains.IN_KERNEL
        self._last_rip: int | None = None
        xen_domains.rule_out(self._machine, is_loaded=False)

    @property
    def target(self) -> Target:
        return image_match.with_right_symbols(self._machine, self.image, self.kernel_mismatch)

    @property
    def image(self) -> ImageFacts | None:
        return self._file_facts if self.kernel_mismatch is None else None

    @property
    def reached(self) -> str | None:
        """The last stage that was captured."""
        names = [capture.stage for capture in self.history if capture.stage != stages.DIED]
        return names[-1] if names else None

    @property
    def furthest(self) -> str | None:
        """The last stage that was captured or, if no stage was captured, the last one that the guest passed."""
        return self.reached or next(reversed(stages.NAMES[: self._passed_count]), None)

    @property
    def passed(self) -> list[str]:
        """The names of the stages that the guest passed without a capture."""
        captured = {capture.stage for capture in self.history}
        passed = [stage.name for stage in stages.of(self.image)[: self._passed_count] if stage.lacking is None]
        return [name for name in passed if name not in captured]

    def why_lacking(self, stage: Stage) -> str | None:
        """Return why this guest lacks a stage; None if it has the stage."""
        return image_match.why_lacking(stage, self.target, self.entry, is_mismatch=self.kernel_mismatch is not None)

    def stages_ahead(self) -> list[Stage]:
        """Return the stages that this guest has and has not reached yet, in order."""
        return [stage for stage in stages.of(self.image)[self._done :] if self.why_lacking(stage) is None]

    @property
    def _done(self) -> int:
        """The number of stages that were reached or passed."""
        return max(stages.NAMES.index(self.reached) + 1 if self.reached else 0, self._passed_count)

    def stage_at(self, rip: int) -> Stage | None:
        """Return the stage at the address `rip`, or None. A return from a function needs a call that was observed."""
        for stage in stages.of(self.image):
            if self.why_lacking(stage) is None and rip in self.stage_addresses(stage):
                return stage
        return None

    def go(self, last: str, timeout: float) -> Iterator[Halt]:
        """Run to each stage ahead up to `last`, and capture the machine at each. Stop at any other halt.

        `timeout` is in seconds, for each stage. A user's breakpoint at a stage, which `message` names, ends it too.

        :raise GuestError: if the guest was reset.
        :raise UserError: if the kernel in memory is not the one in the kernel file.
        """
        last_index = stages.NAMES.index(last)
        while (stage := next(iter(self.stages_ahead()), None)) and stages.NAMES.index(stage.name) <= last_index:
            halt = self._run_to(stage, timeout)
            self._check_halt(halt)
            if halt.kind == HIT:
                reached = self._reached(stage, halt)
                self.capture_at(reached)
                if reached == "entry":
                    self.change_entry()
            elif halt.kind == DIED:
                self.capture_at(stages.DIED)
            yield halt
            if halt.kind != HIT or halt.message:
                return

    def _reached(self, wanted: Stage, halt: Halt) -> str:
        """Return the stage that the guest is at: a later one than `wanted` if it had passed that one unobserved."""
        later = None if halt.rip is None or halt.rip in self.stage_addresses(wanted) else self.stage_at(halt.rip)
        if later is not None:
            self._passed_count = max(self._passed_count, stages.NAMES.index(later.name))
        return (later or wanted).name

    def _check_halt(self, halt: Halt) -> None:
        if halt.kind == RESET:
            self._start_over()
            raise GuestError(image_match.WAS_RESET, image_match.RESET_HINT)
        if halt.kind != DIED:
            self.check_kernel()
            self.refuse_kernel_mismatch()

    def run_on(self, addresses: Collection[int], timeout: float) -> Halt:
        return self._runner.run_to(addresses, timeout)

    def refuse_kernel_mismatch(self) -> None:
        """Raise an error if another kernel is in memory, unless the user has set the entry address.

        :raise UserError: if the kernel in memory is not the one in the kernel file.
        """
        if self.kernel_mismatch is not None and self.entry is None:
            self.news.clear()
            raise UserError(self.kernel_mismatch, image_match.MISMATCH_HINT)

    def capture_at(self, stage: str, known: Capture | None = None) -> Capture:
        """Capture the machine now, as the capture of `stage`. A second capture of the last stage replaces the first."""
        if stage == stages.DIED:
            return self._capture_death()
        if stage == "entry":
            self._start_info_paddr = None
        capture = self._capture(stage, known=known)
        if stage == "entry":
            self._start_info_paddr = capture.start_info.at if capture.start_info else None
        if capture is known:
            return capture
        here = stages.stage(stage, self.image)
        if here.symbol is not None and not here.returns:
            self.remember_call(here.symbol)
        if stage == "entry":
            capture = capture._replace(overwritten=self._overwritten(capture))
        return self._append(self._hypercalls.with_answer(capture))

    def _overwritten(self, capture: Capture) -> tuple[Overwritten, ...]:
        """Compare the image with the file before the guest and pvhdbg change it. Later, return what was found then."""
        if self.rewrites or capture.rip != self.entry:
            return self.history[-1].overwritten if self.reached == "entry" else ()
        with self._reading():
            return file_match.compare(self.target, self.image, capture)

    def _capture_death(self) -> Capture:
        """Capture the dead machine. If no stage was captured, also read what memory still holds."""
        is_first = self.reached is None
        with suppress(TargetError):  # QEMU may be gone
            if is_first:
                self.check_kernel()
            self._passed_count = self._count_passed(self._machine.register("rip"))
        return self._append(self._capture_late(stages.DIED) if is_first else self._capture(stages.DIED))

    def _append(self, capture: Capture) -> Capture:
        if self.recorder is not None:
            with self._reading():
                capture = self.recorder.complete(capture, self.target, self.image)
        is_same_stage = bool(self.history) and self.history[-1].stage == capture.stage
        self.history[len(self.history) - is_same_stage :] = [capture]
        return capture

    def change_entry(self) -> None:
        if (source := self._changes.handover) is not None:
            from pvhdbg.boot.handover.apply import hand_over

            self.handed_over = hand_over(self._machine, self._runner, self.image, self.history[-1], source)
            self.capture_at("entry")
        if self._changes.rewrites:
            self.rewrite(self._changes.rewrites)

    def rewrite(self, changes: Sequence[EntryChange]) -> tuple[Rewrite, ...]:
        """Change the boot data that the VMM passed, and capture the entry again. Return what was written.

        :raise UserError: if the machine is not at its entry, or a change cannot be made.
        """
        entry = self.history[-1] if self.reached == "entry" and self.target.register("rip") == self.entry else None
        with self._reading():
            rewrites = entry_changes.write(self.target, self.image, entry, changes, self.history)
        self.rewrites += rewrites
        self.capture_at("entry")
        return rewrites

    def capture_now(self, known: Capture | None = None) -> Capture:
        """Capture the machine wherever it is. If the machine is at a stage, add the capture to the history.

        Between two stages, the capture also has the data that the kernel is filling in for the next stage. `known` is
        the last capture, if nothing is known to have changed since. It is returned if what is decoded has not changed.

        :raise TargetError: if the machine is gone.
        """
        with self._reading():
            self._now = xen_domains.observe(self._machine, self.image)
            if self._now.why_not is not None:
                return self._finished(xen_domains.capture(self._machine))
            stage = self._detect_stage()
            if stage is not None:
                return self.capture_at(stage.name, known if known in self.history[-1:] else None)
            if self.reached is None:
                return self._capture_before_any_stage()
            capture = self._capture(self.reached, stages.filled_in_after(self.reached, self.image), known)
        if capture is known:
            return capture
        return capture._replace(missing={**capture.missing, MISSING_STAGE: f"after {self.reached}, at no stage"})

    def _detect_stage(self) -> Stage | None:
        """Return the stage that the machine is at, or None. Detect a reset, and stages that were passed unobserved."""
        rip = self._machine.register("rip")
        self.check_kernel()
        stage = self.stage_at(rip)
        if went_back(self._machine, stage, self._done, self.history[-1:], can_reset=not self._trust_image):
            self._start_over()
            self.news.append(f"{image_match.WAS_RESET}: earlier captures are discarded")
            stage = self.stage_at(rip)
        if stage is not None:
            self._passed_count = max(self._passed_count, stages.NAMES.index(stage.name))
        elif rip != self._last_rip:
            self._passed_count = self._count_passed(rip)
        self._last_rip = rip
        return stage

    def check_kernel(self) -> None:
        """Find out whether the kernel in memory is the one in the kernel file."""
        if self._file_facts is None or self._is_loaded:
            return
        with self._reading():
            self._is_loaded = image_match.is_loaded(self._machine, self._file_facts)
            moved = None if self._is_loaded is None else image_match.relocated(self._machine, self._file_facts)
        if moved is not None:
            self.news.append(image_match.relocation_message(moved, self._file_facts))
            self._file_facts, self._is_loaded = moved, True
        xen_domains.rule_out(self._machine, is_loaded=bool(self._is_loaded))
        before = self.kernel_mismatch
        self.kernel_mismatch = image_match.mismatch_message(self._file_facts) if self._is_loaded is False else None
        if self.kernel_mismatch is not None and before is None:
            self.news.append(self.kernel_mismatch)
            self.entry = None
        elif before is not None and self.entry is None:
            self.entry = self._file_facts.entry if self.kernel_mismatch is None else None

    def _count_passed(self, rip: int) -> int:
        if self.image is None:
            return max(self._passed_count, int(image_match.is_paging(self._machine)))
        self._find_calls()
        detector = StageDetector(self.target, self.image, self.addresses(), self._name_of(rip) or "", self.calls)
        return detector.count_passed(self._done)

    def _capture_before_any_stage(self) -> Capture:
        """Capture a machine of which no stage was captured: before the entry, or later if it ran unobserved."""
        if not (self._passed_count or self.kernel_mismatch or image_match.is_paging(self._machine)):
            return self._capture(stages.RESET)
        return self._capture_late(stages.UNSEEN)

    def _capture_late(self, stage: str) -> Capture:
        """Capture what memory still holds after stages that were not captured."""
        with self._reading():
            passed = self._passed_count if self.image else None
            return self._finished(read_late(self.target, stage, self.image, passed))

    def _capture(self, stage: str, extra: Collection[str] = (), known: Capture | None = None) -> Capture:
        with self._reading():
            capture = read_capture(self.target, stage, self.image, self._start_info_paddr, extra, known)
            return self._finished(capture, is_known=capture is known)

    def _finished(self, capture: Capture, *, is_known: bool = False) -> Capture:
        self._last_rip = capture.rip
        reason, self._now = self.kernel_mismatch or self._now.remark, xen_domains.IN_KERNEL
        if reason is None or is_known:
            return capture
        return capture._replace(missing={**capture.missing, MISSING_KERNEL: reason})

    def stage_addresses(self, stage: Stage) -> Collection[int]:
        """Return the possible values of RIP at a stage; none for a return from a call that was not observed."""
        if stage.symbol is None:
            return () if self.entry is None else (self.entry,)
        if stage.returns:
            call = self.calls.get(stage.symbol)
            return () if call is None else (call.return_vaddr,)
        return self._function_addresses(stage.symbol)

    def _function_addresses(self, symbol: str) -> Collection[int]:
        address = self.target.symbol(symbol)
        return self.image.aliases(address) if self.image else (address,)

    def _run_to(self, stage: Stage, timeout: float) -> Halt:
        deadline = time.monotonic() + timeout
        if stage.returns and stage.symbol is not None and stage.symbol not in self.calls:
            halt = self._run_to_function(stage.symbol, timeout)
            if halt.kind != HIT or halt.message:
                return halt._replace(kind=ELSEWHERE) if halt.kind == HIT else halt
        addresses = (*self.stage_addresses(stage), *self._addresses_after(stage))
        return self._hypercalls.run_to(addresses, deadline, self.history)

    def _addresses_after(self, stage: Stage) -> Collection[int]:
        """Return where the function of a later stage begins; none if both need more than half of KVM's breakpoints."""
        later = () if stage.symbol is None else self.stages_ahead()
        following = next((other for other in later if other.symbol != stage.symbol and not other.returns), None)
        addresses = () if following is None else self.stage_addresses(following)
        return addresses if 2 * len((*addresses, *self.stage_addresses(stage))) <= KVM_BREAKPOINTS else ()

    def _run_to_function(self, symbol: str, timeout: float) -> Halt:
        """Run to the function's first instruction, where its return address is on top of the stack."""
        addresses = self._function_addresses(symbol)
        rip = self.target.register("rip")
        halt = Halt(HIT, rip) if rip in addresses else self._runner.run_to(addresses, timeout)
        if halt.kind == HIT:
            with self._reading():
                self.calls[symbol] = observe(self.target, self.addresses())
        return halt

    def remember_call(self, symbol: str) -> None:
        """Remember the call of the function at whose first instruction the machine is, so that its return is known."""
        with self._reading(), suppress(TargetError):
            self.calls[symbol] = observe(self.target, self.addresses())

    def _find_calls(self) -> None:
        """Find the calls of functions whose beginning the guest passed unobserved."""
        if self.image is None or not image_match.is_kernel_running(self._machine, self.image):
            return
        unknown = {stage.symbol for stage in self.stages_ahead() if stage.symbol} - self.calls.keys()
        with self._reading(), suppress(TargetError):
            search = StackSearch(self.target, self.image, self.addresses(), self._name_of)
            self.calls |= search.calls({symbol: self._function_addresses(symbol) for symbol in unknown})

    def addresses(self) -> Addresses:
        """Return the translation of addresses at this moment."""
        return Addresses(self.target, paging_registers(self.target), self.image)
