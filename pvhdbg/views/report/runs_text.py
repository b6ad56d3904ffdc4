"""Several boots as a table: how far each got, how it ended, and its first error."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from pvhdbg.abi.text import printable
from pvhdbg.boot.record.document import DONE, TIMED_OUT
from pvhdbg.boot.record.runs import INTERRUPTED
from pvhdbg.checks.finding import ERROR
from pvhdbg.checks.run import check_run
from pvhdbg.image.verdicts.verdict import FATAL
from pvhdbg.views.rows import text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pvhdbg.boot.record.document import Document, Outcome
    from pvhdbg.boot.record.runs import Run

HEADER = ("kernel", "vmm", "machine", "result", "reached", "ended", "first error")
NOTHING = "-"


def report(runs: Sequence[Run]) -> str:
    """Return the table, and a line that counts the boots that failed."""
    kernels = {run.boot.kernel for run in runs}
    has_unique_names = len({Path(kernel).name for kernel in kernels}) == len(kernels)
    rows = [row(run, Path(run.boot.kernel).name if has_unique_names else run.boot.kernel) for run in runs]
    lines = text.columns([HEADER, *rows], indent=0) if runs else []
    failed = sum(run.status != 0 for run in runs)
    return "\n".join([*lines, *([""] if lines else []), _count(failed, len(runs))]) + "\n"


def _count(failed: int, count: int) -> str:
    if not count:
        return "no boots"
    return (
        f"{failed} of {text.counted(count, 'boot')} failed" if failed else f"all {text.counted(count, 'boot')} passed"
    )


def row(run: Run, kernel: str) -> tuple[str, ...]:
    """Return the cells of a row. `kernel` is how the table names the kernel."""
    names = map(printable, (kernel, *run.boot[1:]))
    if run.document is None:
        return (*names, _result(run), NOTHING, NOTHING, _first_error(run))
    end = run.document.outcome
    return (*names, _result(run), printable(end.reached or NOTHING), _end(end), _first_error(run))


def _result(run: Run) -> str:
    if run.status == INTERRUPTED:
        return "interrupted"
    if run.status == 0:
        return "ok"
    if run.document is not None and _is_refused(run.document):
        return "refused"
    return "failed" if run.document is not None else f"failed ({run.status})"


def _is_refused(document: Document) -> bool:
    """Return whether the VMM's own loader does not start this kernel."""
    verdicts = document.kernel.verdicts if document.kernel else ()
    return any(verdict.severity == FATAL and verdict.slug.startswith("vmm-") for verdict in verdicts)


def _end(end: Outcome) -> str:
    return end.watched.ended if end.watched is not None and end.ended in (DONE, TIMED_OUT) else end.ended


def _first_error(run: Run) -> str:
    """Return the first finding that is an error; without one, the first error that pvhdbg reported."""
    if run.document is not None:
        for finding in check_run(run.document).all:
            if finding.severity == ERROR:
                return f"{finding.code} {printable(finding.message)}"
    return printable(run.errors[0]) if run.errors else NOTHING
