import time
from collections.abc import Callable
from pathlib import Path

import pytest

from pvhdbg.errors import UserError
from pvhdbg.live.debuggee import gdb_expression
from pvhdbg.live.debuggee.own_machine import OwnMachine
from pvhdbg.live.gdb import breakpoints, console
from pvhdbg.target.base import RESET_VECTOR
from pvhdbg.target.mi.client import MiError
from tests import tiny
from tests.image.builder import ENTRY
from tests.live.conftest import Boot

PATIENCE = 60.0
"""Seconds until something must have happened, also on a busy computer."""


def lines(*texts: str) -> Callable[[], str | None]:
    """Return a function that returns one of `texts` per call, then None to cancel the command."""
    rest = iter(texts)
    return lambda: next(rest, None)


@pytest.mark.parametrize(
    ("line", "kind"),
    [
        *((line, console.QUIT) for line in ("q", "quit", " qui 3", "exit", "server quit")),
        *((line, console.KILL) for line in ("k", "kill", "kill inferiors 1")),
        *((line, console.RESTART) for line in ("r", "run", "start")),
        ("starti --now", console.TO_ENTRY),
        *((line, console.FOR_GDB) for line in ("", "continue", "p 1", "x/4i $pc", "python print(1)", "info", "echo q")),
    ],
)
def test_pvhdbgs_own_commands_are_recognized_in_all_of_gdbs_abbreviations(line: str, kind: str) -> None:
    assert kind == console.classify(line)


@pytest.mark.parametrize(
    "line", ["shell ls", "she", "!ls", " ! ls", "pi", "pi 1+1", "python-interactive", "python-i", "edit", "e 3"]
)
def test_a_command_that_would_never_return_to_the_prompt_is_refused(line: str) -> None:
    with pytest.raises(UserError, match="would block the gdb prompt forever"):
        console.classify(line)


@pytest.mark.parametrize("line", ["python", "python print(1)", "show version", "echo hi", "x/2x 0", "print 1"])
def test_a_command_with_a_similar_name_is_passed_to_gdb(line: str) -> None:
    assert console.FOR_GDB == console.classify(line)


@pytest.mark.parametrize(
    ("line", "more", "printed"),
    [
        ("print 6 * 7", (), "$1 = 42\n"),
        ('print "a\\"b\\\\c"', (), '$1 = "a\\"b\\\\c"\n'),
        ("echo >", (), ">"),
        ("python", ("for i in (1, 2):", "    print(i)", "end"), ">>>1\n2\n"),
        ("if 1", ("echo yes\\n", "else", "echo no\\n", "end"), " > > > >yes\n"),
    ],
)
def test_run_returns_the_output_of_the_command(
    teaching: OwnMachine, line: str, more: tuple[str, ...], printed: str
) -> None:
    assert printed == console.run(teaching.gdb, line, lines(*more))


def test_on_text_gets_the_output_of_typed_lines_but_not_of_pvhdbgs_own_commands(teaching: OwnMachine) -> None:
    printed: list[str] = []
    teaching.gdb.on_text = printed.append
    teaching.target.read_phys(0x1000, 16)
    teaching.runner.run_to([0x1000000], 30)
    console.run(teaching.gdb, "echo hello\\n", lines())

    assert "hello\n" == "".join(printed)


@pytest.mark.parametrize("line", ["python", "define nothing", "if 1"])
def test_a_multi_line_command_can_be_canceled(teaching: OwnMachine, line: str) -> None:
    with pytest.raises(MiError, match=r"^Quit$"):
        console.run(teaching.gdb, line, lines("echo first\\n"))

    assert "$1 = 3\n" == console.run(teaching.gdb, "print 1 + 2", lines())


def test_signals_that_gdb_gets_between_two_commands_change_neither(teaching: OwnMachine) -> None:
    for _ in range(200):
        teaching.gdb.signal()
        assert "42\n" == console.run(teaching.gdb, 'printf "%d\\n", 6 * 7', lines())


def test_an_error_has_gdbs_own_message(teaching: OwnMachine) -> None:
    with pytest.raises(MiError, match=r'^No symbol table is loaded.  Use the "file" command\.$'):
        console.run(teaching.gdb, "print no_such_thing", lines())


