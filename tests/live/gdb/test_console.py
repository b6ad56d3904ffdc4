from collections.abc import Callable

import pytest

from pvhdbg.errors import UserError
from pvhdbg.live.debuggee.own_machine import OwnMachine
from pvhdbg.live.gdb import console
from pvhdbg.target.mi import MiError


def lines(*given: str) -> Callable[[], str | None]:
    """Answer with each of them in turn, then give up."""
    rest = iter(given)
    return lambda: next(rest, None)


@pytest.mark.parametrize(
    ("line", "meaning"),
    [
        *((line, console.QUIT) for line in ("q", "quit", " qui 3", "exit", "server quit")),
        *((line, console.KILL) for line in ("k", "kill", "kill inferiors 1")),
        *((line, console.RESTART) for line in ("r", "run", "start")),
        ("starti --now", console.TO_ENTRY),
        *(
            (line, console.ORDINARY)
            for line in ("", "continue", "p 1", "x/4i $pc", "python print(1)", "info", "echo q")
        ),
    ],
)
def test_a_line_means_to_us_what_gdb_would_make_of_it(line: str, meaning: str) -> None:
    assert meaning == console.meaning(line)


@pytest.mark.parametrize(
    "line", ["shell ls", "she", "!ls", " ! ls", "pi", "pi 1+1", "python-interactive", "python-i", "edit", "e 3"]
)
def test_a_command_that_never_returns_is_refused(line: str) -> None:
    with pytest.raises(UserError, match="never give it back"):
        console.meaning(line)


@pytest.mark.parametrize("line", ["python", "python print(1)", "show version", "echo hi", "x/2x 0", "print 1"])
def test_a_command_that_only_looks_like_one_is_not(line: str) -> None:
    assert console.ORDINARY == console.meaning(line)


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
def test_a_command_prints_what_it_prints_in_gdb(
    teaching: OwnMachine, line: str, more: tuple[str, ...], printed: str
) -> None:
    assert printed == console.run(teaching.gdb, line, lines(*more))


def test_output_comes_as_it_is_printed_and_ours_does_not(teaching: OwnMachine) -> None:
    heard: list[str] = []
    teaching.gdb.on_text = heard.append
    teaching.target.read_phys(0x1000, 16)
    teaching.runner.run_to([0x1000000], 30)
    console.run(teaching.gdb, "echo hello\\n", lines())

    assert "hello\n" == "".join(heard)


@pytest.mark.parametrize("line", ["python", "define nothing", "if 1"])
def test_a_multi_line_command_can_be_given_up(teaching: OwnMachine, line: str) -> None:
    with pytest.raises(MiError, match=r"^Quit$"):
        console.run(teaching.gdb, line, lines("echo first\\n"))

    assert "$1 = 3\n" == console.run(teaching.gdb, "print 1 + 2", lines())


def test_gdbs_own_words_are_the_error(teaching: OwnMachine) -> None:
    with pytest.raises(MiError, match=r'^No symbol table is loaded.  Use the "file" command\.$'):
        console.run(teaching.gdb, "print no_such_thing", lines())


@pytest.mark.parametrize("line", ["continue", "continue&", "python gdb.execute('continue')"])
def test_a_guest_that_runs_from_the_prompt_can_be_interrupted(teaching: OwnMachine, line: str) -> None:
    console.run(teaching.gdb, line, lines())
    teaching.runner.interrupt()

    assert teaching.gdb.wait_stop(5)
    assert teaching.target.register("rip") != 0xFFF0


def test_a_line_while_the_guest_runs_is_refused_and_does_not_hang(teaching: OwnMachine) -> None:
    console.run(teaching.gdb, "continue", lines())
    with pytest.raises(UserError, match=r"^the guest is running$"):
        console.run(teaching.gdb, "print 1", lines())
    teaching.runner.interrupt()

    assert teaching.gdb.wait_stop(5)
    assert "$1 = 1\n" == console.run(teaching.gdb, "print 1", lines())


def test_completion_is_gdbs_own(teaching: OwnMachine) -> None:
    assert ["info breakpoints"] == console.complete(teaching.gdb, "info brea")
    assert [] == console.complete(teaching.gdb, "no_such_command_at_all")


def test_an_answer_that_comes_too_late_is_not_taken_for_the_next_one(teaching: OwnMachine) -> None:
    slow = teaching.gdb.send('-interpreter-exec console "python import time; time.sleep(0.5); print(1)"')
    with pytest.raises(MiError, match=r"^gdb did not answer within 0\.1 s"):
        teaching.gdb.wait(slow, 0.1)

    assert "$1 = 7\n" == console.run(teaching.gdb, "print 7", lines())
