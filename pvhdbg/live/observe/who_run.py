"""Boot a private machine with the options of another one, and observe who writes and reads its boot data."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING, NamedTuple

from pvhdbg.boot.run.journey import Journey
from pvhdbg.boot.stop.kernel_probe import SymbolsAndStrings
from pvhdbg.boot.stop.stages import NAMES, stage
from pvhdbg.boot.who import request, roms
from pvhdbg.boot.who.answer import Found
from pvhdbg.boot.who.attribution import Change, Observation, answers, unexplained
from pvhdbg.boot.who.fields import Fields
from pvhdbg.errors import GuestError, PvhdbgError, UserError
from pvhdbg.live.debuggee.stub_machine import StubMachine
from pvhdbg.live.observe import regions
from pvhdbg.live.observe.code_places import CodePlaces
from pvhdbg.live.observe.firmware import FirmwareObserver
from pvhdbg.live.observe.observer import Observer
from pvhdbg.target.base import HIT

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import Self

    from pvhdbg.boot.stop.capture import Capture
    from pvhdbg.boot.stop.stages import Stage
    from pvhdbg.boot.who.access import Access
    from pvhdbg.image.load import Kernel
    from pvhdbg.live.debuggee.machine_session import MachineSession
    from pvhdbg.target.stub import StubTarget

_NO_ENTRY = "the private boot did not reach the entry"
_MOST_LINKS = 1 << 14


class Observed(NamedTuple):
    """What was observed. `finals` are the captures of the last stages of the private boot.

    `unexplained` has the paths of fields whose final bytes no observed writer wrote.
    """

    observation: Observation
    finals: tuple[Capture, ...]
    unexplained: tuple[str, ...]


class HandedOver(NamedTuple):
    """What another boot with the same options showed: its capture at the entry, and the firmware's code."""

    entry: Capture
    code: roms.Roms


def handed_over(session: MachineSession) -> HandedOver:
    """Return what a machine shows that has reached the entry."""
    return _handed_over(session.journey, session.machine.target)


def _handed_over(journey: Journey, target: StubTarget) -> HandedOver:
    entry = next(capture for capture in journey.history if capture.stage == "entry")
    return HandedOver(entry, roms.Roms(target.read_phys(roms.START, roms.SIZE)))


class PrivateBoot:
    """A second machine with the options of the first one. It starts at once; `observe` waits for it.

    :raise UserError: if the first machine was not started by pvhdbg, or does not run under TCG.
    """

    def __init__(self, session: MachineSession) -> None:
        kernel, options = session.kernel, session.options
        if options is None or kernel is None:
            raise UserError(request.NOT_OURS)
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
        """End the machine without waiting. Any thread may call this; what another thread does with it then fails."""
        self._machine.kill()

    def close(self) -> None:
        self._machine.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def look(self) -> HandedOver:
        """Run to the entry, and return what `observe` needs to know before it runs another private boot.

        :raise GuestError: if the guest does not reach the entry.
        """
        journey = self._ready()
        if any(halt.kind != HIT for halt in journey.go("entry", self._timeout)):
            raise GuestError(_NO_ENTRY)
        return _handed_over(journey, self._machine.target)

    def observe(self, before: HandedOver, last: str) -> Observed:
        """Run from the reset to stage `last`, and observe every access to boot data.

        :raise GuestError: if the guest has no such stage, or does not reach it.
        """
        journey = self._ready()
        if reason := journey.why_lacking(stage(last, journey.image)):
            raise GuestError(f"this guest has no stage {last}: {reason}")
        firmware = self._run_to_entry(journey, before)
        observer = Observer(journey, self._machine.target, self._machine.watch(), self.kernel.symbols)
        entry = journey.history[-1]
        observer.watch_regions([*regions.handed_over(entry), *regions.built_by_kernel(journey)])
        for name in NAMES[1 : NAMES.index(last) + 1]:
            self._run_to_stage(observer, journey, stage(name, journey.image))
            if name == request.BOOTPARAMS != last:
                observer.watch_regions([*regions.kept_by_kernel(journey)])
        return self._observed(journey, observer, firmware)

    def _observed(self, journey: Journey, observer: Observer, firmware: Sequence[Access]) -> Observed:
        finals = tuple(journey.history[NAMES.index(request.BOOTPARAMS) :])
        fields = Fields(*finals)
        placed = journey.handed_over.handover.placed if journey.handed_over else ()
        changes = [
            *(Change(part.paddr, part.data) for part in placed),
            *(Change(rewrite.paddr, rewrite.after) for rewrite in journey.rewrites),
        ]
        observation = Observation(tuple(observer.accesses), changes, fields, firmware)
        target = self._machine.target
        for region in observer.regions:
            target.read_phys(region.paddr, region.size)  # at once; field by field takes longer
        return Observed(observation, finals, tuple(unexplained(observation, fields.all, target.read_phys)))

    def _run_to_entry(self, journey: Journey, before: HandedOver) -> Sequence[Access]:
        """Run to the entry, change the boot data as in the first machine, and return what firmware has written."""
        handed = [*regions.handed_over(before.entry)]
        firmware = FirmwareObserver(self._machine.target, self._machine.watch(), before.code, handed)
        if journey.entry is None or not firmware.run_to(journey.entry, self._timeout):
            raise GuestError(_NO_ENTRY)
        journey.capture_at("entry")
        journey.change_entry()
        return firmware.accesses

    def _run_to_stage(self, observer: Observer, journey: Journey, goal: Stage) -> None:
        going = True
        if goal.symbol is not None and goal.returns and not journey.stage_addresses(goal):
            going = observer.run_to(self.kernel.facts.aliases(journey.target.symbol(goal.symbol)), self._timeout)
            journey.remember_call(goal.symbol)
        if not going or not observer.run_to(journey.stage_addresses(goal), self._timeout):
            raise GuestError(f"the private boot did not reach {goal.name}", "see `dump` for how this boot ends")
        journey.capture_at(goal.name)

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
    """Ends private boots. Call it from any thread."""

    def __init__(self) -> None:
        self.is_requested = False
        self._boots: list[PrivateBoot] = []

    def __call__(self) -> None:
        self.is_requested = True
        for boot in self._boots:
            boot.kill()

    def covers(self, boot: PrivateBoot) -> None:
        """End this one, too, as soon as it is asked for, or at once if it was asked for before."""
        self._boots.append(boot)
        if self.is_requested:
            boot.kill()


