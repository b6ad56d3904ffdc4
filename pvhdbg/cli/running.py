"""Run a machine to a stage, and describe the run: its document, its exit status, and the remarks for the user."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pvhdbg.boot.record import document as doc
from pvhdbg.boot.stop import stages
from pvhdbg.cli.result import Result
from pvhdbg.named_tuple import NamedTuple

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Sequence

    from pvhdbg.boot.record.document import Document, Outcome
    from pvhdbg.boot.run.journey import Journey
    from pvhdbg.cli.progress import Progress
    from pvhdbg.cli.result import RefusedKernelError
    from pvhdbg.live.debuggee.machine_session import MachineSession

    AddAnswers = Callable[[Result], Result]


class Watch(NamedTuple):
    """How long pvhdbg watches the guest after the last stage. With `to_console`, only until Linux has a console."""

    seconds: float
    to_console: bool = False


NOT_WATCHED = Watch(0.0)


def watch_of(options: argparse.Namespace) -> Watch:
    """Return what --watch says. Without it, `dump` does not watch."""
    return NOT_WATCHED if options.watch is None else Watch(options.watch)


def run(
    debuggee: MachineSession, last_stage: str | None, waiting: Progress | None = None, watch: Watch = NOT_WATCHED
) -> tuple[Document, tuple[str, ...]]:
    """Run to `last_stage`, or as far as the guest gets. Return the document, and remarks for standard error.

    If `last_stage` is None, run through all stages. `waiting` is the progress line; it shows the stage that comes next.
    """
    if waiting is not None:
        waiting.description = lambda: _next_stage(debuggee.journey)
    outcome = debuggee.session.run(last_stage or stages.NAMES[-1])
    if outcome.ended == doc.DONE and watch.seconds:
        if waiting is not None:
            waiting.description = lambda: f"the end of the guest, for up to {watch.seconds:g} s"
        outcome = debuggee.watch(watch.seconds, to_console=watch.to_console)
    document = debuggee.session.document()
    return document, (*debuggee.remarks, *_missing_stages(debuggee.journey, last_stage), *ending(outcome, document))


def run_or_interrupt(
    debuggee: MachineSession, last_stage: str | None, waiting: Progress | None = None, watch: Watch = NOT_WATCHED
) -> Document:
    """Run like `run`, for a command to which a part of a run is of no use.

    :raise KeyboardInterrupt: if the user interrupted the run.
    """
    document, _ = run(debuggee, last_stage, waiting, watch)
    refuse_interrupted(document.outcome)
    return document


def refuse_interrupted(outcome: Outcome) -> None:
    """Go on only if the user did not interrupt the run.

    :raise KeyboardInterrupt: if the user did.
    """
    if outcome.ended == doc.INTERRUPTED:
        raise KeyboardInterrupt


def _next_stage(journey: Journey) -> str:
    return f"the stage after {journey.reached}" if journey.reached else "stage entry"


def refusal(refused: RefusedKernelError, form: str | None) -> Result:
    """Return the document of a run that was not started, and its error. As text, the error is sufficient."""
    return Result(text_of(refused.document, "json") if form == "json" else "", error=refused)


def ask(debuggee: MachineSession, lines: Sequence[str]) -> AddAnswers:
    """Run the commands. Return a function that adds their output, and a new end of the run, to a Result."""
    from pvhdbg.cli import answers

    before = debuggee.session.outcome
    answered = answers.answer_all(debuggee.session, lines)
    final, document = debuggee.session.outcome, debuggee.session.document()
    news = tuple(f"pvhdbg: note: {item}" for item in debuggee.journey.take_news())

    def add_answers(result: Result) -> Result:
        end = () if final == before else tuple(ending(final, document))
        status = result.status or status_of(final, None)
        return Result(answered.text, status, (*result.remarks, *news, *end), answered.error)

    return add_answers


def text_of(document: Document, form: str, *, report: bool = False) -> str:
    """Return a run as JSON or as text. If `report` is set, the text has only the findings."""
    if form == "json":
        from pvhdbg.views.to_json import document_json

        return document_json.dumps(document)
    from pvhdbg.views.report import run_text

    return run_text.report(document) if report else run_text.document(document)


def status_of(outcome: Outcome, last_stage: str | None) -> int:
    if outcome.ended == doc.INTERRUPTED:
        return 130
    has_failed = outcome.watched is not None and outcome.watched.has_failed
    return int(outcome.ended != doc.DONE or has_failed or last_stage not in (None, outcome.reached))


def _missing_stages(journey: Journey, last_stage: str | None) -> list[str]:
    """Return why this guest lacks stages up to `last_stage`: one line for each reason, with its stages."""
    last = stages.NAMES.index(last_stage or stages.NAMES[-1])
    reasons: dict[str, list[str]] = {}
    for stage in stages.of(journey.image)[: last + 1]:
        reason = journey.why_lacking(stage)
        if reason and (stage.lacking is None or stage.name == last_stage):
            reasons.setdefault(reason, []).append(stage.name)
    return [
        f"pvhdbg: {'error' if last_stage in names else 'note'}: this guest has no stage {' or '.join(names)}: {why}"
        for why, names in reasons.items()
    ]


def ending(outcome: Outcome, document: Document) -> list[str]:
    """Return the error about a run that did not end well, and a hint."""
    from pvhdbg.checks.run import check_run
    from pvhdbg.views.report import run_text, watched_text

    reached = f"last stage reached: {outcome.reached}" if outcome.reached else "no stage was reached"
    if outcome.died:
        return [f"pvhdbg: error: the guest died: {run_text.death(outcome.died, check_run(document))}; {reached}"]
    if early := run_text.early_end(outcome):
        hint = [] if outcome.early_end else ["  hint: wait longer with --timeout SECONDS"]
        return [f"pvhdbg: error: {early}", *hint]
    if outcome.watched is not None and outcome.watched.has_failed:
        return [f"pvhdbg: error: {watched_text.ending(outcome.watched)}; {reached}"]
    return []
