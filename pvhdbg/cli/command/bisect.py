"""`pvhdbg diff --bisect A B KERNEL`: find the difference between two handovers that kills a kernel."""

from __future__ import annotations

import argparse
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING

from pvhdbg.abi.text import printable
from pvhdbg.boot.handover.bisect import TooManyBoots, smallest
from pvhdbg.boot.handover.bisected import Bisected, End
from pvhdbg.boot.handover.from_capture import AsCaptured
from pvhdbg.boot.handover.mixed import MixedHandover
from pvhdbg.boot.record.replay import load
from pvhdbg.boot.stop import stages
from pvhdbg.cli import progress, running, vmm
from pvhdbg.cli.command import check, transplant
from pvhdbg.cli.launch import launched_without_gdb
from pvhdbg.cli.result import Result
from pvhdbg.errors import UserError
from pvhdbg.named_tuple import NamedTuple
from pvhdbg.vmm_profiles import table

if TYPE_CHECKING:
    from collections.abc import Collection

    from pvhdbg.boot.handover.differences import Difference
    from pvhdbg.boot.handover.handover import HandoverSource
    from pvhdbg.cli.progress import Progress

MOST_BOOTS = 200
"""The most boots of a search."""

_SHORTEST_WATCH, _LONGER = 1.0, 4
"""How long a guest is watched: this many seconds, and this many times as long as the one that failed."""


def bisect(options: argparse.Namespace) -> Result:
    """Return the difference that kills the kernel. The exit status is 1 if the kernel fails, and no cause is known."""
    vmm.refuse_machine(options, "--bisect")
    if options.vmm != table.QEMU:
        raise UserError(f"--bisect: can't be used with --vmm {options.vmm}", "name the two VMMs as arguments")
    names = (options.before, options.after)
    sources = [_source(options, word) for word in names]
    with progress.shown(progress.START) as waiting:
        found = _search(_Boots(options, waiting), names, sources)
    return Result(_text(found, options.format), int(found.first.has_failed or not (found.is_smallest or _works(found))))


def _works(found: Bisected) -> bool:
    return not (found.first.has_failed or found.second.has_failed)


def _text(found: Bisected, form: str | None) -> str:
    if form == "json":
        from pvhdbg.views.to_json import bisect_json

        return bisect_json.dumps(found)
    from pvhdbg.views.report import bisect_text

    return bisect_text.report(found)


def _source(options: argparse.Namespace, word: str) -> HandoverSource:
    """Return what makes the handover of a VMM or of a recording.

    :raise UserError: if there is neither.
    """
    if word not in table.NAMES:
        if not Path(word).exists():
            near = get_close_matches(word, table.NAMES, 1)
            hint = f"did you mean {near[0]}?" if near else "see the VMMs with --vmm-list"
            raise UserError(f"{printable(word)}: neither a VMM nor a recording", hint)
        return transplant.handover_of(load(Path(word)), Path(word))
    return vmm.handover_source(argparse.Namespace(**{**vars(options), "vmm": word})) or AsCaptured()


class _Pair(NamedTuple):
    """A handover, and the one to whose differences it is compared."""

    name: str
    first: HandoverSource
    second: HandoverSource

    def mixed(self, taken: Collection[int] = ()) -> MixedHandover:
        return MixedHandover(self.first, self.second, taken)


def _search(boots: _Boots, names: tuple[str, str], sources: list[HandoverSource]) -> Bisected:
    first, second = sources
    pairs = [_Pair(names[0], first, second), _Pair(names[1], second, first)]
    ends = [boots.run(pair.mixed(), pair.name) for pair in pairs]
    if ends[0].has_failed and not ends[1].has_failed:
        ends, pairs = ends[::-1], pairs[::-1]
    works, fails = ends
    if works.has_failed or not fails.has_failed:
        return Bisected(works, fails, boots.count)
    boots.stop_early(works, fails)
    differences = boots.differences[works.name]

    def fails_with(taken: Collection[int]) -> bool:
        label = ", ".join(differences[index].path for index in sorted(taken))
        try:
            return boots.run(pairs[0].mixed(taken), label).has_failed
        except UserError:  # parts of the two handovers would overlap in memory
            return False

    try:
        cause, is_smallest = smallest(len(differences), fails_with, MOST_BOOTS), True
    except TooManyBoots as error:
        cause, is_smallest = error.smallest, False
    chosen = tuple(differences[index] for index in cause)
    return Bisected(works, fails, boots.count, differences, chosen, is_smallest=is_smallest)


class _Boots:
    """Boots the kernel again and again. `count` is how often.

    `differences` has all differences between the two handovers of a boot, by the label of the boot.
    """

    def __init__(self, options: argparse.Namespace, waiting: Progress) -> None:
        self.count = 0
        self.differences: dict[str, tuple[Difference, ...]] = {}
        self._options, self._waiting = options, waiting
        self._last: str | None = None
        self._watch = (
            running.Watch(check.SECONDS, to_console=True) if options.watch is None else running.watch_of(options)
        )

    def run(self, source: MixedHandover, label: str) -> End:
        """Boot with a handover. Return how the kernel ended. `label` names the handover, also in the progress line.

        :raise KeyboardInterrupt: if the user interrupted the boot.
        """
        self.count += 1
        self._waiting.description = lambda: f"boot {self.count}, with {label[:60]}"
        options = argparse.Namespace(**{**vars(self._options), "handover": source})
        with launched_without_gdb(options) as session:
            document = running.run_or_interrupt(session, self._last, None, self._watch)
        if source.mixture is not None:
            self.differences[label] = source.mixture.differences
        lost = document.machine.vmm.lost_write if document.machine.vmm else None
        has_failed = lost is not None or bool(running.status_of(document.outcome, self._last))
        return End(label, document, has_failed)

    def stop_early(self, works: End, fails: End) -> None:
        """From now on, run only to the stage after the last one that the failing guest reached.

        If there is none, watch the guest after the last stage, but not much longer than it took to fail.
        """
        order = [None, *stages.NAMES]
        if order.index(works.outcome.reached) > order.index(fails.outcome.reached):
            self._last = order[order.index(fails.outcome.reached) + 1]
            self._watch = running.NOT_WATCHED
        elif (watched := fails.outcome.watched) is not None:
            enough = _SHORTEST_WATCH + _LONGER * watched.ms / 1000
            self._watch = self._watch._replace(seconds=min(self._watch.seconds, enough))
