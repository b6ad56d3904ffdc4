"""A lab, the list of labs and the student's progress as text."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pvhdbg.teaching import markdown, values
from pvhdbg.views.rows import text as words

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from pvhdbg.teaching.lab.lab_file import Lab
    from pvhdbg.teaching.lab.progress import Progress
    from pvhdbg.teaching.values import Boot

_ANY_WIDTH = 1000
_FENCE = "```"
SOLVED, STARTED, NOT_STARTED = "solved", "started", ""
MARKS = {SOLVED: "*", STARTED: "-", NOT_STARTED: " "}


def state(progress: Progress) -> str:
    """Return the state of a lab in one word; empty if it was not started."""
    return SOLVED if progress.is_solved else STARTED if progress.is_started else NOT_STARTED


def task(lab: Lab, progress: Progress, width: int) -> str:
    """Return what the student reads when the lab starts: what it is about, the task, and the commands to use."""
    solved = " (you have solved it)" if progress.is_solved else ""
    title = f"Lab {lab.number}: {lab.title}{solved}"
    lines = [title, "=" * len(title), ""]
    for part in (lab.intro, lab.task):
        if part:
            lines += [*markdown.plain(part, width), ""]
    lines += [f"{what:8} {command}" for what, command in _commands(lab)]
    return "\n".join(lines) + "\n"


def in_one_line(lab: Lab) -> str:
    """Return the task as one line, for the screen."""
    return f"lab {lab.number}, {lab.title}. {' '.join(' '.join(markdown.plain(lab.task, _ANY_WIDTH)).split())}"


def _commands(lab: Lab) -> Iterator[tuple[str, str]]:
    what = "the recording" if lab.recording else "the machine"
    if lab.words:
        answers = " ".join(["ANSWER"] * lab.words)
        yield "look", f"pvhdbg lab open                  ({what} of this lab, on the screen)"
        yield "answer", f"pvhdbg lab check {answers}"
    elif lab.has_own_kernel:
        yield "begin", "pvhdbg guest new myguest         (a copy of the source; then change it)"
        yield "build", "make -C myguest"
        yield "look", "pvhdbg lab open myguest/guest.elf"
        yield "check", "pvhdbg lab check myguest/guest.elf"
    else:
        yield "try", "pvhdbg lab open OPTIONS           (the machine of this lab, on the screen)"
        yield "check", "pvhdbg lab check OPTIONS          (or: pvhdbg lab check RECORDING)"
        yield "OPTIONS", "such as --set PATH=VALUE          (see `pvhdbg manual laboratory`)"
    yield "stuck?", "pvhdbg lab hint"


def hint(lab: Lab, number: int, width: int) -> str:
    """Return a hint; the first has the number 1."""
    rest = len(lab.hints) - number
    more = f"{words.counted(rest, 'hint')} left" if rest else "no hints left: `pvhdbg lab solution` shows the solution"
    lines = [f"Hint {number} of {len(lab.hints)}", "", *markdown.plain(lab.hints[number - 1], width), "", f"({more})"]
    return "\n".join(lines) + "\n"


def solution(lab: Lab, boot: Boot | None, width: int) -> str:
    """Return the solution. Values in braces are those of `boot`, the lab's machine or recording.

    :raise UserError: if a value does not exist.
    """

    def fill(text: str) -> str:
        return text if boot is None else values.filled_in(text, boot, "entry")

    title = f"Solution of lab {lab.number}: {lab.title}"
    text = _outside_code(lab.solution, fill)
    checks = [f"pvhdbg lab check {fill(check)}" for check in lab.checks]
    lines = [title, "=" * len(title), "", *markdown.plain(text, width)]
    return "\n".join([*lines, *([""] if checks else []), *(f"  {check}" for check in checks)]) + "\n"


def needs_boot(lab: Lab) -> bool:
    """Return whether the solution has values in braces, which are those of the machine or the recording."""
    return any("{" in text for text in (*lab.solution.split(_FENCE)[::2], *lab.checks))


def _outside_code(text: str, change: Callable[[str], str]) -> str:
    """Return the text with everything changed except blocks of code between lines of ```."""
    parts = text.split(_FENCE)
    return _FENCE.join(part if index % 2 else change(part) for index, part in enumerate(parts))


def listing(labs: Sequence[Lab], progress: Sequence[Progress], current: str | None) -> str:
    """Return a line for each lab. An arrow marks the current one."""
    width = max(len(lab.title) for lab in labs)
    lines = [
        f"{_arrow(lab, current)} {lab.number:2} {MARKS[state(done)]} {lab.title:{width}}  {lab.about}".rstrip()
        for lab, done in zip(labs, progress, strict=True)
    ]
    solved = sum(done.is_solved for done in progress)
    more = "`pvhdbg lab start` begins with the next one." if solved < len(labs) else "`pvhdbg lab start N` repeats one."
    legend = f"{MARKS[SOLVED]} solved, {MARKS[STARTED]} started. {more}"
    return "\n".join([*lines, "", f"{solved} of {len(labs)} solved. {legend}"]) + "\n"


def _arrow(lab: Lab, current: str | None) -> str:
    return ">" if lab.name == current else " "


def report(labs: Sequence[Lab], progress: Sequence[Progress]) -> str:
    """Return a table of what the student has done."""
    rows = [
        (str(lab.number), lab.title, state(done) or "not started", _help(done))
        for lab, done in zip(labs, progress, strict=True)
    ]
    solved = sum(done.is_solved for done in progress)
    total = f"{solved} of {len(labs)} labs solved"
    return "\n".join([*(line.strip("\n") for line in words.columns(rows, right=(0,))), "", total]) + "\n"


def _help(progress: Progress) -> str:
    used = [words.counted(progress.hints, "hint")] if progress.hints else []
    return ", ".join([*used, *(["solution seen"] if progress.saw_solution else [])])
