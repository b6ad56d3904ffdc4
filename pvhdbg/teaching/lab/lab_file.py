"""A lab: a Markdown file with a front matter, and three kinds of sections: a task, three hints, and a solution.

---
title: Follow EBX
about: one register leads to everything
options: -m 256M            the options of pvhdbg with which the lab's machine boots
boot: second = --vmm xen    another boot, for goals
recording: mystery.json     the lab is about this recording, next to the file, instead of a machine
kernel: own                 the student builds the kernel
---
What the lab is about.

## Task
answer: start_info.paddr    what the student types; several are given in this order
writer: boot_params.e820_table[6].addr      the answer is the source line that writes this
instruction: cpu            the answer is the address of an instruction; goals compare `@ before` with `@ after`
goal: outcome.ended == "died"  # the guest dies
goal: second: outcome.ended == "done"       the same about another boot

## Hint
## Solution
check: --set start_info.magic=0             the arguments of `lab check` that solve it
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pvhdbg.lazy_pattern import pattern
from pvhdbg.named_tuple import NamedTuple
from pvhdbg.teaching import defined_boots, front_matter, values
from pvhdbg.teaching.defined_boots import FIRST_BOOT

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pvhdbg.teaching.front_matter import Document, Entry, Place, Section

HINTS = 3
OWN_KERNEL = "own"
TASK, HINT, SOLUTION = "Task", "Hint", "Solution"
_LAB_KEYS = ("title", "about", "options", "boot", "recording", "kernel")
_TASK_KEYS = ("answer", "writer", "instruction", "goal")
_SOLUTION_KEYS = ("check",)
_OF_BOOT = pattern(r"([a-z][a-z0-9-]*): (.+)")
_FILE = pattern(r"[\w-][\w.-]*")


class Goal(NamedTuple):
    """A fact about one of the lab's boots, and what it means in words."""

    fact: str
    words: str
    place: Place
    boot: str = FIRST_BOOT


class Lab(NamedTuple):
    """A lab. `number` begins at 1; `name` is the name of the file without .md and without the number in front.

    A student solves it with words (`answers`, `writer` or `instruction`) or with a boot that reaches all `goals`.
    """

    number: int
    name: str
    title: str
    about: str
    intro: str
    task: str
    hints: tuple[str, ...]
    solution: str
    folder: Path
    place: Place
    options: tuple[str, ...] = ()
    boots: dict[str, tuple[str, ...]] = {}  # noqa: RUF012  a named tuple is not changed
    recording: str | None = None
    has_own_kernel: bool = False
    answers: tuple[str, ...] = ()
    writer: str | None = None
    asks_instruction: bool = False
    goals: tuple[Goal, ...] = ()
    checks: tuple[str, ...] = ()

    @property
    def words(self) -> int:
        """The number of words that the student answers; 0 if the answer is a boot."""
        return len(self.answers) or int(self.writer is not None or self.asks_instruction)


def read_all(folder: Path) -> tuple[Lab, ...]:
    """Read the labs of a folder, in the order of the names of their files.

    :raise UserError: if the folder has none, or a lab is malformed; the message has the file and the line.
    """
    paths = front_matter.files(folder)
    return tuple(parse(number, path.stem, folder, front_matter.read(path)) for number, path in enumerate(paths, 1))


def parse(number: int, stem: str, folder: Path, document: Document) -> Lab:
    """Return the lab that a document describes.

    :raise UserError: if it is malformed.
    """
    head = document.entries
    head.refuse_others(_LAB_KEYS)
    task, hints, solution = _sections(document)
    boots = defined_boots.boots(document)
    lab = Lab(
        number,
        stem.lstrip("0123456789-") or stem,
        head.required("title"),
        head.value("about") or "",
        document.text,
        task.text,
        tuple(hint.text for hint in hints),
        solution.text,
        folder,
        head.place,
        _words(document, "options"),
        boots,
        _recording(document, folder),
        head.value("kernel") is not None,
        tuple(_answers(task)),
        _path(task, "writer"),
        task.entries.value("instruction") is not None,
        tuple(_goals(task, boots)),
        tuple(solution.entries.values("check")),
    )
    if head.value("kernel") not in (None, OWN_KERNEL):
        raise _line(document, "kernel").error("unknown kernel", f"write `kernel: {OWN_KERNEL}`, or leave it out")
    _check_kinds(lab, task)
    return lab


