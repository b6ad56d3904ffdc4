"""The table of commands: how one gets into it, is called, is explained and is completed."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from pvhdbg.boot.stop import stages
from pvhdbg.errors import UserError
from pvhdbg.views.report import answers
from pvhdbg.views.rows import text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from pvhdbg.boot.session.live import Session

    Run = Callable[[Session, Sequence[str]], str]

_QUOTED = re.compile(r"`([\w-]+)")
_TOKEN = re.compile(r"@?[A-Z]+")
_EXPRESSIONS = ("PADDR", "ADDRESS")
"""Words that may be several: `pvh_start_info + 8`."""


class Command(NamedTuple):
    """`usage` is what follows the name: in brackets what may be left out, with … what may be repeated."""

    name: str
    usage: str
    example: str
    run: Run

    @property
    def help(self) -> str:
        """The docstring, its lines without their indentation."""
        return "\n".join(line.strip() for line in (self.run.__doc__ or "").strip().splitlines())

    @property
    def takes(self) -> list[str]:
        """The kinds of words it takes: STAGE, @STAGE, FILE, PADDR and so on."""
        return _TOKEN.findall(self.usage)


COMMANDS: dict[str, Command] = {}


def command(name: str, usage: str = "", *, example: str | None = None) -> Callable[[Run], Run]:
    """Put a function into the table. Without `example` the bare name is one."""

    def register(run: Run) -> Run:
        COMMANDS[name] = Command(name, usage, example or name, run)
        return run

    return register


def run(session: Session, line: str) -> str:
    """The answer to a line, without the newline at its end.

    :raise PvhdbgError: for whatever is wrong with the line, or cannot be had.
    """
    wanted, words = parse(line)
    asked = session if wanted.name == "open" else session.opened or session
    return wanted.run(asked, words)


def parse(line: str) -> tuple[Command, Sequence[str]]:
    """The command that a line calls, and its words.

    :raise UserError: if there is no such command, or not with so many words.
    """
    words = _split(line)
    if not words:
        raise UserError("no command", "`help` lists what there is")
    wanted = find(words[0])
    _check(wanted, words[1:])
    return wanted, words[1:]


def _split(line: str) -> list[str]:
    import shlex

    try:
        return shlex.split(line)
    except ValueError as error:
        raise UserError(f"{text.quoted(line)}: {error}") from None


def find(name: str) -> Command:
    """The command of that name, or the only one that begins with it.

    :raise UserError: if there is none, or more than one.
    """
    if name in COMMANDS:
        return COMMANDS[name]
    found = [each for each in COMMANDS if each.startswith(name)]
    if len(found) == 1:
        return COMMANDS[found[0]]
    if found:
        raise UserError(f"{name} is short for {', '.join(found)}")
    raise UserError(f"no command {text.quoted(name)}", "`help` lists what there is")


def _check(wanted: Command, words: Sequence[str]) -> None:
    """No word too few or too many."""
    tokens = [each for each in wanted.usage.split() if "@" not in each]
    given = sum(not _is_stage_word(wanted, each) for each in words)
    endless = any("…" in each or each.strip("[]") in _EXPRESSIONS for each in tokens)
    least = sum(not each.startswith("[") for each in tokens)
    if given < least or (given > len(tokens) and not endless):
        raise UserError(f"usage: {wanted.name} {wanted.usage}".rstrip(), f"for example: {wanted.example}")


def _is_stage_word(wanted: Command, word: str) -> bool:
    return word.startswith("@") and "@STAGE" in wanted.takes


def help_text(name: str | None = None) -> str:
    """All commands, each on a line, or everything about one.

    :raise UserError: if there is no such command.
    """
    if name is None:
        rows = [(f"{each.name} {each.usage}", each.help.partition("\n")[0]) for each in COMMANDS.values()]
        return "\n".join([*text.columns(rows, indent=0), "@STAGE asks for what was captured at that stage."])
    wanted = find(name)
    lines = [f"{wanted.name} {wanted.usage}".rstrip(), *wanted.help.splitlines(), f"Example: {wanted.example}"]
    return "\n".join(lines)


def prefixed(hint: str | None) -> str | None:
    """A hint where our commands have `pvh` before them: at gdb's prompt."""
    return hint and _QUOTED.sub(lambda found: f"`pvh {found[1]}" if found[1] in COMMANDS else found[0], hint)


def complete(line: str) -> list[str]:
    """What the last word of a line can become. Names of files and symbols are the caller's to complete."""
    head, _, last = line.rpartition(" ")
    if not head.strip():
        return [name for name in COMMANDS if name.startswith(last)]
    wanted = COMMANDS.get(head.split()[0])
    kinds = wanted.takes if wanted else []
    return sorted({each for kind in kinds for each in _candidates(kind) if each.startswith(last)})


def _candidates(kind: str) -> Iterable[str]:
    if kind == "STAGE":
        return stages.NAMES
    if kind == "@STAGE":
        return [f"@{each}" for each in (*stages.NAMES, stages.DIED)]
    if kind == "FIELD":
        return answers.field_names()
    if kind == "NAME":
        from pvhdbg.views.explain import lookup

        return lookup.names()
    return COMMANDS if kind == "COMMAND" else ()
