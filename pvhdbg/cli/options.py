"""What a user may type: one small parser a command, built only when it is asked for."""

from __future__ import annotations

import argparse
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, NoReturn

import pvhdbg
from pvhdbg.abi.text import printable
from pvhdbg.boot.stop import stages
from pvhdbg.boot.stop.protocols import AS_IS, PROTOCOLS
from pvhdbg.cli import language
from pvhdbg.errors import UserError
from pvhdbg.live.qemu.options import DEFAULT_APPEND

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

SIZE = re.compile(r"[1-9][0-9]{0,11}[KMGTkmgt]?")

LONGEST_NAME = 4096
"""Characters of a path or of QEMU's options: a longer one hides what QEMU says of it."""


class Command(NamedTuple):
    """A word after `pvhdbg`: one line of help, what adds its options to a parser, and the function that runs it,
    as `module.function` in pvhdbg.cli.command, imported when it is needed.
    """

    help: str
    add: Callable[[argparse.ArgumentParser], None]
    runs: str


class Said(Exception):
    """What --help or --version say, to be printed as everything is."""


class Parser(argparse.ArgumentParser):
    """argparse, with errors of ours, and nothing printed by itself."""

    def error(self, message: str) -> NoReturn:
        raise UserError(message, f"`{self.prog} --help` lists what there is")

    def _print_message(self, message: str, _file: object = None) -> NoReturn:
        raise Said(message)


