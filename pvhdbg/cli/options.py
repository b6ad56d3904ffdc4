"""The shell commands and their options. The parser of a command is built only when that command is used."""

from __future__ import annotations

import argparse
import os
import re
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, NoReturn

import pvhdbg
from pvhdbg.abi.text import printable
from pvhdbg.boot.stop import stages
from pvhdbg.boot.stop.protocols import AS_IS, PROTOCOLS
from pvhdbg.cli import encoding
from pvhdbg.errors import UserError
from pvhdbg.live.qemu.options import DEFAULT_APPEND

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

SIZE = re.compile(r"[1-9][0-9]{0,11}[KMGTkmgt]?")

LONGEST_NAME = 4096
"""The longest path or value that pvhdbg passes to QEMU, in characters. QEMU repeats it in its error messages."""


class Command(NamedTuple):
    """A shell command, such as `pvhdbg dump`.

    `help` is one line of help text. `add` adds the command's options to a parser. `runs` names the function that runs
    the command, as `module.function` in pvhdbg.cli.command; the module is imported only when the command is used.
    """

    help: str
    add: Callable[[argparse.ArgumentParser], None]
    runs: str


class HelpText(Exception):
    """Raised with the text of --help or --version, which is printed like any other output."""


class HelpFormatter(argparse.RawDescriptionHelpFormatter):
    """A formatter that makes help at most 100 columns wide, even on a wider terminal."""

    def __init__(self, prog: str) -> None:
        super().__init__(prog, width=min(100, shutil.get_terminal_size().columns) - 2)


ASCII = "--ascii"
_KERNEL = "the kernel: an ELF file, which may be compressed, or a bzImage"


class Parser(argparse.ArgumentParser):
    """An ArgumentParser that raises exceptions and prints nothing itself."""

    def error(self, message: str) -> NoReturn:
        raise UserError(message, f"see `{self.prog} --help`")

    def _print_message(self, message: str, _file: object = None) -> NoReturn:
        raise HelpText(message)


