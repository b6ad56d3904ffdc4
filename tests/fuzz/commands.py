"""What users type: `--set`, `-c`, addresses, options, names to explain, and text after `:` and `/` on the screen.

Each is accepted, or refused in one line with exit status 2, or 1 if the machine has no answer.
"""

from __future__ import annotations

import re
from argparse import Namespace
from collections.abc import Callable
from functools import cache
from typing import Any

from hypothesis import strategies as st

from pvhdbg import commands
from pvhdbg.abi.text import escape_unprintable
from pvhdbg.boot.lab.assignment import parse_assignment
from pvhdbg.boot.session import expression
from pvhdbg.boot.session.recorded import RecordedSession, recording_of
from pvhdbg.boot.stop import stages
from pvhdbg.cli import answers, options
from pvhdbg.cli.command import diff, explain, manual
from pvhdbg.cli.result import HelpText
from pvhdbg.errors import PvhdbgError
from pvhdbg.live.gdb import console
from pvhdbg.tui.app import prompt
from pvhdbg.tui.app.start import recording_screen
from pvhdbg.tui.screen.state import Screen
from pvhdbg.views.explain import explain_text, lookup
from tests import build
from tests.boot.lab import test_rewrite
from tests.fuzz import outputs
from tests.fuzz.elf import FOLDER
from tests.fuzz.target import Target
from tests.tui import screens

PATHS = (
    *("start_info.version", "start_info.magic", "start_info.memmap_entries", "start_info.nothing", "start_info"),
    *("cmdline", "modules[0].paddr", "modules[0].cmdline", "modules[1].size", "modules", "memory_map.nr_entries"),
    *("memory_map.entries[3].type", "memory_map.entries[99999999]", "memmap[0].addr", "modlist_paddr", "rip", "."),
    *("registers.rip", "e820_table[0].addr", "boot_params.hdr.version", "memory_map", "modules[999999999].paddr"),
)
NUMBERS = (
    "0",
    "1",
    "-1",
    "+7",
    "0x10",
    "0X1fUL",
    "052",
    "08",
    "0b101",
    "1ul",
    "9" * 5000,
    "-0x8000000000000000",
    "1e3",
)
STRINGS = ('"quiet"', "'x'", '"', r'"\x41\n\0"', r'"\q"', r'"\777"', '"é"', "'" + "a" * 5000 + "'", '""', '"a"b', "٣")
WORDS = (
    *("@entry", "@e820", "@died", "@", "@x", "entry", "kernel", "0xf31e0", "$rsp", "$rbx + 8", "boot_params", "- 1"),
    *("hdr.version", "e820_entries", "hdr", "-", "+", "--", "start_info+0x28", "PVH901", "CR0.PE", "memmap_paddr"),
)
SIGNS = (
    "'",
    '"',
    "\\",
    " ",
    "\t",
    "\n",
    "=",
    ".",
    "[",
    "]",
    "@",
    "$",
    "`",
    "%s",
    "{}",
    "\x1b[2J",
    "\u202e",
    "é",
    "\udce9",
)
FLAGS = (
    *(
        "--set",
        "-c",
        "--command",
        "--stage",
        "-o",
        "--format",
        "json",
        "-m",
        "-M",
        "--accel",
        "kvm",
        "--cpu",
        "--timeout",
    ),
    *(
        "--protocol",
        "v0",
        "--load",
        "--force",
        "--ascii",
        "--help",
        "--version",
        "--",
        "-i",
        "-a",
        "--symbols",
        "--qemu",
        "--tui",
    ),
    *("--gdb", "--mi-log", "--gdbinit", "--exit-code", "1G", "0", "nan", "1e9", "-1", "vmlinux", "--se", "-", "dmup"),
)
FORMS = ("{}", "0x{:x}", "0b{:b}", "0{:o}", "{}UL", "0X{:X}")

Input = tuple[str, Any]
"""Where it was typed, and what: a line; for `argv` words; for `sum` terms, each with its sign, number and form."""


