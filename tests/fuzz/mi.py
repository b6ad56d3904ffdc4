"""What gdb says, line by line: well-formed MI records, damaged ones, and any bytes.

Each input is the lines that gdb writes in answer to a command. They go through everything that reads them: the client,
its replies, and the modules that ask the questions.
"""

from __future__ import annotations

from collections.abc import Callable

from hypothesis import strategies as st

from pvhdbg.errors import PvhdbgError
from pvhdbg.live.debuggee import gdb_expression
from pvhdbg.live.gdb import breakpoints, console, mi
from pvhdbg.target.mi.client import MiError
from pvhdbg.target.mi.gdb_mi import MiTarget
from tests.fuzz.target import Target
from tests.live.gdb.fake import FakeGdb

NAMES = (
    *("value", "msg", "matches", "BreakpointTable", "body", "bkpt", "number", "addr", "locations", "fullname", "line"),
    *("frame", "asm_insns", "address", "inst", "register-names", "register-values", "thread-ids", "thread-id"),
    *("memory", "contents", "script"),
)
_TEXTS = ("", "1", "0x10", "0xffffffff81000000", "²", "9" * 5000, "rax", "00ff", "00f", "<unavailable>")
_ESCAPES = (r"\n", r"\"", r"\\", r"\033", r"\351", r"\303\244", r"\9", r"\x", "\\", "\udce9", "\x1b[2J", "\t")
_SIGNS = ("{", "}", "[", "]", ",", "=", '"', "\\", "^done", "*stopped", "TOKEN", " ", "~", "@", "&", "\0")
_PIECES = st.sampled_from((*_SIGNS, *_ESCAPES, *NAMES)) | st.text(max_size=4)


def _string() -> st.SearchStrategy[str]:
    escaped = st.lists(st.sampled_from(_ESCAPES[:6]) | st.sampled_from(["a", "é"]), max_size=6).map("".join)
    return (st.sampled_from(_TEXTS) | escaped).map(lambda text: f'"{text}"')


def _values() -> st.SearchStrategy[str]:
    def containers(value: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
        results = st.lists(_result(value), max_size=4).map(",".join)
        values = st.lists(value, max_size=4).map(",".join)
        return st.builds("{{{}}}".format, results | values) | st.builds("[{}]".format, results | values)

    return st.recursive(_string(), containers, max_leaves=12)


def _result(value: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.builds("{}={}".format, st.sampled_from(NAMES), value)


def _damaged(line: str, at: int, piece: str, keep: bool) -> str:
    place = at % (len(line) + 1)
    return line[:place] + piece + line[place + (not keep) :]


def inputs() -> st.SearchStrategy[list[str]]:
    results = st.lists(_result(_values()), max_size=4).map(lambda parts: "".join(f",{part}" for part in parts))
    kinds = st.sampled_from(["done", "done", "error", "running", "connected", "exit"])
    record = st.builds("TOKEN^{}{}".format, kinds, results)
    events = st.builds("{}{}".format, st.sampled_from(["*stopped", "*running", "=thread-group-exited"]), results)
    stream = st.builds("{}{}".format, st.sampled_from("~@&"), _string())
    damaged = st.builds(_damaged, record | stream | events, st.integers(0, 500), _PIECES, st.booleans())
    noise = st.lists(_PIECES, max_size=20).map("".join)
    # A line has no newline, and of bytes that are not UTF-8 it has surrogates.
    line = (record | record | damaged | stream | events | noise).map(
        lambda text: (
            text.encode(errors="surrogateescape" if _is_lone(text) else "replace")
            .replace(b"\n", b" ")
            .decode(errors="surrogateescape")
        )
    )
    return st.lists(line, min_size=1, max_size=3)


def _is_lone(text: str) -> bool:
    """Return whether the only surrogates in a text stand for bytes."""
    return not any("\ud800" <= character < "\udc80" or "\udd00" <= character <= "\udfff" for character in text)


QUESTIONS: tuple[Callable[[FakeGdb], object], ...] = (
    lambda gdb: gdb.ask("-anything").text,
    breakpoints.read,
    lambda gdb: breakpoints.toggle(gdb, 0x10),
    lambda gdb: console.complete(gdb, "p"),
    lambda gdb: gdb_expression.evaluate(gdb, "1"),
    lambda gdb: MiTarget(gdb).register("rip"),
    lambda gdb: MiTarget(gdb, physical_memory=None).read_phys(0, 2),
    lambda gdb: MiTarget(gdb).boot_cpu,
)


def check(lines: list[str]) -> str:
    for line in lines:
        mi.read_stop(line)
        assert _is_lone(mi.read_text(line))
    _ask_all(lines)
    parsed = {_is_parsed(line) for line in lines}
    return "parsed" if True in parsed else "refused"


def _is_parsed(line: str) -> bool:
    """Return whether a line is a result record that can be parsed."""
    refused = ""
    try:
        mi.parse(line.replace("TOKEN", "1"))
    except MiError as error:
        refused = str(error)
    assert refused == "" or refused.startswith("gdb's answer ")
    return not refused


def _ask_all(lines: list[str]) -> None:
    """Ask a gdb that answers with these lines, and then properly, so that no question waits for its timeout."""

    def answer(token: str, _command: str) -> list[str]:
        return [*(line.replace("TOKEN", token) for line in lines), f"{token}^done"]

    with FakeGdb(answer) as gdb:
        errors = [error for question in QUESTIONS if (error := _error(question, gdb)) is not None]

        assert gdb._thread.is_alive(), "the reading thread has ended"
    assert all(errors), "an error without a message"


def _error(question: Callable[[FakeGdb], object], gdb: FakeGdb) -> str | None:
    """Return the message of an error of ours. Others are raised."""
    try:
        question(gdb)
    except PvhdbgError as error:
        return str(error)
    return None


TARGET = Target("mi", inputs(), check, frozenset({"parsed", "refused"}), in_tests=100)