def _session(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(stage=None, output=None, format=None, command=[], watch=None)
    _ascii(parser)
    text = "take snapshots to go back to (F7, F8); auto: with up to 2 GiB of guest memory [auto]"
    parser.add_argument("--snapshots", choices=("auto", "on", "off"), default="auto", help=text)
    _launch(parser)


def _dump(parser: argparse.ArgumentParser) -> None:
    _format(parser)
    parser.add_argument(
        "--stage", choices=stages.NAMES, metavar="NAME", help=f"run only to this stage: {', '.join(stages.NAMES)}"
    )
    parser.add_argument(
        "-o",
        "--output",
        type=Path,
        metavar="FILE",
        help="write a recording to FILE, in JSON; with --format text, write the report",
    )
    _watch(parser, "watch the guest for SECONDS after the last stage, and report how it ends [0]")
    _command(parser)
    _launch(parser)


def _check(parser: argparse.ArgumentParser) -> None:
    _format(parser)
    _watch(
        parser,
        "watch the guest for SECONDS after the last stage; 0 turns this off [5, or until Linux has a console]",
    )
    _launch(parser)


def _watch(parser: argparse.ArgumentParser, text: str) -> None:
    parser.add_argument("--watch", type=_seconds_or_0, metavar="SECONDS", help=text)


def _who(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "field",
        nargs="?",
        metavar="FIELD",
        help="a path of the JSON, such as boot_params.hdr.cmd_line_ptr, or ADDRESS[,LENGTH]",
    )
    parser.add_argument("--all", action="store_true", help="show a table of all fields")
    parser.add_argument(
        "--unread", action="store_true", help="list the fields of the boot data that the guest did not read"
    )
    _format(parser)
    _launch(parser)


def _inspect(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("kernel", type=Path, metavar="KERNEL", help=_KERNEL)
    _symbols(parser)
    _format(parser)


def _show(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "recording", type=Path, metavar="RECORDING", help="a recording, written by `pvhdbg dump -o FILE`"
    )
    parser.add_argument("--tui", action="store_true", help="open the recording in the full-screen interface")
    _ascii(parser)
    _command(parser)


def _command(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "-c",
        "--command",
        action="append",
        default=[],
        metavar="LINE",
        help="run a command at the last stop and print only its output; `-c help` lists the commands",
    )


def _diff(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("before", metavar="RECORDING", help="a recording, or one stage of it: FILE@STAGE")
    parser.add_argument("after", metavar="OTHER", help="the recording or stage to compare it with")
    parser.add_argument("--exit-code", action="store_true", help="exit with status 1 if the recordings differ")
    _ascii(parser)


def _explain(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "name",
        nargs="*",
        metavar="NAME",
        help="for example hdr.version, CR0.PE, prepare, PVH901; without NAME, list all names",
    )
    _ascii(parser)


def _attach(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("where", metavar="WHERE", help="the gdb stub: HOST:PORT, or the path of a UNIX socket")
    parser.add_argument("kernel", type=Path, nargs="?", metavar="KERNEL", help="the file of the running kernel")
    _symbols(parser)
    _timeout(parser)
    _command(parser)
    _ascii(parser)
    _tools(parser, qemu=False)


def _manual(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("page", nargs="?", default="index", metavar="PAGE", help="default: index, the list of pages")
    _ascii(parser)


def _doctor(parser: argparse.ArgumentParser) -> None:
    _ascii(parser)
    _tools(parser)


def _gdb_script(parser: argparse.ArgumentParser) -> None:
    _ascii(parser)


SESSION = Command("start the interactive session", _session, "interactive.interactive")
COMMANDS = {
    "dump": Command("boot, stop at each stage and print the boot data", _dump, "dump.dump"),
    "check": Command("boot and report what is wrong", _check, "check.check"),
    "who": Command("boot and show who writes and reads the boot data", _who, "who.who"),
    "inspect": Command("examine a kernel file without booting it", _inspect, "inspect_file.inspect"),
    "show": Command("print a recording", _show, "show.show"),
    "diff": Command("compare two recordings, or two stages (FILE@STAGE)", _diff, "diff.diff"),
    "explain": Command(
        "explain a field, struct, stage, bit, ELF note, rule or term",
        _explain,
        "explain.explain",
    ),
    "attach": Command("attach to a running machine through its gdb stub", _attach, "attach.attach"),
    "manual": Command("show a page of the manual", _manual, "manual.manual"),
    "doctor": Command("check the installation: show versions and try to boot", _doctor, "doctor.doctor"),
    "gdb-script": Command(
        "print the path of the gdb script (for gdb's `source`)", _gdb_script, "gdb_script.gdb_script"
    ),
}


def parse(argv: Sequence[str]) -> tuple[Command, argparse.Namespace]:
    """Return the command and its options. If the first argument is not a command, the command is SESSION.

    :raise UserError: for unknown or invalid arguments.
    """
    own, qemu_args = _split(argv)
    if own[:1] == [ASCII] and own[1:2] and own[1] in COMMANDS:  # users also write general options before the command
        own[:2] = [own[1], ASCII]
    _refuse_misspelled(own)
    command = COMMANDS.get(own[0], SESSION) if own else SESSION
    parser = _session_parser() if command is SESSION else parser_of(own[0])
    options = parser.parse_args(own if command is SESSION else own[1:])
    options.qemu_args = qemu_args
    options.ascii = encoding.is_ascii_only() or getattr(options, "ascii", False)
    if qemu_args and not hasattr(options, "machine"):
        raise UserError(f"`{parser.prog}` does not start QEMU, so it takes no arguments after --")
    return command, options


def _refuse_misspelled(own: Sequence[str]) -> None:
    """Refuse a first argument that resembles a command and is not a file.

    :raise UserError: for such an argument.
    """
    if not own or own[0] in COMMANDS or own[0].startswith("-") or os.path.lexists(own[0]):
        return
    from difflib import get_close_matches

    if near := get_close_matches(own[0], COMMANDS):
        names = " or ".join(f"`{name}`" for name in near)
        raise UserError(f'no such command or file: "{printable(own[0])}"', f"did you mean {names}?")


def _split(argv: Sequence[str]) -> tuple[list[str], list[str]]:
    """Split the arguments at the first `--` into pvhdbg's arguments and QEMU's."""
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
        epilog="commands (each takes --help):\n" + "\n".join(lines),
        formatter_class=HelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"pvhdbg {pvhdbg.__version__}")
    _session(parser)
    return parser


def parser_of(name: str) -> Parser:
    """Return the parser of a command."""
    text = COMMANDS[name].help
    parser = Parser(f"pvhdbg {name}", description=f"{text[0].upper()}{text[1:]}.", formatter_class=HelpFormatter)
    COMMANDS[name].add(parser)
    return parser


def _symbols(parser: argparse._ActionsContainer) -> None:
    parser.add_argument(
        "--symbols", type=Path, metavar="FILE", help="read symbols from a debug vmlinux of the same build"
    )


def _timeout(parser: argparse._ActionsContainer) -> None:
    parser.add_argument(
        "--timeout",
        type=_seconds,
        default=30.0,
        metavar="SECONDS",
        help="give up if a stage takes longer than SECONDS [30]",
    )


def _ascii(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(ASCII, action="store_true", help="use only ASCII; the default in a non-UTF-8 locale")


def _format(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--format", choices=("text", "json"), help="print text (the default) or JSON")
    _ascii(parser)


def _launch(parser: argparse.ArgumentParser) -> None:
    """Add the options of every command that boots a kernel."""
    parser.add_argument(
        "kernel",
        type=Path,
        nargs="?",
        metavar="KERNEL",
        help=f"{_KERNEL} (default: the teaching guest, a small built-in test kernel)",
    )
    _boot_options(parser.add_argument_group("boot options"))
    _machine_options(parser.add_argument_group("machine options"))
    _tools(parser)


def _boot_options(boot: argparse._ArgumentGroup) -> None:
    boot.add_argument("-i", "--initrd", type=Path, metavar="FILE", help="pass an initrd, which becomes module 0")
    boot.add_argument(
        "-a",
        "--append",
        default=DEFAULT_APPEND,
        metavar="STRING",
        help=f"set the kernel command line [{DEFAULT_APPEND}]",
    )
    _symbols(boot)
    boot.add_argument(
        "--protocol",
        choices=PROTOCOLS,
        default=AS_IS,
        help=f"convert the boot data to another protocol before the guest runs [{AS_IS}]",
    )
    boot.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="PATH=VALUE",
        help="change one field of the boot data before the guest runs; repeatable",
    )
    boot.add_argument("--force", action="store_true", help="start the kernel even if the pre-start check rejects it")
    _timeout(boot)


def _machine_options(machine: argparse._ArgumentGroup) -> None:
    machine.add_argument(
        "-m", "--memory", type=_size, default="512M", metavar="SIZE", help="set the size of guest memory [512M]"
    )
    machine.add_argument(
        "-M",
        "--machine",
        type=_name,
        default="microvm",
        metavar="NAME",
        help="choose the machine: microvm, q35 or pc [microvm]",
    )
    machine.add_argument(
        "--accel", choices=("tcg", "kvm"), default="tcg", help="emulate the CPU (tcg) or use KVM [tcg]"
    )
    machine.add_argument(
        "--cpu", type=_name, metavar="MODEL", help="choose the CPU model [max under tcg, host under kvm]"
    )


def _tools(parser: argparse.ArgumentParser, *, qemu: bool = True) -> None:
    tools = parser.add_argument_group("tools")
    if qemu:
        tools.add_argument("--qemu", type=_name, metavar="PATH", help="run this QEMU")
    tools.add_argument("--gdb", type=_name, metavar="PATH", help="run this gdb")
    tools.add_argument("--mi-log", type=Path, metavar="FILE", help="log the MI traffic between pvhdbg and gdb to FILE")
    tools.add_argument("--gdbinit", action="store_true", help="let gdb read your .gdbinit")


def _seconds(text: str) -> float:
    seconds = _number(text)
    if not 0 < seconds < 1e6:
        raise argparse.ArgumentTypeError(f"must be greater than 0 and less than 1000000: {text!r}")
    return seconds


def _seconds_or_0(text: str) -> float:
    seconds = _number(text)
    if not 0 <= seconds < 1e6:
        raise argparse.ArgumentTypeError(f"must be at least 0 and less than 1000000: {text!r}")
    return seconds


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"invalid number: {text!r}") from None


def _name(text: str) -> str:
    if not 0 < len(text) <= LONGEST_NAME:
        raise argparse.ArgumentTypeError("must not be empty" if not text else f"longer than {LONGEST_NAME} characters")
    return text


def _size(text: str) -> str:
    if re.fullmatch("0+[KMGTkmgt]?", text):
        raise argparse.ArgumentTypeError(f"must be greater than 0: {text!r}")
    if not SIZE.fullmatch(text):
        raise argparse.ArgumentTypeError(f"invalid size: {text!r} (use a number followed by K, M, G or T)")
    return text
