"""`pvhdbg lab`: exercises that are checked on the real machine."""

from __future__ import annotations

from pathlib import Path
from shutil import get_terminal_size
from typing import TYPE_CHECKING

import pvhdbg
from pvhdbg.abi.text import printable
from pvhdbg.boot.record.replay import load
from pvhdbg.cli.command.teaching import hand_ins, lab_boots
from pvhdbg.cli.result import Result
from pvhdbg.errors import UserError
from pvhdbg.teaching import values
from pvhdbg.teaching.defined_boots import FIRST_BOOT
from pvhdbg.teaching.lab import grading, lab_file, lab_text, progress

if TYPE_CHECKING:
    import argparse
    from collections.abc import Mapping, Sequence

    from pvhdbg.teaching.lab.lab_file import Lab
    from pvhdbg.teaching.values import Boot

EXERCISES = Path(pvhdbg.__file__).parent / "teaching" / "exercises"
_WIDTH = 80
_START = "start one with `pvhdbg lab start`"


def lab(options: argparse.Namespace) -> Result:
    """Run one action.

    :raise UserError: for an unknown lab, a lab file that is malformed, or arguments that the action does not take.
    """
    if options.action not in ("start", "check", "open", "grade") and options.what:
        raise UserError(f"`pvhdbg lab {options.action}` takes no arguments", "see `pvhdbg lab --help`")
    actions = {
        "list": _list,
        "start": _start,
        "open": _open,
        "hint": _hint,
        "check": _check,
        "solution": _solution,
        "progress": _progress,
        "grade": _grade,
    }
    return actions[options.action](options)


def _columns() -> int:
    return min(_WIDTH, get_terminal_size().columns)


def _labs(options: argparse.Namespace) -> tuple[Lab, ...]:
    """Read the labs of --labs; without it, those of the lab that was used last, if this action is about that lab."""
    folder = options.labs
    if folder is None and options.action in ("open", "hint", "check", "solution") and (used := progress.current()):
        folder = used[0]
    return lab_file.read_all(folder or EXERCISES)


def _current(options: argparse.Namespace) -> Lab:
    """Return the lab that was started last.

    :raise UserError: if there is none.
    """
    used = progress.current()
    if used is None:
        raise UserError("no lab was started", _START)
    found = next((lab for lab in _labs(options) if lab.name == used[1]), None)
    if found is None:
        raise UserError(f"the lab that was started last no longer exists: {printable(used[1])}", _START)
    return found


def _list(options: argparse.Namespace) -> Result:
    labs = _labs(options)
    used = progress.current()
    done = [progress.of(lab, EXERCISES) for lab in labs]
    return Result(lab_text.listing(labs, done, used[1] if used else None))


def _progress(options: argparse.Namespace) -> Result:
    labs = _labs(options)
    return Result(lab_text.report(labs, [progress.of(lab, EXERCISES) for lab in labs]))


def _start(options: argparse.Namespace) -> Result:
    labs = _labs(options)
    chosen = _chosen(labs, options.what)
    done = progress.of(chosen, EXERCISES)
    progress.save(chosen, EXERCISES, done._replace(is_started=True))
    return Result(lab_text.task(chosen, done, _columns()))


def _chosen(labs: Sequence[Lab], what: Sequence[str]) -> Lab:
    """Return the lab that the user named, by its number or name; without a name, the first one that is not solved."""
    if len(what) > 1:
        raise UserError("one lab at a time", _START)
    if not what:
        open_labs = (lab for lab in labs if not progress.of(lab, EXERCISES).is_solved)
        return next(open_labs, labs[-1])
    for lab in labs:
        if what[0] in (str(lab.number), lab.name):
            return lab
    hint = f"use a number from 1 to {len(labs)}; see `pvhdbg lab list`"
    raise UserError(f'no such lab: "{printable(what[0])}"', hint)


def _hint(options: argparse.Namespace) -> Result:
    chosen = _current(options)
    done = progress.of(chosen, EXERCISES)
    number = min(done.hints + 1, len(chosen.hints))
    progress.save(chosen, EXERCISES, done._replace(hints=number))
    return Result(lab_text.hint(chosen, number, _columns()))