def inputs() -> st.SearchStrategy[Input]:
    noise = st.sampled_from(SIGNS) | st.text(st.characters(exclude_characters="\0", codec="utf-8"), max_size=4)
    values = st.sampled_from(NUMBERS + STRINGS) | st.integers(0, 1 << 65).map(str)
    names = st.sampled_from(_names())
    piece = st.sampled_from(WORDS + PATHS) | names | values | noise
    assignment = st.builds("{}={}".format, st.sampled_from(PATHS) | piece, values | piece)
    line = st.builds(" ".join, st.lists(piece, max_size=3))
    command = st.builds("{} {}".format, st.sampled_from([*commands.COMMANDS, "s", "code", "start-info"]), line)
    pieces = st.lists(piece, max_size=4).map("".join)
    argv = st.lists(st.sampled_from((*FLAGS, *options.COMMANDS)) | assignment | pieces, max_size=5)
    sign = st.sampled_from([1, 1, -1])
    term = st.tuples(sign, st.integers(0, 1 << 64) | st.integers(0, 99), st.sampled_from(FORMS))
    return st.one_of(
        st.tuples(st.just("set"), assignment | assignment | pieces),
        st.tuples(st.just("line"), command | command | pieces),
        st.tuples(st.sampled_from(["address", "explain", "complete", "prompt", "manual", ":", "/"]), line | pieces),
        st.tuples(st.just("argv"), argv),
        st.tuples(st.just("sum"), st.lists(term, min_size=1, max_size=4)),
    )


@cache
def _names() -> list[str]:
    return lookup.names()


@cache
def _screen() -> Screen:
    return recording_screen(screens.boot(), "recording.json")


def _set(text: str) -> None:
    rewrites, _ = test_rewrite.rewrite(build.linux_guest(), text)
    value = parse_assignment(text).value
    if isinstance(value, int):
        assert value == int.from_bytes(rewrites[-1].after, "little")
    else:
        assert value + b"\0" == rewrites[0].after


def _line(text: str) -> None:
    """Run a command on a recording. Files are only in a folder of this test."""
    called, words = commands.parse(text)
    if called.name in ("dump", "open"):
        words = [str(FOLDER / re.sub("[/~]", "_", word)) for word in words]
    outputs.check_text(called.run(RecordedSession(screens.boot()), words))


def _address(text: str) -> None:
    capture = screens.boot().stops[1]
    assert 0 <= expression.evaluate(text, recording_of(capture)) < 1 << 64


def _sum(terms: list[tuple[int, int, str]]) -> None:
    text = "".join(("+" if sign > 0 else "-") + form.format(number) for sign, number, form in terms)
    total = sum(sign * number for sign, number, _ in terms)
    if all(number < 1 << 64 for _, number, _ in terms) and 0 <= total < 1 << 64:
        assert total == expression.evaluate(text, recording_of(screens.boot().stops[1]))
    else:
        _address(text)


def _explain(text: str) -> None:
    outputs.check_text(explain_text.answer(text))


def _complete(text: str) -> None:
    assert all(match.isprintable() for match in commands.complete(text))


def _prompt(text: str) -> None:
    for line in text.splitlines():
        typed = prompt.typed(line)
        if typed.strip():
            _line(console.pvh_command(typed) or typed)


def _manual(text: str) -> None:
    manual.manual(Namespace(page=text))


def _screen_line(key: str) -> Callable[[str], None]:
    def press(text: str) -> None:
        screens.check(outputs.press(_screen(), key + text, (80, 24)), (80, 24), text)

    return press


def _argv(words: list[str]) -> None:
    """Check everything that pvhdbg checks before it reads a file or starts a program."""
    try:
        command, chosen = options.parse(words)
    except HelpText as help_text:
        outputs.check_text(str(help_text))
        return
    for text in getattr(chosen, "set", ()):
        parse_assignment(text)
    answers.check_lines(getattr(chosen, "command", ()))
    if command.runs == "diff.diff":
        assert diff.place(chosen.before).stage in (None, *stages.NAMES, stages.DIED)
    if command.runs == "explain.explain":
        outputs.check_text(explain.explain(chosen).output)
    if command.runs == "manual.manual":
        manual.manual(chosen)


TYPED: dict[str, Callable[[Any], None]] = {
    "set": _set,
    "line": _line,
    "address": _address,
    "sum": _sum,
    "explain": _explain,
    "complete": _complete,
    "prompt": _prompt,
    "manual": _manual,
    "argv": _argv,
    ":": _screen_line(":"),
    "/": _screen_line("/"),
}


def check(value: Input) -> str:
    where, text = value
    try:
        TYPED[where](text)
    except PvhdbgError as error:
        refusal = error
    else:
        return "accepted"
    lines = [escape_unprintable(f"{refusal}"), escape_unprintable(refusal.hint or "-")]
    assert all(lines)
    assert all(line.isprintable() for line in lines)
    assert refusal.exit_status == 2 or where not in ("argv", "sum", "explain", "manual")
    return "refused"


TARGET = Target("commands", inputs(), check, frozenset({"accepted", "refused"}))