def _sections(document: Document) -> tuple[Section, list[Section], Section]:
    """Return the task, the hints and the solution.

    :raise UserError: if one is missing, is there too often, or has unknown entries.
    """
    keys = {TASK: _TASK_KEYS, HINT: (), SOLUTION: _SOLUTION_KEYS}
    found: dict[str, list[Section]] = {title: [] for title in keys}
    for section in document.sections:
        if section.title not in keys:
            raise section.place.error(f"unknown section: {section.title}", f"use one of {', '.join(keys)}")
        section.entries.refuse_others(keys[section.title])
        found[section.title].append(section)
    for title, wanted in ((TASK, 1), (HINT, HINTS), (SOLUTION, 1)):
        if len(found[title]) != wanted:
            place = found[title][wanted].place if len(found[title]) > wanted else document.entries.place
            raise place.error(f"{len(found[title])} sections `## {title}` instead of {wanted}")
        for section in found[title]:
            if not section.text.strip():
                raise section.place.error(f"no text below `## {title}`", "put an empty line before the text")
    return found[TASK][0], found[HINT], found[SOLUTION][0]


def _line(document: Document, key: str) -> Place:
    """Return the line of the first entry with this key."""
    entry = next(entry for entry in document.entries.all if entry.key == key)
    return document.entries.at(entry)


def _words(document: Document, key: str) -> tuple[str, ...]:
    value = document.entries.value(key)
    return () if value is None else defined_boots.options(value, _line(document, key))


def _recording(document: Document, folder: Path) -> str | None:
    name = document.entries.value("recording")
    if name is not None and (not _FILE.fullmatch(name) or not (folder / name).is_file()):
        why = f"no such recording in the lab's folder: {name}"
        raise _line(document, "recording").error(why, "name a file in this folder")
    return name


def _answers(task: Section) -> Iterator[str]:
    for entry in task.entries.all:
        if entry.key == "answer":
            _check_expression(entry, task)
            yield entry.value


def _path(task: Section, key: str) -> str | None:
    for entry in task.entries.all:
        if entry.key == key:
            _check_expression(entry, task)
    return task.entries.value(key)


def _check_expression(entry: Entry, task: Section) -> None:
    if why := values.why_no_expression(entry.value):
        raise task.entries.at(entry).error(why, "use a path of the JSON document; see `pvhdbg manual teach`")


def _goals(task: Section, boots: dict[str, tuple[str, ...]]) -> Iterator[Goal]:
    for entry in task.entries.all:
        if entry.key != "goal":
            continue
        place = task.entries.at(entry)
        match = _OF_BOOT.fullmatch(entry.value)
        boot, text = (match[1], match[2]) if match else (FIRST_BOOT, entry.value)
        fact, _, words = text.partition(" # ")
        defined_boots.refuse_unknown(boot, boots, place)
        if why := values.why_not_understood(fact):
            raise place.error(why, 'write a comparison such as `start_info.magic == 0` or `"PVH102" in findings`')
        yield Goal(fact.strip(), words.strip() or fact.strip(), place, boot)


def _check_kinds(lab: Lab, task: Section) -> None:
    """Refuse a task without a way to solve it, or with several."""
    kinds = (bool(lab.answers), lab.writer is not None, lab.asks_instruction)
    if sum(kinds) > 1 or (lab.goals and any(kinds) and not lab.asks_instruction):
        raise task.place.error("several kinds of answers", "use only `answer`, `writer`, `instruction` or `goal`")
    if not any(kinds) and not lab.goals:
        raise task.place.error("nothing to check", "add a line `answer: …` or `goal: …` below `## Task`")
    if lab.asks_instruction and not lab.goals:
        raise task.place.error("an instruction without goals", "add a goal that compares `@ before` with `@ after`")
    if lab.recording and (lab.options or lab.boots or not lab.answers):
        raise lab.place.error("a lab about a recording has answers, but no boots", "use `answer` only")
    if not lab.checks and not lab.has_own_kernel:
        raise lab.place.error("the solution has no check", "add `check: ARGUMENTS` below `## Solution`")