def ask(session: MachineSession, text: str) -> Found:
    """Boot a private machine, and answer what the user asks. See request for the forms of `text`.

    Meanwhile, `session.stop_observing` cancels the answer.

    :raise UserError: if there is no such field, or the machine is not one that can be booted again.
    :raise GuestError: if the answer was canceled, or the guest does not reach the stage.
    """
    request.check(text)
    session.stop_observing = cancellation = Cancellation()
    try:
        with PrivateBoot(session) as scout, PrivateBoot(session) as private:
            cancellation.covers(scout)
            cancellation.covers(private)
            return find(private, scout.look(), session.session.history, text)
    except PvhdbgError:
        if cancellation.is_requested:
            raise GuestError("who: canceled") from None
        raise
    finally:
        session.stop_observing = None


def find(private: PrivateBoot, before: HandedOver, first: Sequence[Capture], text: str) -> Found:
    """Observe the private boot, and answer what the user asks.

    `before` is what another boot has shown. `first` has the captures of the first machine.
    """
    last = request.last_stage(text)
    observation, finals, unknown = private.observe(before, last)
    with closing(CodePlaces(private.kernel)) as places:
        asked = answers(observation, request.chosen(text, observation.fields, private.kernel.facts), places.at)
        links = {answer.path: answer for answer in asked}
        waiting = list(asked)
        while waiting and len(links) < _MOST_LINKS:
            origins = {writer.origin.partition("+")[0] for writer in waiting.pop().writers if writer.origin}
            fresh = [field for path in origins - links.keys() for field in observation.fields.find(path)]
            found = answers(observation, fresh, places.at)
            links.update((answer.path, answer) for answer in found)
            waiting += found
    different = tuple(dict.fromkeys(_differences(observation.fields, finals, first)))
    return Found(request.asked(text, asked), links, different, unknown)


def _differences(fields: Fields, private: Sequence[Capture], first: Sequence[Capture]) -> Iterator[str]:
    stages = {capture.stage: capture for capture in first}
    for ours in private:
        theirs = stages.get(ours.stage)
        for field in fields.all if theirs else ():
            now, then = ours.bytes_at(field.paddr, field.size), theirs and theirs.bytes_at(field.paddr, field.size)
            if now is not None and then is not None and now != then:
                yield field.path
