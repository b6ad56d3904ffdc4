"""Boot a second machine with the options of the first one, and observe what writes and reads its boot data."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

from pvhdbg.boot.run.journey import Journey
from pvhdbg.boot.stop.address import symbol_at
from pvhdbg.boot.stop.kernel_probe import SymbolsAndStrings
from pvhdbg.boot.stop.stages import NAMES, stage
from pvhdbg.boot.who import request, roms
from pvhdbg.boot.who.answer import WhoResult
from pvhdbg.boot.who.attribution import Change, Observation, answers, unexplained
from pvhdbg.boot.who.fields import Fields
from pvhdbg.errors import GuestError, PvhdbgError, UserError
from pvhdbg.live.debuggee.stub_machine import StubMachine
from pvhdbg.live.observe import regions, unfinished
from pvhdbg.live.observe.code_places import CodePlaces
from pvhdbg.live.observe.firmware import FirmwareObserver
from pvhdbg.live.observe.observer import Observer
from pvhdbg.named_tuple import NamedTuple
from pvhdbg.target.base import HIT

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import Self

    from pvhdbg.boot.stop.capture import Capture
    from pvhdbg.boot.stop.stages import Stage
    from pvhdbg.boot.who.access import Access
    from pvhdbg.image.load import Kernel
    from pvhdbg.live.debuggee.machine_session import MachineSession
    from pvhdbg.target.base import Halt
    from pvhdbg.target.stub import StubTarget

_NO_ENTRY = "the second machine did not reach the entry"
_MOST_LINKS = 1 << 14


class Observed(NamedTuple):
    """What was observed. `finals` are the captures of the last stages.

    `unexplained` has the paths of fields whose final bytes no observed writer wrote. `ended` is how the guest died;
    None if it reached the stage.
    """

    observation: Observation
    finals: tuple[Capture, ...]
    unexplained: tuple[str, ...]
    ended: str | None


class EarlierBoot(NamedTuple):
    """What another boot with the same options showed: its capture at the entry, and the firmware's code."""

    entry: Capture
    code: roms.Roms


def earlier_boot(session: MachineSession) -> EarlierBoot:
    """Return what a machine that has reached the entry shows."""
    return _earlier_boot(session.journey, session.machine.target)


def _earlier_boot(journey: Journey, target: StubTarget) -> EarlierBoot:
    entry = next(capture for capture in journey.history if capture.stage == "entry")
    return EarlierBoot(entry, roms.Roms(target.read_phys(roms.START, roms.SIZE)))


class ObservedBoot:
    """A second machine with the options of the first one. It starts at once; `observe` waits for it.

    :raise UserError: if the first machine was not started by pvhdbg, does not run under TCG, or runs Xen.
    """

    def __init__(self, session: MachineSession) -> None:
        kernel, options = session.kernel, session.options
        if options is None or kernel is None:
            raise UserError(request.NOT_OURS)
        if options.xen is not None:
            raise UserError("`who` does not see what Xen writes to the guest's memory", "leave out --xen")
        if options.accel != "tcg":
            raise UserError(
                "KVM has too few watchpoints to see who writes the boot data", "use TCG: leave out --accel kvm"
            )
        self.kernel: Kernel = kernel
        self._changes, self._timeout = session.changes, session.timeout
        self._machine = StubMachine()
        try:
            self._symbols = SymbolsAndStrings(kernel.symbols, kernel.facts)
            self._machine.boot(options, self._symbols)
        except BaseException:
            self._machine.close()
            raise

    def kill(self) -> None:
        """End the machine without waiting. Any thread may call this; what other threads ask the machine then fails."""
        self._machine.kill()

    def close(self) -> None:
        self._machine.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def run_to_entry(self) -> EarlierBoot:
        """Run to the entry without observing, and return what `observe` of another boot needs to know.

        :raise GuestError: if the guest does not reach the entry.
        """
        journey = self._ready()
        if any(halt.kind != HIT for halt in journey.go("entry", self._timeout)):
            raise GuestError(_NO_ENTRY)
        return _earlier_boot(journey, self._machine.target)

    def observe(self, earlier: EarlierBoot, last: str) -> Observed:
        """Run from the reset to stage `last`, or to the guest's death, and observe every access to boot data.

        :raise GuestError: if the guest has no such stage, or reaches neither.
        """
        journey = self._ready()
        if reason := journey.why_lacking(stage(last, journey.image)):
            raise GuestError(f"this guest has no stage {last}: {reason}")
        firmware = self._observe_firmware(journey, earlier)
        observer = Observer(journey, self._machine.target, self._machine.watch(), self.kernel.symbols)
        built = [*regions.built_by_kernel(journey)]
        loaded = [Change(region.paddr, self._machine.target.read_phys(*region)) for region in built]
        observer.watch_regions([*regions.passed_by_vmm(journey.history[-1]), *built])
        for name in NAMES[1 : NAMES.index(last) + 1]:
            if (death := self._run_to_stage(observer, journey, stage(name, journey.image))) is not None:
                captures = unfinished.captures(journey, last)
                observed = self._observed(journey, observer, firmware, captures, loaded)
                return observed._replace(ended=unfinished.describe(journey, death, self._symbol_at))
            if name == request.BOOTPARAMS != last:
                observer.watch_regions([*regions.kept_by_kernel(journey)])
        return self._observed(journey, observer, firmware, journey.history[NAMES.index(request.BOOTPARAMS) :])

    def _symbol_at(self, address: int) -> str | None:
        return symbol_at(self.kernel.symbols.enclosing, self.kernel.facts, address)

    def _observed(
        self,
        journey: Journey,
        observer: Observer,
        firmware: Sequence[Access],
        finals: Sequence[Capture],
        loaded: Sequence[Change] = (),
    ) -> Observed:
        """Return what was observed. `loaded` is what may be left of the kernel file in what the kernel fills in."""
        fields = Fields(*finals)
        placed = journey.handed_over.handover.placed if journey.handed_over else ()
        changes = [
            *(Change(part.paddr, part.data) for part in placed),
            *(Change(rewrite.paddr, rewrite.after) for rewrite in journey.rewrites),
        ]
        observation = Observation(tuple(observer.accesses), changes, fields, firmware, loaded)
        target = self._machine.target
        for region in observer.regions:
            target.read_phys(region.paddr, region.size)  # at once; field by field takes longer
        return Observed(observation, tuple(finals), tuple(unexplained(observation, fields.all, target.read_phys)), None)

    def _observe_firmware(self, journey: Journey, earlier: EarlierBoot) -> Sequence[Access]:
        """Run to the entry, change the boot data as in the first machine, and return what firmware has written."""
        passed = [*regions.passed_by_vmm(earlier.entry)]
        firmware = FirmwareObserver(self._machine.target, self._machine.watch(), earlier.code, passed)
        if journey.entry is None or not firmware.run_to(journey.entry, self._timeout):
            raise GuestError(_NO_ENTRY)
        journey.capture_at("entry")
        journey.change_entry()
        return firmware.accesses

    def _run_to_stage(self, observer: Observer, journey: Journey, goal: Stage) -> Halt | None:
        """Run to a stage, or to the guest's death, which is returned."""
        going = True
        if goal.symbol is not None and goal.returns and not journey.stage_addresses(goal):
            going = observer.run_to(self.kernel.facts.aliases(journey.target.symbol(goal.symbol)), self._timeout)
            journey.remember_call(goal.symbol)
        if not going or not observer.run_to(journey.stage_addresses(goal), self._timeout):
            if (death := self._machine.runner.death()) is not None:
                return death
            raise GuestError(f"the second machine did not reach {goal.name}", "see `dump` for how this boot ends")
        journey.capture_at(goal.name)
        return None

    def _ready(self) -> Journey:
        self._machine.wait_ready()
        return Journey(
            self._machine.target,
            self._machine.runner,
            self.kernel.facts,
            changes=self._changes,
            trust_image=True,
        )


