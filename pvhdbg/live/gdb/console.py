"""Lines in gdb's command language: recognize those that pvhdbg handles itself, and run the others in gdb."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pvhdbg.errors import UserError
from pvhdbg.target.mi.client import console_command, quote

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from pvhdbg.live.gdb.mi_client import MiClient, Pending

_PREFIX = "pvh"
_ALSO_GDB_COMMANDS = ("info", "set", "dump", "help")
QUIT, KILL, RESTART, TO_ENTRY, FOR_GDB = "quit", "kill", "restart", "to-entry", "for-gdb"
STEP_BACK, CONTINUE_BACK, OTHER_BACK = "step-back", "continue-back", "other-back"

# The shortest abbreviation that gdb accepts, and the full name.
_HANDLED_HERE = (
    ("q", "quit", QUIT),
    ("exit", "exit", QUIT),
    ("k", "kill", KILL),
    ("r", "run", RESTART),
    ("start", "start", RESTART),
    ("starti", "starti", TO_ENTRY),
    ("reverse-stepi", "reverse-stepi", STEP_BACK),
    ("rsi", "rsi", STEP_BACK),
    ("reverse-c", "reverse-continue", CONTINUE_BACK),
    ("rc", "rc", CONTINUE_BACK),
    ("reverse-step", "reverse-step", OTHER_BACK),
    ("rs", "rs", OTHER_BACK),
    ("reverse-n", "reverse-next", OTHER_BACK),
    ("rn", "rn", OTHER_BACK),
    ("reverse-nexti", "reverse-nexti", OTHER_BACK),
    ("rni", "rni", OTHER_BACK),
    ("reverse-f", "reverse-finish", OTHER_BACK),
)
# These read from standard input, which MI needs, and never return.
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
_BREAK = (("b", "break"), ("tb", "tbreak"), ("hb", "hbreak"), ("thb", "thbreak"))
# `echo >` prints text that looks like a prompt for more lines, but its answer follows at once.
_ANSWER_FOLLOWS_WITHIN = 0.02
_QUITS_WITHIN = 0.2


def classify(line: str) -> str:
    """Return what to do with a typed line: QUIT, KILL the machine, RESTART the machine, restart it and run TO_ENTRY, go
    back by an instruction (STEP_BACK) or to a breakpoint (CONTINUE_BACK), or pass the line to gdb (FOR_GDB).

    :raise UserError: for a command that would never return to the prompt.
    """
    word = _first_word(line)
    for shortest, full in _NEVER_RETURN:
        if _abbreviates(word, shortest, full):
            raise UserError(f"{full}: not available here, because it would block the gdb prompt forever")
    return next((kind for shortest, full, kind in _HANDLED_HERE if _abbreviates(word, shortest, full)), FOR_GDB)


_TO_STAGES = ("run-to", "next-stage", "back")
"""pvhdbg's commands that take the guest to a stage."""


def leaves_here(line: str) -> bool:
    """Return whether a line takes the guest to another place, restarts it or ends it."""
    command, word = (pvh_command(line, _TO_STAGES) or "").partition(" ")[0], _first_word(line)
    return command in _TO_STAGES or any(_abbreviates(word, shortest, full) for shortest, full, _ in _HANDLED_HERE)


def pvh_command(line: str, names: Collection[str] = ()) -> str | None:
    """Return the pvhdbg command in a typed line, or None if the line is for gdb.

    The command is what follows `pvh`, or `help` if nothing follows. A line that begins with one of `names`, which are
    pvhdbg's commands, needs no `pvh`, unless gdb has a command with the same name.
    """
    word, _, rest = line.strip().partition(" ")
    if word == _PREFIX:
        return rest.strip() or "help"
    return line.strip() if word in names and word not in _ALSO_GDB_COMMANDS else None


def resumes(line: str) -> bool:
    """Return whether a line resumes the guest."""
    word = _first_word(line)
    return any(_abbreviates(word, shortest, full) for shortest, full in _RESUME)


def sets_breakpoint(line: str) -> bool:
    """Return whether a line sets a breakpoint."""
    word = _first_word(line)
    return any(_abbreviates(word, shortest, full) for shortest, full in _BREAK)


def run(gdb: MiClient, line: str, more: Callable[[], str | None], timeout: float | None = None) -> str:
    """Run a line in gdb and return what it printed. `gdb.on_text` gets the output as it comes.

    `more` returns the next line of a multi-line command, up to its `end`, or None to cancel the command. A command that
    resumes the guest returns at once; gdb then answers no command until the guest stops.

    :raise MiError: with gdb's own message.
    :raise UserError: while the guest runs and gdb accepts no commands.
    """
    if gdb.commands_blocked:
        raise UserError("the guest is running", "stop it with Ctrl-C first")
    # A SIGINT while gdb resumes the guest would make gdb lose the guest's next stop. gdb resumes it at once, so a
    # command that does needs no SIGINT.
    pending = gdb.send(console_command(line), quiet=False, takes_signal=not resumes(line))
    prompts = 0
    while gdb.wait_prompt(pending, prompts, timeout):
        prompts += 1
        if _answer_follows(gdb, pending):
            break
        text = more()
        if text is None:
            _cancel(gdb, pending)
        else:
            gdb.process.write(text)
    gdb.invalidate()
    return gdb.wait(pending, timeout).text


def _answer_follows(gdb: MiClient, pending: Pending) -> bool:
    """Return whether the answer comes without another line, although gdb printed what looks like a prompt.

    On a busy computer the answer may take long; but while gdb reads a line, it sleeps.
    """
    while not gdb.is_answered(pending, _ANSWER_FOLLOWS_WITHIN) and not gdb.process.is_sleeping():
        pass
    return gdb.is_answered(pending, _ANSWER_FOLLOWS_WITHIN)


def _cancel(gdb: MiClient, pending: Pending) -> None:
    gdb.signal()
    if not gdb.is_answered(pending, _QUITS_WITHIN):
        gdb.process.write("")  # gdb notices the signal only when it reads the next character


def complete(gdb: MiClient, text: str) -> list[str]:
    """Return the completions of `text` that gdb's own prompt would offer."""
    return gdb.ask(f"-complete {quote(text)}").results.texts("matches")


def _first_word(line: str) -> str:
    words = line.replace("!", "! ", 1).split() if line.lstrip().startswith("!") else line.split()
    if words[:1] == ["server"]:
        words = words[1:]
    return words[0].partition("/")[0] if words else ""


def _abbreviates(word: str, shortest: str, full: str) -> bool:
    return word.startswith(shortest) and full.startswith(word)
