"""gdb's own language at a prompt: what a line means to us before gdb sees it, and running it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pvhdbg.errors import UserError
from pvhdbg.target.mi import in_console, quoted

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from pvhdbg.live.gdb.mi_client import MiClient, Pending

_PREFIX = "pvh"
_GDBS_TOO = ("info", "set", "dump", "help")
QUIT, KILL, RESTART, TO_ENTRY, ORDINARY = "quit", "kill", "restart", "to-entry", "ordinary"

# gdb's own abbreviations: a word counts from its shortest form on.
_MEANINGS = (
    ("q", "quit", QUIT),
    ("exit", "exit", QUIT),
    ("k", "kill", KILL),
    ("r", "run", RESTART),
    ("start", "start", RESTART),
    ("starti", "starti", TO_ENTRY),
)
# Each of them reads the standard input that MI needs, and never gives it back.
_NEVER_RETURN = (
    ("she", "shell"),
    ("!", "!"),
    ("pi", "pi"),
    ("python-", "python-interactive"),
    ("gr", "gr"),
    ("guile-", "guile-repl"),
    ("e", "edit"),
)
_RESUME = (
    ("c", "continue"),
    ("fg", "fg"),
    ("s", "step"),
    ("si", "stepi"),
    ("stepi", "stepi"),
    ("n", "next"),
    ("ni", "nexti"),
    ("nexti", "nexti"),
    ("fin", "finish"),
    ("u", "until"),
    ("adv", "advance"),
    ("j", "jump"),
    ("sig", "signal"),
)
# `echo >` prints what a prompt looks like, but its answer follows at once.
_ANSWER_FOLLOWS_WITHIN = 0.02
_QUITS_WITHIN = 0.2


def meaning(line: str) -> str:
    """What a line asks of us rather than of gdb: QUIT, KILL the machine, RESTART it, likewise but only
    TO_ENTRY; or ORDINARY.

    :raise UserError: for a command that would never give the prompt back.
    """
    word = _first_word(line)
    for shortest, full in _NEVER_RETURN:
        if _abbreviates(word, shortest, full):
            raise UserError(f"{full} is not available here: it would take gdb's input and never give it back")
    return next((each for shortest, full, each in _MEANINGS if _abbreviates(word, shortest, full)), ORDINARY)


def question(line: str, names: Collection[str] = ()) -> str | None:
    """The line of the command table that a typed one is: `pvh …`, `help` if it has no more words; or one that begins
    with one of the table's `names`, unless gdb has a command of that name. Null if it is none.
    """
    word, _, rest = line.strip().partition(" ")
    if word == _PREFIX:
        return rest.strip() or "help"
    return line.strip() if word in names and word not in _GDBS_TOO else None


def resumes(line: str) -> bool:
    """Whether a line lets the guest run."""
    word = _first_word(line)
    return any(_abbreviates(word, shortest, full) for shortest, full in _RESUME)


def run(gdb: MiClient, line: str, more: Callable[[], str | None], timeout: float | None = None) -> str:
    """Run a line and return what it printed, which `gdb.on_text` gets as it comes.

    `more` is asked for each further line of a command that goes on to its `end`, and answers null to give up. A command
    that lets the guest run returns at once; gdb answers nothing else until it stops.

    :raise MiError: with gdb's own words.
    :raise UserError: while the guest runs and gdb hears nothing.
    """
    if gdb.deaf:
        raise UserError("the guest is running", "interrupt it first")
    pending = gdb.send(in_console(line), quiet=False)
    asked = 0
    while gdb.wait_prompt(pending, asked, timeout):
        asked += 1
        if gdb.is_answered(pending, _ANSWER_FOLLOWS_WITHIN):
            break
        text = more()
        if text is None:
            _give_up(gdb, pending)
        else:
            gdb.process.write(text)
    gdb.forget()
    return gdb.wait(pending, timeout).text


def _give_up(gdb: MiClient, pending: Pending) -> None:
    gdb.process.interrupt()
    if not gdb.is_answered(pending, _QUITS_WITHIN):
        gdb.process.write("")  # it notices the signal only with the next character


def complete(gdb: MiClient, text: str) -> list[str]:
    """What `text` may become, as gdb's own prompt would offer it."""
    matches = gdb.ask(f"-complete {quoted(text)}").payload.get("matches", [])
    return [str(each) for each in matches]


def _first_word(line: str) -> str:
    words = line.replace("!", "! ", 1).split() if line.lstrip().startswith("!") else line.split()
    if words[:1] == ["server"]:
        words = words[1:]
    return words[0].partition("/")[0] if words else ""


def _abbreviates(word: str, shortest: str, full: str) -> bool:
    return word.startswith(shortest) and full.startswith(word)