def wait_for_output(machine: OwnMachine) -> None:
    """Wait until the guest has written something. On a busy computer, nothing else shows that it has run at all."""
    assert machine.qemu is not None
    deadline = time.monotonic() + PATIENCE
    while not machine.qemu.serial.text() and time.monotonic() < deadline:
        time.sleep(0.01)
    assert machine.qemu.serial.text()


@pytest.mark.parametrize("line", ["continue", "continue&", "python gdb.execute('continue')"])
def test_a_guest_resumed_from_the_prompt_can_be_interrupted(teaching: OwnMachine, line: str) -> None:
    console.run(teaching.gdb, line, lines())
    wait_for_output(teaching)
    teaching.runner.interrupt()

    assert teaching.gdb.wait_stop(PATIENCE)
    assert teaching.target.register("rip") != RESET_VECTOR


@pytest.mark.parametrize("line", ["continue", "continue&", "python gdb.execute('continue')"])
def test_a_guest_can_be_interrupted_at_once_even_before_its_first_instruction(teaching: OwnMachine, line: str) -> None:
    console.run(teaching.gdb, line, lines())
    teaching.runner.interrupt()

    assert teaching.gdb.wait_stop(PATIENCE)


def test_a_line_is_refused_while_the_guest_runs(teaching: OwnMachine) -> None:
    console.run(teaching.gdb, "continue", lines())
    with pytest.raises(UserError, match=r"^the guest is running$"):
        console.run(teaching.gdb, "print 1", lines())
    teaching.runner.interrupt()

    assert teaching.gdb.wait_stop(PATIENCE)
    assert "$1 = 1\n" == console.run(teaching.gdb, "print 1", lines())


def test_completions_come_from_gdb(teaching: OwnMachine) -> None:
    assert ["info breakpoints"] == console.complete(teaching.gdb, "info brea")
    assert [] == console.complete(teaching.gdb, "no_such_command_at_all")


def test_a_symbol_with_a_byte_that_is_not_utf8_can_be_completed_and_evaluated(boot: Boot, tmp_path: Path) -> None:
    kernel = tmp_path / "cafe.elf"
    kernel.write_bytes(tiny.waiting(name="caf\xe9"))
    gdb = boot(kernel).gdb
    gdb.ask(f"-file-symbol-file {kernel}")
    [line] = console.complete(gdb, "print (long)&ca")

    assert "print (long)&caf\udce9" == line
    assert f"$1 = {tiny.KERNEL_MAP[64] + ENTRY - (1 << 64)}\n" == console.run(gdb, line, lines())
    assert tiny.KERNEL_MAP[64] + ENTRY == gdb_expression.evaluate(gdb, line.removeprefix("print "))
    with pytest.raises(MiError, match=r"^'caf\\xe9' has unknown type"):
        console.run(gdb, "print caf\udce9", lines())


def test_a_breakpoint_with_commands_is_listed_and_deleted(teaching: OwnMachine) -> None:
    console.run(teaching.gdb, "hbreak *0x1000000", lines())
    console.run(teaching.gdb, "commands", lines("silent", "print 1", "end"))

    assert {0x1000000: ("1",)} == breakpoints.read(teaching.gdb).addresses
    assert "deleted breakpoint 1" == breakpoints.toggle(teaching.gdb, 0x1000000)
    assert {} == breakpoints.read(teaching.gdb).addresses


def test_a_late_answer_is_not_mistaken_for_the_answer_to_the_next_command(teaching: OwnMachine, tmp_path: Path) -> None:
    go = tmp_path / "go"
    wait = f"any(os.path.exists('{go}') or time.sleep(0.01) for _ in itertools.count())"
    slow = teaching.gdb.send(f'-interpreter-exec console "python import itertools, os, time; print({wait})"')
    with pytest.raises(MiError, match=r"^gdb timed out after 0\.1 s"):
        teaching.gdb.wait(slow, 0.1)
    go.touch()

    assert "$1 = 7\n" == console.run(teaching.gdb, "print 7", lines())
