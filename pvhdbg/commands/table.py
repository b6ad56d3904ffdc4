"""The table of commands: register a command, run a line, complete a word, show help."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pvhdbg.boot.stop import stages
from pvhdbg.errors import UserError
from pvhdbg.lazy_pattern import pattern
from pvhdbg.named_tuple import NamedTuple
from pvhdbg.views.report import answers
from pvhdbg.views.rows import text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from pvhdbg.boot.session.protocol import Session

    Run = Callable[[Session, Sequence[str]], str]

_QUOTED = pattern(r"`([\w-]+)")
_PLACEHOLDER = pattern(r"@?[A-Z]+")
_EXPRESSIONS = ("PADDR", "ADDRESS")
"""Arguments that may have several words: `pvh_start_info + 8`."""
_SEE_HELP = "use `help` for the list of commands"


class Command(NamedTuple):
    """A `pvh` command. In `usage`, arguments in brackets are optional, and … means that more may follow.

    `run` is the function that runs the command; its docstring is the help text.
    """

    name: str
    usage: str
    example: str
    run: Run

    @property
    def help(self) -> str:
        """The docstring without indentation."""
        return "\n".join(line.strip() for line in (self.run.__doc__ or "").strip().splitlines())

    @property
    def takes(self) -> list[str]:
        """The kinds of arguments: STAGE, @STAGE, FILE, PADDR and so on."""
        return _PLACEHOLDER.findall(self.usage)


COMMANDS: dict[str, Command] = {}


def command(name: str, usage: str = "", *, example: str | None = None) -> Callable[[Run], Run]:
    """Register a function as a command. Without an `example`, the name alone is the example."""

    def register(run: Run) -> Run:
        COMMANDS[name] = Command(name, usage, example or name, run)
        return run

    return register


def run(session: Session, line: str) -> str:
    """Run a line and return its answer, without a newline at the end.

    :raise PvhdbgError: if the line is not a valid command, or the command fails.
    """
    called, words = parse(line)
    return called.run(session if called.name == "open" else session.opened or session, words)


def parse(line: str) -> tuple[Command, Sequence[str]]:
    """Return the command that a line names, and its arguments. The line may begin with `pvh`, as in gdb.

    :raise UserError: for an unknown command or a wrong number of arguments.
    """
    words = _split(line)
    if words[:1] == ["pvh"]:
        words = words[1:]
    if not words:
        raise UserError("no command", _SEE_HELP)
    called = find(words[0])
    _check_count(called, words[1:])
    return called, words[1:]


def _split(line: str) -> list[str]:
    import shlex

    try:
        return shlex.split(line)
    except ValueError as error:
        missing = "closing quote" if "quotation" in str(error) else "character after the backslash"
        raise UserError(f"{text.quoted(line)}: missing {missing}") from None


def find(name: str) -> Command:
    """Return the command with this name, or the only command whose name begins with it.

    :raise UserError: if no command matches, or more than one.
    """
    if name in COMMANDS:
        return COMMANDS[name]
    matches = [known for known in COMMANDS if known.startswith(name)]
    if len(matches) == 1:
        return COMMANDS[matches[0]]
    if matches:
        raise UserError(f"ambiguous command {text.quoted(name)}: {', '.join(matches)}")
    raise UserError(f"no such command: {text.quoted(name)}", _similar(name))


def _similar(name: str) -> str:
    from difflib import get_close_matches

    near = get_close_matches(name[: text.SHORT], COMMANDS, 1)
    return f"did you mean `{near[0]}`?" if near else _SEE_HELP


def _check_count(called: Command, words: Sequence[str]) -> None:
    """Check the number of arguments.

    :raise UserError: for too few or too many arguments.
    """
    arguments = [token for token in called.usage.split() if "@" not in token]
    count = sum(not _is_stage_word(called, word) for word in words)
    is_unlimited = any("…" in token or token.strip("[]") in _EXPRESSIONS for token in arguments)
    least = sum(not token.startswith("[") for token in arguments)
    if count < least or (count > len(arguments) and not is_unlimited):
        raise UserError(f"usage: {called.name} {called.usage}".rstrip(), f"try `{called.example}`")


def _is_stage_word(called: Command, word: str) -> bool:
    return word.startswith("@") and "@STAGE" in called.takes


def help_text(name: str | None = None) -> str:
    """Return the list of commands, or the help text of one command.

    :raise UserError: if no command has this name.
    """
    if name is None:
        rows = [(f"{entry.name} {entry.usage}", entry.help.partition("\n")[0]) for entry in COMMANDS.values()]
        return "\n".join([*text.columns(rows, indent=0), "@STAGE: use the capture at that stage"])
    entry = find(name)
    return "\n".join([f"{entry.name} {entry.usage}".rstrip(), *entry.help.splitlines(), f"Example: {entry.example}"])


def prefixed(hint: str | None) -> str | None:
    """Return a hint with `pvh` in front of each command, because that is how gdb's users type it."""
    return hint and _QUOTED.sub(lambda match: f"`pvh {match[1]}" if match[1] in COMMANDS else match[0], hint)


def complete(line: str) -> list[str]:
    """Return the completions of a line's last word. The caller completes file names and symbols."""
    head, _, last = line.rpartition(" ")
    if not head.strip():
        return [name for name in COMMANDS if name.startswith(last)]
    called = COMMANDS.get(head.split()[0])
    kinds = called.takes if called else []
    return sorted({word for kind in kinds for word in _candidates(kind) if word.startswith(last)})


def _candidates(kind: str) -> Iterable[str]:
    if kind == "STAGE":
        return stages.NAMES
    if kind == "@STAGE":
        return [f"@{name}" for name in (*stages.NAMES, stages.DIED)]
    if kind == "FIELD":
        return answers.field_names()
    if kind == "NAME":
        from pvhdbg.views.explain import lookup

        return lookup.names()
    return COMMANDS if kind == "COMMAND" else ()
