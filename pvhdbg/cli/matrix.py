"""`check` with several kernels, VMMs or machines: boot each combination, in parallel processes."""

from __future__ import annotations

import json
import sys
from itertools import product
from typing import TYPE_CHECKING

from pvhdbg import guest
from pvhdbg.boot.record.runs import INTERRUPTED, Boot, Run
from pvhdbg.cli import progress
from pvhdbg.errors import MachineError
from pvhdbg.live.system.exit_report import describe_exit
from pvhdbg.live.system.jobs import Finished, Jobs
from pvhdbg.live.system.signals import exit_on_signals

if TYPE_CHECKING:
    import argparse

    from pvhdbg.boot.record.document import Document

_ERROR = "pvhdbg: error: "
_PVHDBG = (sys.executable, "-P", "-m", "pvhdbg")
"""The command that runs pvhdbg. With -P, Python does not import a module from the current folder."""


def boots(options: argparse.Namespace) -> list[Boot]:
    """Return every combination of the kernels, VMMs and machines that the user named."""
    kernels = dict.fromkeys(map(str, options.kernels or [guest.ELF]))
    return [Boot(*combination) for combination in product(kernels, options.vmms, options.machines)]


def selected(options: argparse.Namespace) -> list[int]:
    """Return the indexes of the boots that belong to this shard."""
    number, count = options.shard
    return list(range(len(boots(options))))[number - 1 :: count]


def run(options: argparse.Namespace) -> tuple[list[Run], bool]:
    """Run the boots of this shard, each in a process of its own. Return them, and whether they were interrupted.

    :raise MachineError: if the system allows no more processes or threads.
    """
    everything, numbers = boots(options), selected(options)
    commands = [_command(options, number, len(everything)) for number in numbers]
    finished: dict[int, Finished] = {}
    with exit_on_signals(), progress.shown("") as waiting, Jobs(commands, min(options.jobs, len(commands))) as jobs:
        waiting.description = lambda: f"{len(commands) - len(finished)} of {len(commands)} boots"
        try:
            finished.update((job.number, job) for job in jobs)
            was_interrupted = False
        except KeyboardInterrupt:
            jobs.interrupt()
            finished.update((job.number, job) for job in jobs)
            was_interrupted = True
    runs = [_run(everything[number], finished.get(at)) for at, number in enumerate(numbers)]
    return runs, was_interrupted


def _command(options: argparse.Namespace, number: int, count: int) -> list[str]:
    """Return the command for one boot: the user's own, as a shard with only this boot."""
    from argparse import ArgumentParser

    replaced = ArgumentParser(add_help=False)  # an option can be given only once
    for option in ("--format", "--shard"):
        replaced.add_argument(option)
    own = [*replaced.parse_known_args(options.words)[1], "--format", "json", "--shard", f"{number + 1}/{count}"]
    return [*_PVHDBG, *own, *(["--", *options.qemu_args] if options.qemu_args else [])]


def _run(boot: Boot, job: Finished | None) -> Run:
    if job is None or (job.status is None and job.error is None):
        return Run(boot, INTERRUPTED, None, ("not started",))
    if job.status is None:
        return Run(boot, MachineError.exit_status, None, (str(job.error),))
    status = job.status if job.status >= 0 else 128 - job.status
    lines = job.err.decode("utf-8", "replace").splitlines()
    errors = tuple(line.removeprefix(_ERROR) for line in lines if line.startswith(_ERROR))
    document = _document(job.out)
    if document is None and not errors:
        errors = (*lines[-1:], f"pvhdbg {describe_exit(job.status)}")
    return Run(boot, status, document, errors)


def _document(out: bytes) -> Document | None:
    """Return what the process printed; None if it was killed before it had printed everything."""
    from pvhdbg.boot.record.checked import NotARecording
    from pvhdbg.boot.record.replay import replay

    try:
        return replay(json.loads(out))
    except (ValueError, NotARecording):
        return None