def _session(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(stage=None, output=None, format=None, command=[])
    _ascii(parser)
    _launch(parser)


def _dump(parser: argparse.ArgumentParser) -> None:
    _format(parser)
    parser.add_argument(
        "--stage", choices=stages.NAMES, metavar="NAME", help=f"the last one: {', '.join(stages.NAMES)}"
    )
    parser.add_argument("-o", "--output", type=Path, metavar="FILE", help="write there; JSON unless --format says text")
    _command(parser)
    _launch(parser)


def _check(parser: argparse.ArgumentParser) -> None:
    _format(parser)
    _launch(parser)


def _inspect(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("kernel", type=Path, metavar="KERNEL", help="an ELF or a bzImage")
    parser.add_argument("--symbols", type=Path, metavar="FILE", help="a debug vmlinux of the same build")
    _format(parser)


def _show(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("recording", type=Path, metavar="RECORDING", help="what `pvhdbg dump -o FILE` wrote")
    parser.add_argument("--tui", action="store_true", help="browse it on the terminal")
    _ascii(parser)
    _command(parser)


def _command(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "-c",
        "--command",
        action="append",
        default=[],
        metavar="LINE",
        help="ask that at the last stage reached and print the answer alone; -c help lists the questions",
    )


def _diff(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("before", metavar="A", help="a recording, or FILE@STAGE")
    parser.add_argument("after", metavar="B", help="likewise")
    parser.add_argument("--exit-code", action="store_true", help="exit with 1 if they differ")
    _ascii(parser)


def _explain(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "name", nargs="*", metavar="NAME", help="hdr.version, CR0.PE, prepare, PVH901, triple fault; without it, a list"
    )


def _attach(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("where", metavar="WHERE", help="a stub: HOST:PORT, or the path of its UNIX socket")
    parser.add_argument("kernel", type=Path, nargs="?", metavar="KERNEL", help="what runs there")
    parser.add_argument("--symbols", type=Path, metavar="FILE", help="a debug vmlinux of the same build")
    _timeout(parser)
    _command(parser)
    _ascii(parser)
    _tools(parser, qemu=False)


def _doctor(parser: argparse.ArgumentParser) -> None:
    _tools(parser)


def _gdb_script(_parser: argparse.ArgumentParser) -> None:
    """It has none."""


SESSION = Command("the interactive session", _session, "session.session")
COMMANDS = {
    "dump": Command("boot, stop at each stage, print what is there", _dump, "dump.dump"),
    "check": Command("boot and run every rule", _check, "check.check"),
    "inspect": Command("the file alone, nothing is started", _inspect, "files.inspect"),
    "show": Command("a saved dump, decoded again and shown", _show, "files.show"),
    "diff": Command("two saved dumps, or two stages of one (FILE@STAGE)", _diff, "diff.diff"),
    "explain": Command(
        "a field, structure, stage, bit, note, rule or word: what it is, who writes and reads it",
        _explain,
        "explain.explain",
    ),
    "attach": Command("a stub that already runs: HOST:PORT or a socket's path", _attach, "attach.attach"),
    "doctor": Command("what is installed, which versions, what works here", _doctor, "doctor.doctor"),
    "gdb-script": Command("the path to `source` inside gdb", _gdb_script, "files.gdb_script"),
}


def parse(argv: Sequence[str]) -> tuple[Command, argparse.Namespace]:
    """The command, SESSION where none is named, and its options.

    :raise UserError: for a call that cannot be understood.
    """
    own, qemu_args = _split(argv)
    _refuse_misspelt(own)
    command = COMMANDS.get(own[0], SESSION) if own else SESSION
    parser = _session_parser() if command is SESSION else _parser(own[0])
    options = parser.parse_args(own if command is SESSION else own[1:])
    options.qemu_args = qemu_args
    options.ascii = language.is_ascii() or getattr(options, "ascii", False)
    if qemu_args and not hasattr(options, "machine"):
        raise UserError(f"`{parser.prog}` starts no QEMU: it takes no arguments after --")
    return command, options


def _refuse_misspelt(own: Sequence[str]) -> None:
    """:raise UserError: for what would be taken for a kernel, is no file, and looks like a command."""
    if not own or own[0] in COMMANDS or own[0].startswith("-") or os.path.lexists(own[0]):
        return
    from difflib import get_close_matches

    if near := get_close_matches(own[0], COMMANDS):
        raise UserError(f"{printable(own[0])}: no command, and no such file", f"near to it: {', '.join(near)}")


def _split(argv: Sequence[str]) -> tuple[list[str], list[str]]:
    """Our own words, and QEMU's after the first `--`."""
    words = list(argv)
    if "--" not in words:
        return words, []
    at = words.index("--")
    return words[:at], words[at + 1 :]


def _session_parser() -> Parser:
    width = max(map(len, COMMANDS))
    lines = [f"  pvhdbg {name:{width}}  {command.help}" for name, command in COMMANDS.items()]
    parser = Parser(
        "pvhdbg",
        usage="pvhdbg [KERNEL] [options] [-- QEMU ARGS...]\n       pvhdbg COMMAND [options]",
        description="A debugger for the first milliseconds of a PVH boot.",
        epilog="commands (each has --help):\n" + "\n".join(lines),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"pvhdbg {pvhdbg.__version__}")
    _session(parser)
    return parser


def _parser(name: str) -> Parser:
    parser = Parser(f"pvhdbg {name}", description=COMMANDS[name].help)
    COMMANDS[name].add(parser)
    return parser


def _timeout(parser: argparse._ActionsContainer) -> None:
    parser.add_argument(
        "--timeout", type=_seconds, default=30.0, metavar="SECONDS", help="how long a stage may take to come [30]"
    )


def _ascii(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--ascii", action="store_true", help="ASCII alone, as where the locale is not UTF-8")


def _format(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--format", choices=("text", "json"), help="text for a person (the default), or JSON")
    _ascii(parser)


def _launch(parser: argparse.ArgumentParser) -> None:
    """The options wherever something is booted."""
    parser.add_argument(
        "kernel", type=Path, nargs="?", metavar="KERNEL", help="an ELF or a bzImage; without it, the teaching guest"
    )
    boot = parser.add_argument_group("what is booted")
    boot.add_argument("-i", "--initrd", type=Path, metavar="FILE", help="the first module")
    boot.add_argument(
        "-a", "--append", default=DEFAULT_APPEND, metavar="STRING", help=f"the command line [{DEFAULT_APPEND}]"
    )
    boot.add_argument("--symbols", type=Path, metavar="FILE", help="a debug vmlinux of the same build")
    boot.add_argument("--protocol", choices=PROTOCOLS, default=AS_IS, help=f"rewrite what is handed over [{AS_IS}]")
    boot.add_argument(
        "--set", action="append", default=[], metavar="PATH=VALUE", help="change one thing that is handed over"
    )
    boot.add_argument("--force", action="store_true", help="start what preflight refuses")
    _timeout(boot)
    machine = parser.add_argument_group("the machine")
    machine.add_argument("-m", "--memory", type=_size, default="512M", metavar="SIZE", help="the guest's memory [512M]")
    machine.add_argument(
        "-M", "--machine", type=_name, default="microvm", metavar="NAME", help="microvm, q35 or pc [microvm]"
    )
    machine.add_argument("--accel", choices=("tcg", "kvm"), default="tcg", help="QEMU's own CPU, or Linux's KVM [tcg]")
    machine.add_argument("--cpu", type=_name, metavar="MODEL", help="[max under tcg, host under kvm]")
    _tools(parser)


def _tools(parser: argparse.ArgumentParser, *, qemu: bool = True) -> None:
    tools = parser.add_argument_group("the tools")
    if qemu:
        tools.add_argument("--qemu", type=_name, metavar="PATH", help="the QEMU to start")
    tools.add_argument("--gdb", type=_name, metavar="PATH", help="the gdb to start")
    tools.add_argument("--mi-log", type=Path, metavar="FILE", help="write every line to and from gdb")
    tools.add_argument("--gdbinit", action="store_true", help="let gdb read your own .gdbinit")


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds < 1e6:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of seconds above 0")
    return seconds


def _name(text: str) -> str:
    if not 0 < len(text) <= LONGEST_NAME:
        raise argparse.ArgumentTypeError("it is empty" if not text else "it is too long")
    return text


def _size(text: str) -> str:
    if not SIZE.fullmatch(text):
        raise argparse.ArgumentTypeError(f"{text!r} is no size: a number and K, M, G or T")
    return text
