"""`pvhdbg check`: boot to the last stage and print what the rules find. With several boots, print a table."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from pvhdbg.cli import progress
from pvhdbg.cli.launch import launched_without_gdb
from pvhdbg.cli.result import RefusedKernelError, Result

if TYPE_CHECKING:
    import argparse

    from pvhdbg.boot.record.document import Document


SECONDS = 5.0
"""How long `check` watches the guest after the last stage, unless --watch says otherwise."""


def check(options: argparse.Namespace) -> Result:
    """Boot each kernel with each VMM on each machine."""
    has_one = len(options.kernels) <= 1 and len(options.vmms) == len(options.machines) == 1 and options.shard == (1, 1)
    if not has_one:
        return _selected(options)
    options.kernel = next(iter(options.kernels), None)
    (options.vmm,), (options.machine,) = options.vmms, options.machines
    return _one(options)


def _selected(options: argparse.Namespace) -> Result:
    """Boot what belongs to this shard."""
    from pvhdbg.cli import matrix

    numbers = matrix.selected(options)
    if len(numbers) != 1:
        return _several(options)
    boot = matrix.boots(options)[numbers[0]]
    options.kernel, options.vmm, options.machine = Path(boot.kernel), boot.vmm, boot.machine
    return _one(options)


def _several(options: argparse.Namespace) -> Result:
    """Return a table of the boots. The exit status is 1 if one of them failed."""
    from pvhdbg.boot.record.runs import INTERRUPTED
    from pvhdbg.cli import matrix

    runs, was_interrupted = matrix.run(options)
    if options.format == "json":
        from pvhdbg.views.to_json import runs_json

        text = runs_json.dumps(runs)
    else:
        from pvhdbg.views.report import runs_text

        text = runs_text.report(runs)
    return Result(text, INTERRUPTED if was_interrupted else int(any(run.status for run in runs)))


def _one(options: argparse.Namespace) -> Result:
    """Return the findings. The exit status is also 1 if one of them is an error."""
    try:
        with progress.shown(progress.START) as waiting, launched_without_gdb(options) as debuggee:
            from pvhdbg.cli import running  # only now, so that QEMU starts sooner

            watch = running.Watch(SECONDS, to_console=True) if options.watch is None else running.watch_of(options)
            document, remarks = running.run(debuggee, None, waiting, watch)
            debuggee.machine.kill()  # QEMU exits while pvhdbg checks the run
            return _result(document, remarks, options)
    except RefusedKernelError as refused:
        from pvhdbg.cli import running

        return running.refusal(refused, options.format)


def _result(document: Document, remarks: tuple[str, ...], options: argparse.Namespace) -> Result:
    from pvhdbg.checks import run
    from pvhdbg.checks.finding import ERROR
    from pvhdbg.cli import running

    findings = run.check_run(document).all
    status = running.status_of(document.outcome, None) or int(any(finding.severity == ERROR for finding in findings))
    return Result(running.text_of(document, options.format or "text", report=True), status, remarks)