class Cancellation:
    """Ends the observed boots when it is called. Any thread may call it."""

    def __init__(self) -> None:
        self.is_requested = False
        self._boots: list[ObservedBoot] = []

    def __call__(self) -> None:
        self.is_requested = True
        for boot in self._boots:
            boot.kill()

    def covers(self, boot: ObservedBoot) -> None:
        """End this boot too when the user cancels, or at once if the user has canceled already."""
        self._boots.append(boot)
        if self.is_requested:
            boot.kill()


def ask(session: MachineSession, text: str) -> WhoResult:
    """Boot two more machines, and answer what the user asks. See request for the forms of `text`.

    The first one only shows where the boot data is; the second one is observed. Meanwhile, `session.stop_observing`
    cancels the answer.

    :raise UserError: if there is no such field, or the machine is not one that can be booted again.
    :raise GuestError: if the answer was canceled, or the guest does not reach the stage.
    """
    request.check(text)
    session.stop_observing = cancellation = Cancellation()
    try:
        with ObservedBoot(session) as first, ObservedBoot(session) as observed:
            cancellation.covers(first)
            cancellation.covers(observed)
            return find(observed, first.run_to_entry(), session.session.history, text)
    except PvhdbgError:
        if cancellation.is_requested:
            raise GuestError("who: canceled") from None
        raise
    finally:
        session.stop_observing = None


def find(boot: ObservedBoot, earlier: EarlierBoot, first: Sequence[Capture], text: str) -> WhoResult:
    """Observe a boot, and answer what the user asks.

    `earlier` is what another boot has shown. `first` has the captures of the user's machine, for comparison.
    """
    last = request.last_stage(text)
    observation, finals, unknown, ended = boot.observe(earlier, last)
    with closing(CodePlaces(boot.kernel)) as places:
        asked = answers(observation, request.fields_of(text, observation.fields, boot.kernel.facts), places.at)
        links = {answer.path: answer for answer in asked}
        waiting = list(asked)
        while waiting and len(links) < _MOST_LINKS:
            origins = {writer.origin.partition("+")[0] for writer in waiting.pop().writers if writer.origin}
            fresh = [field for path in origins - links.keys() for field in observation.fields.find(path)]
            found = answers(observation, fresh, places.at)
            links.update((answer.path, answer) for answer in found)
            waiting += found
    different = tuple(dict.fromkeys(_differences(observation.fields, finals, first)))
    found = request.selected(text, asked)
    return WhoResult(found, links, different, unknown, ended, left_out=request.left_out(text, observation.fields))


def _differences(fields: Fields, observed: Sequence[Capture], first: Sequence[Capture]) -> Iterator[str]:
    stages = {capture.stage: capture for capture in first}
    for ours in observed:
        theirs = stages.get(ours.stage)
        for field in fields.all if theirs else ():
            now, then = ours.bytes_at(field.paddr, field.size), theirs and theirs.bytes_at(field.paddr, field.size)
            if now is not None and then is not None and now != then:
                yield field.path