def _solution(options: argparse.Namespace) -> Result:
    chosen = _current(options)
    boot = _own_boot(chosen, options) if lab_text.needs_boot(chosen) else None
    text = lab_text.solution(chosen, boot, _columns())
    progress.save(chosen, EXERCISES, progress.of(chosen, EXERCISES)._replace(saw_solution=True))
    return Result(text)


def _own_boot(chosen: Lab, options: argparse.Namespace) -> Boot:
    """Return the lab's own recording, or a boot of its machine."""
    if chosen.recording is not None:
        return values.of_document(load(chosen.folder / chosen.recording))
    return values.of_document(lab_boots.boot(lab_boots.launch_options(chosen, (), options)))


def _open(options: argparse.Namespace) -> Result:
    """Open the machine or the recording of the current lab on the screen."""
    from pvhdbg.cli.command import interactive, show

    chosen = _current(options)
    if chosen.recording is not None:
        if options.what or lab_boots.changes_boot(options):
            raise UserError("this lab is about a recording: no options allowed", "run `pvhdbg lab open`")
        options.recording, options.tui, options.command = chosen.folder / chosen.recording, True, []
        shown = show.show(options, lab_text.in_one_line(chosen))
        return _with_task(shown, chosen)
    launch = lab_boots.launch_options(chosen, (), options)
    launch.kernel = Path(options.what[0]) if options.what else None
    shown = interactive.interactive(launch, lab_text.in_one_line(chosen))
    return _with_task(shown, chosen)


def _with_task(shown: Result, chosen: Lab) -> Result:
    """Return the result of the screen with the task, which the student reads when the screen is closed."""
    from pvhdbg.cli.command.interactive import has_screen

    task = lab_text.task(chosen, progress.of(chosen, EXERCISES), _columns())
    return shown._replace(output=task) if has_screen() else shown


def _check(options: argparse.Namespace) -> Result:
    """Check the student's answer, boot or recording. The exit status is 1 if it does not solve the lab."""
    chosen = _current(options)
    mistakes, output = _mistakes(chosen, options)
    done = progress.of(chosen, EXERCISES)
    solved = done.is_solved or not mistakes
    progress.save(chosen, EXERCISES, done._replace(is_started=True, is_solved=solved))
    if mistakes:
        return Result("".join(f"{line}\n" for line in (*mistakes, *output)), 1)
    return Result(f"Lab {chosen.number} is solved. {_next(options)}\n")


def _next(options: argparse.Namespace) -> str:
    """Return what the student can do after a lab."""
    is_last = all(progress.of(lab, EXERCISES).is_solved for lab in _labs(options))
    after = "This was the last one: all labs are solved." if is_last else "`pvhdbg lab start` starts the next lab."
    return f"`pvhdbg lab solution` shows our solution. {after}"


def _grade(options: argparse.Namespace) -> Result:
    """Check the files of students. The progress of this user does not change."""
    if len(options.what) < 2:
        raise UserError("`pvhdbg lab grade` takes a lab and files", "run `pvhdbg lab grade N FILE…`")
    chosen = _chosen(_labs(options), options.what[:1])
    return hand_ins.grade(chosen, options.what[1:], options)


def _mistakes(chosen: Lab, options: argparse.Namespace) -> tuple[list[str], list[str]]:
    """Return a line for each mistake, none if the lab is solved, and what a guest wrote that halted too early."""
    if chosen.words:
        grading.check_count(chosen, options.what)
    if chosen.answers:
        wrong = grading.wrong_answers(chosen, options.what, _own_boot(chosen, options))
    elif chosen.writer is not None:
        wrong = grading.wrong_writer(chosen, options.what, lab_boots.observed(chosen, chosen.writer, options))
    else:
        boots = _boots(chosen, options)
        if boots is not None:
            missed = grading.unreached_goals(chosen, boots)
            return [f"{hand_ins.NOT_TRUE}{words}" for words in missed], grading.last_output(boots)
        wrong = [f"the guest does not execute {printable(options.what[0])} and the instruction after it"]
    return [f"not yet: {mistake}" for mistake in wrong], []


def _boots(chosen: Lab, options: argparse.Namespace) -> Mapping[str, Boot] | None:
    """Return the boots that the goals are about; None if the guest does not execute the student's instruction."""
    if not chosen.asks_instruction:
        return hand_ins.boots(chosen, options.what, options)
    boot = lab_boots.around(chosen, options.what[0], options)
    return None if boot is None else {FIRST_BOOT: boot}
