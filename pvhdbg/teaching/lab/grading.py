"""Whether an answer or a boot solves a lab. No answer is stored: the boot itself says what is true."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pvhdbg.abi import c_integer
from pvhdbg.abi.text import printable
from pvhdbg.boot.record import document as doc
from pvhdbg.boot.stop import stages
from pvhdbg.boot.stop.address import location_suffix
from pvhdbg.errors import UserError
from pvhdbg.lazy_pattern import pattern
from pvhdbg.target.base import QEMU_EXIT, QEMU_SIGNAL
from pvhdbg.teaching import values
from pvhdbg.views.report import watched_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from pvhdbg.boot.record.document import Document
    from pvhdbg.teaching.lab.lab_file import Lab
    from pvhdbg.teaching.values import Boot

_STAGE = stages.NAMES[0]
"""The stage of a path that names none."""
_MAX_WORD = 200
_COUNT = pattern(r"len\([^()]*\) *==")
"""A fact about a number of things, which the words of the goal name."""
_OUTCOME = pattern(r"\boutcome\.(ended|reached|died)\b")


def unreached_goals(lab: Lab, boots: Mapping[str, Boot]) -> list[str]:
    """Return what the lab wants, and what was found instead, for each goal that is missed; empty if it is solved."""
    missed = []
    for goal in lab.goals:
        boot = boots[goal.boot]
        try:
            reached = values.holds(goal.fact, boot, _STAGE)
        except values.NotKnown:
            reached = False
        if not reached:
            missed.append(f"{goal.words} (found: {_found(goal.fact, boot)})")
    return missed


def _found(fact: str, boot: Boot) -> str:
    """Return what a boot has instead of what a fact says: how it ended, or the values that the fact compares."""
    document = boot.document
    if document is None or not _OUTCOME.search(fact):
        observed = values.observed(fact, boot, _STAGE)
        return observed.rpartition(" is ")[2] if _COUNT.match(fact) else observed
    outcome = document.outcome
    reached = f"reached the stage {outcome.reached}" if outcome.reached else "reached no stage"
    if outcome.died:
        return f"the guest {reached}, and died{location_suffix(outcome.died.rip, outcome.died.symbol)}"
    if outcome.watched is not None:
        return f"the guest {reached}, and then: {watched_text.ending(outcome.watched)}"
    if outcome.ended == doc.TIMED_OUT:
        return f"the guest {reached}, and not {outcome.waited_for}{location_suffix(outcome.rip, outcome.symbol)}"
    return f"the guest {reached}, and did not die"


def last_output(boots: Mapping[str, Boot]) -> list[str]:
    """Return the last lines that each guest wrote which halted before its last stage, as far as this is known."""
    lines = []
    for name, boot in boots.items():
        watched = boot.document.outcome.watched if boot.document else None
        for block in watched_text.last_output(watched) if watched else ():
            lines += [f"boot {name}: {block[0]}" if len(boots) > 1 else block[0], *block[1:]]
    return lines


def wrong_answers(lab: Lab, given: Sequence[str], boot: Boot) -> list[str]:
    """Return which of the student's words are wrong; empty if the lab is solved.

    :raise UserError: if the boot has no value for an answer of the lab.
    """
    try:
        expected = [values.value(answer, boot, _STAGE) for answer in lab.answers]
    except values.NotKnown as error:
        raise lab.place.error(f"the lab's own answer has no value: {error}") from error
    return list(_wrong(given, expected))


def check_count(lab: Lab, given: Sequence[str]) -> None:
    """Check how many words the student answers, before anything is started.

    :raise UserError: if the number is wrong.
    """
    if len(given) != lab.words:
        wanted = f"{lab.words} answers" if lab.words > 1 else "one answer"
        raise UserError(f"this lab asks for {wanted}, not {len(given)}", f"see `pvhdbg lab start {lab.number}`")


def _wrong(given: Sequence[str], expected: Sequence[object]) -> Iterator[str]:
    for number, (word, value) in enumerate(zip(given, expected, strict=True), 1):
        if not matches(word, value):
            which = f"answer {number} of {len(expected)}" if len(expected) > 1 else "the answer"
            yield f"{which} is not {printable(word[:_MAX_WORD])}"


def matches(word: str, value: object) -> bool:
    """Return whether a student's word means this value: a number in any base of C, or a text in any case."""
    if isinstance(value, int):
        return c_integer.parse(word.strip()) == value
    return word.strip().casefold() == str(value).strip().casefold()


def wrong_writer(lab: Lab, given: Sequence[str], document: Document) -> list[str]:
    """Return why the student's line is not the one that writes the lab's field; empty if it is.

    :raise UserError: if the writer is not known.
    """
    answers = (answer for answer in document.who or () if answer.path == lab.writer)
    writers = next((answer.writers for answer in answers), ())
    source = writers[0].code.source if writers and writers[0].code else None
    if source is None:
        raise lab.place.error(f"the writer of {lab.writer} is not known")
    return list(_wrong(given, [source]))


def supported(document: Document, name_of: Callable[[int], str | None]) -> Document:
    """Return a recording with only what its memory and registers support.

    Findings are always computed again. How a run ended is stored, so it is compared with the stops, and the place of
    a death is computed from RIP at the stop `died`. `name_of` returns an address as symbol+offset.

    :raise UserError: if what the recording says about its end, or about changes at the entry, is not in its stops.
    """
    outcome, names = document.outcome, [stop.stage for stop in document.stops]
    alive = [name for name in names if name != stages.DIED]
    if outcome.reached != (alive[-1] if alive else None):
        raise _forged("the last stage that it says was reached is not its last stop")
    _check_rewrites(document)
    died = outcome.died
    if died is None or died.how in (QEMU_EXIT, QEMU_SIGNAL):
        if stages.DIED in names or outcome.ended == doc.DEAD:
            raise _forged("the end that it describes is not that of its last stop")
        return document
    if names[-1:] != [stages.DIED] or outcome.ended != doc.DEAD:
        raise _forged("it says that the guest died, but has no stop `died`")
    rip = document.stops[-1].rip
    symbol = None if rip is None else name_of(rip)
    return document._replace(outcome=outcome._replace(died=died._replace(rip=rip, symbol=symbol)))


def _check_rewrites(document: Document) -> None:
    entry = next((stop for stop in document.stops if stop.stage == stages.NAMES[0]), None)
    for change in document.machine.rewrites:
        found = entry.bytes_at(change.paddr, len(change.after)) if entry else None
        if found != change.after:
            raise _forged(f"the change of {printable(change.path)} is not in its memory at the entry")


def _forged(why: str) -> UserError:
    return UserError(f"the recording contradicts itself: {why}", "write it again with `pvhdbg dump -o FILE`")
