"""The shell commands and their options. The parser of a command is built only when that command is used."""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import TYPE_CHECKING

import pvhdbg
from pvhdbg.abi.text import printable
from pvhdbg.boot.stop import stages
from pvhdbg.cli import encoding, teaching_options
from pvhdbg.cli.boot_options import KERNEL, launch, launch_several, symbols, timeout, tools
from pvhdbg.cli.parser import HelpFormatter, Parser
from pvhdbg.cli.values import seconds_or_0
from pvhdbg.errors import UserError
from pvhdbg.named_tuple import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


class Command(NamedTuple):
    """A shell command, such as `pvhdbg dump`.

    `help` is one line of help text. `add` adds the command's options to a parser. `runs` names the function that runs
    the command, as `module.function` in pvhdbg.cli.command; the module is imported only when the command is used.
    `is_mixed` is set if options may be between several arguments, which takes longer to parse.
    """

    help: str
    add: Callable[[argparse.ArgumentParser], None]
    runs: str
    is_mixed: bool = False


ASCII = "--ascii"
_RECORDING = "a recording, written by `pvhdbg dump -o FILE`"


def _session(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(stage=None, output=None, format=None, command=[], watch=None)
    _ascii(parser)
    _theme(parser)
    text = "take snapshots to go back to (F7, F8); auto: with up to 2 GiB of guest memory [auto]"
    parser.add_argument("--snapshots", choices=("auto", "on", "off"), default="auto", help=text)
    launch(parser)


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
    launch(parser)


def _transplant(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "recording", type=Path, metavar="RECORDING", help="the recording whose boot data the kernel gets"
    )
    _dump(parser)
    parser.set_defaults(memory=None)


def _check(parser: argparse.ArgumentParser) -> None:
    _format(parser)
    _watch(
        parser,
        "watch the guest for SECONDS after the last stage; 0 turns this off [5, or until Linux has a console]",
    )
    launch_several(parser)


def _watch(parser: argparse.ArgumentParser, text: str) -> None:
    parser.add_argument("--watch", type=seconds_or_0, metavar="SECONDS", help=text)


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
    launch(parser)


def _trace(parser: argparse.ArgumentParser) -> None:
    teaching_options.trace(parser)
    _ascii(parser)
    launch(parser)


def _inspect(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("kernel", type=Path, metavar="KERNEL", help=KERNEL)
    symbols(parser)
    _format(parser)


def _show(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("recording", type=Path, metavar="RECORDING", help=_RECORDING)
    parser.add_argument("--tui", action="store_true", help="open the recording in the full-screen interface")
    _ascii(parser)
    _theme(parser)
    _command(parser)


def _report(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("recording", type=Path, metavar="RECORDING", help=_RECORDING)
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="FILE", help="write the page to FILE.html")
    _ascii(parser)


def _picture(parser: argparse.ArgumentParser) -> None:
    from pvhdbg.views.pictures.table import PICTURES

    names = "; ".join(f"{name}: {picture.about}" for name, picture in PICTURES.items())
    parser.add_argument("picture", choices=tuple(PICTURES), metavar="NAME", help=names)
    parser.add_argument(
        "-o",
        "--output",
        type=Path,
        metavar="FILE",
        help="write the picture to FILE.svg, FILE.html or FILE.txt; without -o, print it as text",
    )
    _ascii(parser)
    launch(parser, recording=True)


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
    parser.add_argument(
        "before", metavar="RECORDING", help="a recording, or one stage of it: FILE@STAGE; with --bisect, also a VMM"
    )
    parser.add_argument(
        "after", metavar="OTHER", help="the recording or stage to compare it with; with --bisect, also a VMM"
    )
    parser.add_argument("--exit-code", action="store_true", help="exit with status 1 if the recordings differ")
    parser.add_argument(
        "--bisect",
        action="store_true",
        help="boot KERNEL again and again, to find the difference between two VMMs or recordings that kills it",
    )
    _watch(parser, "with --bisect: watch the guest for SECONDS after the last stage [5, or until Linux has a console]")
    _format(parser)
    launch(parser)


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
    symbols(parser)
    timeout(parser)
    _command(parser)
    _ascii(parser)
    _theme(parser)
    tools(parser, qemu=False)


def _manual(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("page", nargs="?", default="index", metavar="PAGE", help="default: index, the list of pages")
    _ascii(parser)


def _guest(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("action", choices=("new",), metavar="new", help="copy the source of the teaching guest")
    parser.add_argument("folder", type=Path, metavar="DIR", help="the new folder, in which `make` builds guest.elf")
    _ascii(parser)


def _tour(parser: argparse.ArgumentParser) -> None:
    teaching_options.tour(parser)
    _ascii(parser)
    _theme(parser)


def _lab(parser: argparse.ArgumentParser) -> None:
    teaching_options.lab(parser)
    _ascii(parser)


def _handout(parser: argparse.ArgumentParser) -> None:
    teaching_options.handout(parser)
    _ascii(parser)


def _doctor(parser: argparse.ArgumentParser) -> None:
    _ascii(parser)
    tools(parser)


def _gdb_script(parser: argparse.ArgumentParser) -> None:
    _ascii(parser)


SESSION = Command("start the interactive session", _session, "interactive.interactive")
COMMANDS = {
    "dump": Command("boot, stop at each stage and print the boot data", _dump, "dump.dump"),
    "transplant": Command(
        "boot with the boot data of a recording", _transplant, "transplant.transplant", is_mixed=True
    ),
    "check": Command("boot and report what is wrong", _check, "check.check", is_mixed=True),
    "who": Command("boot and show who writes and reads the boot data", _who, "who.who", is_mixed=True),
    "trace": Command("record every instruction, and what it writes", _trace, "teaching.trace.trace"),
    "inspect": Command("examine a kernel file without booting it", _inspect, "inspect_file.inspect"),
    "show": Command("print a recording", _show, "show.show"),
    "picture": Command("draw memory, the handover or the stages", _picture, "picture.picture", is_mixed=True),
    "report": Command("write a recording as a web page", _report, "picture.report", is_mixed=True),
    "diff": Command("compare two recordings, or two stages (FILE@STAGE)", _diff, "diff.diff", is_mixed=True),
    "explain": Command(
        "explain a field, struct, stage, bit, ELF note, rule or term",
        _explain,
        "explain.explain",
        is_mixed=True,
    ),
    "attach": Command("attach to a running machine through its gdb stub", _attach, "attach.attach", is_mixed=True),
    "guest": Command("copy the teaching guest's source, to change it", _guest, "teaching.guest.guest"),
    "tour": Command("show a guided tour of a boot", _tour, "teaching.tour.tour", is_mixed=True),
    "lab": Command("show exercises and check the answers", _lab, "teaching.lab.lab", is_mixed=True),
    "handout": Command("write the tour and the exercises as one document", _handout, "teaching.handout.handout"),
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
    parser = session_parser() if command is SESSION else parser_of(own[0])
    words = own if command is SESSION else own[1:]
    is_mixed = command.is_mixed and any(word.startswith("-") for word in words)
    options = parser.parse_intermixed_args(words) if is_mixed else parser.parse_args(words)
    options.words, options.qemu_args = own, qemu_args
    options.ascii = encoding.is_ascii_only() or getattr(options, "ascii", False)
    if qemu_args and not hasattr(options, "memory"):
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


def session_parser() -> Parser:
    """Return the parser of `pvhdbg` without a command."""
    width = max(map(len, COMMANDS))
    lines = [f"  pvhdbg {name:{width}}  {command.help}" for name, command in COMMANDS.items()]
    parser = Parser(
        "pvhdbg",
        usage="pvhdbg [KERNEL] [options] [-- QEMU ARGS...]\n       pvhdbg COMMAND [options]",
        description="A debugger for the first milliseconds of a PVH boot.",
        epilog="commands (each takes --help):\n" + "\n".join(lines),
        formatter_class=HelpFormatter,
    )
    version = f"pvhdbg {pvhdbg.__version__}"
    parser.add_argument("--version", action="version", version=version, help="print the version of pvhdbg, and exit")
    _session(parser)
    return parser


def parser_of(name: str) -> Parser:
    """Return the parser of a command."""
    text = COMMANDS[name].help
    parser = Parser(f"pvhdbg {name}", description=f"{text[0].upper()}{text[1:]}.", formatter_class=HelpFormatter)
    COMMANDS[name].add(parser)
    return parser


def _ascii(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(ASCII, action="store_true", help="use only ASCII; the default in a non-UTF-8 locale")


def _theme(parser: argparse.ArgumentParser) -> None:
    text = "the colors of the screen, for a dark or light background; auto: as the terminal says in COLORFGBG [auto]"
    parser.add_argument("--theme", choices=("auto", "dark", "light"), default="auto", help=text)


def _format(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--format", choices=("text", "json"), help="print text (the default) or JSON")
    _ascii(parser)
