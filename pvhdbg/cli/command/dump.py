"""`pvhdbg dump`: boot, stop at each stage, print what is there."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pvhdbg.boot.record import document as doc
from pvhdbg.boot.record.document import Document
from pvhdbg.boot.run.run_to_stage import travel
from pvhdbg.boot.stop import stages
from pvhdbg.boot.stop.address import place_of
from pvhdbg.cli import waiting
from pvhdbg.cli.launch import launched
from pvhdbg.cli.result import Result
from pvhdbg.errors import UserError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from pvhdbg.boot.record.document import Outcome
    from pvhdbg.boot.run.journey import Journey
    from pvhdbg.cli.waiting import Waiting
    from pvhdbg.live.debuggee.debuggee import Debuggee

    Answered = Callable[[Result], Result]

NOWHERE = " where it can't be asked"


def dump(options: argparse.Namespace) -> Result:
    asked = _asked(options)
    with waiting.shown(waiting.START) as what, launched(options) as debuggee:
        seen, remarks = run(debuggee, options.stage, what)
        answers = asked(debuggee, seen.outcome) if asked else None
        debuggee.session.kill()  # they end while we write
        text = text_of(seen, options.format or ("json" if options.output else "text")) if _is_wanted(options) else ""
    if options.output is not None:
        _write(options.output, text, ascii=options.ascii)
        text = ""
    result = Result(text, status_of(seen.outcome, options.stage), remarks)
    return answers(result) if answers else result


def _is_wanted(options: argparse.Namespace) -> bool:
    return not options.command or options.output is not None


def run(debuggee: Debuggee, wanted: str | None, what: Waiting | None = None) -> tuple[Document, tuple[str, ...]]:
    """Go to a stage, or as far as the guest comes; what was seen, and lines about the way. `what` is told what is
    waited for.
    """
    if what is not None:
        what.what = lambda: f"the stage after {debuggee.journey.reached}" if debuggee.journey.reached else "stage entry"
    outcome = travel(debuggee.journey, wanted or stages.NAMES[-1], debuggee.timeout, debuggee.name_of)
    remarks = (*debuggee.remarks, *_lacking(debuggee.journey, wanted), *_ending(outcome))
    from pvhdbg.live.debuggee import machine_facts

    return Document(debuggee.image, machine_facts.of(debuggee), tuple(debuggee.journey.history), outcome), remarks


def _asked(options: argparse.Namespace) -> Callable[[Debuggee, Outcome], Answered] | None:
    """What answers the questions of `-c`; a line that nothing could answer is refused before anything starts."""
    if not options.command:
        return None
    if options.format == "json" and options.output is None:
        raise UserError("--format json: the answers to -c are text", "-o FILE writes the JSON beside them")
    from pvhdbg.cli import asking

    asking.check(options.command)
    return lambda debuggee, outcome: ask(debuggee, outcome, options.command)


def ask(debuggee: Debuggee, outcome: Outcome, lines: Sequence[str]) -> Answered:
    """Ask these lines; what is given puts the answers, and how they went, into a result."""
    from pvhdbg.cli import asking
    from pvhdbg.live.debuggee import session as asked

    session = asked.session(debuggee, outcome)
    told, ended = asking.answers(session, lines), session.document().outcome
    news = tuple(f"pvhdbg: note: {each}" for each in debuggee.journey.take_news())

    def put(result: Result) -> Result:
        ending = () if ended is outcome else tuple(_ending(ended))
        status = result.status or status_of(ended, None)
        return Result(told.text, status, (*result.remarks, *news, *ending), told.error)

    return put


def text_of(seen: Document, form: str, *, report: bool = False) -> str:
    """A run as JSON or for a person, who may want no more than the rules' report."""
    if form == "json":
        from pvhdbg.views.to_json import document_json

        return document_json.dumps(seen)
    from pvhdbg.views.report import run_text

    return run_text.report(seen) if report else run_text.document(seen)


def _write(path: Path, text: str, *, ascii: bool) -> None:  # noqa: A002  the option's name
    if ascii and not text.isascii():
        from pvhdbg.views.report import ascii_text

        text = ascii_text.words(text)
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise UserError(f"can't write {path}: {error.strerror}") from error


def status_of(outcome: Outcome, wanted: str | None) -> int:
    if outcome.ended == doc.INTERRUPTED:
        return 130
    return int(outcome.ended != doc.DONE or wanted not in (None, outcome.reached))


def _lacking(journey: Journey, wanted: str | None) -> list[str]:
    """The stages up to the wanted one that this guest does not have, and why."""
    upto = stages.NAMES.index(wanted or stages.NAMES[-1])
    reasons: dict[str, list[str]] = {}
    for stage in stages.STAGES[: upto + 1]:
        if reason := journey.lacking(stage):
            reasons.setdefault(reason, []).append(stage.name)
    return [
        f"pvhdbg: {'error' if wanted in names else 'note'}: this guest has no stage {', '.join(names)}: {why}"
        for why, names in reasons.items()
    ]


def _ending(outcome: Outcome) -> list[str]:
    reached = f"reached {outcome.reached}" if outcome.reached else "no stage was reached"
    if outcome.died:
        told = outcome.died.told(place_of(outcome.died.rip, outcome.died.symbol))
        return [f"pvhdbg: error: the guest died: {told}; {reached}"]
    if outcome.ended == doc.TIMED_OUT:
        where = place_of(outcome.rip, outcome.symbol) or NOWHERE
        error = f"pvhdbg: error: stage {outcome.waited_for} did not come in time; {reached}, the guest was{where}"
        return [error, "  hint: --timeout SECONDS waits longer"]
    return []
