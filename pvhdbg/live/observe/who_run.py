"""Boot a private machine with the options of another one, and observe who writes and reads its boot data."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING, NamedTuple

from pvhdbg.boot.run.journey import Journey
from pvhdbg.boot.stop.address import symbol_at
from pvhdbg.boot.stop.kernel_probe import SymbolsAndStrings
from pvhdbg.boot.stop.stages import stage
from pvhdbg.boot.who import request
from pvhdbg.boot.who.answer import Code, Found
from pvhdbg.boot.who.attribution import Change, Observation, answers, unexplained
from pvhdbg.boot.who.fields import Fields
from pvhdbg.errors import GuestError, UserError
from pvhdbg.image.debug_info.source_lines import SourceLines
from pvhdbg.live.debuggee.stub_machine import StubMachine
from pvhdbg.live.observe import regions
from pvhdbg.live.observe.observer import Observer

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Self

    from pvhdbg.boot.stop.capture import Capture
    from pvhdbg.image.load import Kernel
    from pvhdbg.live.debuggee.machine_session import MachineSession

_LAST, _FIRST = "bootparams", "prepare"
_MOST_LINKS = 1 << 14


class Observed(NamedTuple):
    """What was observed. `final` is the capture at the end of the private boot.

    `unexplained` has the paths of fields whose final bytes no observed writer wrote.
    """

    observation: Observation
    final: Capture
    unexplained: tuple[str, ...]


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

    def close(self) -> None:
        self._machine.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def observe(self) -> Observed:
        """Run to the return from xen_prepare_pvh, and observe every access to boot data from the entry on.

        :raise GuestError: if the guest has no such stage, or does not reach it.
        """
        self._machine.wait_ready()
        journey = self._journey()
        if reason := journey.why_lacking(stage(_LAST)):
            raise GuestError(f"this guest has no stage {_LAST}: {reason}")
        if any(halt.kind != "hit" for halt in journey.go("entry", self._timeout)):
            raise GuestError("the private boot did not reach the entry")
        observer = Observer(journey, self._machine.target, self._machine.watch(), self.kernel.symbols)
        entry = journey.history[-1]
        observer.watch_regions([*regions.handed_over(entry), *regions.built_by_kernel(journey)])
        for name in (_FIRST, _LAST):
            if not observer.run_to(journey.stage_addresses(stage(name)), self._timeout):
                raise GuestError(f"the private boot did not reach {name}", "see `dump` for how this boot ends")
            journey.capture_at(name)
        final = journey.history[-1]
        fields = Fields(final)
        changes = [Change(rewrite.paddr, rewrite.after) for rewrite in journey.rewrites]
        observation = Observation(tuple(observer.accesses), changes, fields)
        built = [field for field in fields.all if field.path.startswith(("boot_params.", "pvh_start_info."))]
        wrong = [
            field.path
            for field in built
            if unexplained(observation, field, self._machine.target.read_phys(field.paddr, field.size))
        ]
        return Observed(observation, final, tuple(wrong))

    def _journey(self) -> Journey:
        return Journey(
            self._machine.target,
            self._machine.runner,
            self.kernel.facts,
            changes=self._changes,
            trust_image=True,
        )


class CodePlaces:
    """Names places in the guest's code: symbol, inlined functions and source line. Each place is looked up once."""

    def __init__(self, kernel: Kernel) -> None:
        self.kernel = kernel
        self._lines = SourceLines(kernel.symbols.path)
        self._known: dict[int, Code] = {}

    def close(self) -> None:
        self._lines.close()

    def at(self, rip: int) -> Code:
        if rip not in self._known:
            image = self.kernel.facts
            linked = image.to_vaddr(rip)
            line = self._lines.at(rip if linked is None else linked)
            symbol = symbol_at(self.kernel.symbols.enclosing, image, rip)
            self._known[rip] = Code(rip, symbol, line.inlined, line.source)
        return self._known[rip]


def ask(session: MachineSession, text: str) -> Found:
    """Boot a private machine, and answer what the user asks. See request for the forms of `text`.

    :raise UserError: if there is no such field, or the machine is not one that can be booted again.
    """
    request.check(text)
    first = next((capture for capture in session.session.history if capture.stage == _LAST), None)
    with PrivateBoot(session) as private:
        return find(private, first, text)


def find(private: PrivateBoot, first: Capture | None, text: str) -> Found:
    """Observe the private boot, and answer what the user asks.

    `first` is the capture of the first machine at the same stage; None if it did not get there.
    """
    observation, final, unknown = private.observe()
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
    return Found(request.asked(text, asked), links, tuple(_differences(observation.fields, final, first)), unknown)


def _differences(fields: Fields, private: Capture, first: Capture | None) -> Iterator[str]:
    for field in fields.all if first else ():
        ours, theirs = private.bytes_at(field.paddr, field.size), first and first.bytes_at(field.paddr, field.size)
        if ours is not None and theirs is not None and ours != theirs:
            yield field.path
