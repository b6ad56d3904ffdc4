"""The client with fake gdbs, which give answers that a real gdb would not give."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from pvhdbg.errors import MemoryUnreadable, NotConnected
from pvhdbg.live.debuggee import gdb_expression
from pvhdbg.live.gdb import breakpoints, console
from pvhdbg.live.gdb.mi_client import MOST_TEXT
from pvhdbg.live.system import patience
from pvhdbg.target.mi import mi_memory
from pvhdbg.target.mi.client import MiError
from pvhdbg.target.mi.gdb_mi import MiTarget
from tests.cli.shell import wait_for
from tests.live.gdb.fake import FakeGdb, always


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ('TOKEN^error,msg="No such thing."', "No such thing."),
        ('TOKEN^error,msg="caf\\351\\n\\033[2J"', "caf\\\\xe9 \\\\x1b\\[2J"),
        ('TOKEN^error,msg=""', "gdb reported an error without a reason"),
        ("TOKEN^error", "gdb reported an error without a reason"),
        ('TOKEN^error,msg=["one","two"]', "gdb's answer has no string msg"),
        ('TOKEN^error,msg="', "gdb's answer is malformed at character 12"),
        ("TOKEN^error,msg=[", "gdb's answer is malformed at character 13"),
    ],
)
def test_an_error_has_gdbs_message_or_a_default_message(line: str, reason: str) -> None:
    with FakeGdb(always(line)) as gdb, pytest.raises(MiError, match=f"^{reason}$"):
        gdb.ask("-anything")


@pytest.mark.parametrize("token", ["9" * 5000, "²", "", "-1"])
def test_a_result_with_an_unknown_token_is_ignored(token: str) -> None:
    with FakeGdb(always(f"{token}^done", 'TOKEN^done,value="1"')) as gdb:
        assert "1" == gdb.ask("-anything").results.text("value")


def test_the_output_that_a_reply_keeps_is_limited() -> None:
    line = f'@"{"x" * 100_000}"'
    with FakeGdb(always(*[line] * 100, "TOKEN^done")) as gdb:
        assert MOST_TEXT - 100_000 < len(gdb.ask("-anything").text) <= MOST_TEXT


@pytest.mark.parametrize(
    "answer",
    [
        "BreakpointTable=[]",
        "BreakpointTable={body={}}",
        'BreakpointTable={body=["1"]}',
        "BreakpointTable={body=[bkpt={}]}",
        'BreakpointTable={body=[bkpt={number="1",number="2"}]}',
        'BreakpointTable={body=[bkpt={number="1",addr={}}]}',
        'BreakpointTable={body=[bkpt={number="1",locations="2"}]}',
        'BreakpointTable={body=[bkpt={number="1",fullname="a.c",line="one"}]}',
    ],
)
def test_breakpoints_of_the_wrong_shape_are_an_mi_error(answer: str) -> None:
    with FakeGdb(always(f"TOKEN^done,{answer}")) as gdb, pytest.raises(MiError, match="gdb's answer has no "):
        breakpoints.read(gdb)


@pytest.mark.parametrize("answer", ['matches="one"', "matches=[{}]", "matches={}"])
def test_completions_of_the_wrong_shape_are_an_mi_error(answer: str) -> None:
    with FakeGdb(always(f"TOKEN^done,{answer}")) as gdb, pytest.raises(MiError, match="gdb's answer has no "):
        console.complete(gdb, "print ca")


@pytest.mark.parametrize("answer", ["", ",value={}", ',value="void"', f',value="{"9" * 5000}x"'])
def test_a_value_that_is_not_a_number_is_an_mi_error(answer: str) -> None:
    with FakeGdb(always(f"TOKEN^done{answer}")) as gdb, pytest.raises(MiError, match=r"has no string|not a number"):
        gdb_expression.evaluate(gdb, "1 + 1")


def test_a_register_that_was_not_asked_for_or_is_too_wide_is_unavailable() -> None:
    values = f'{{number="0",value="0x{"f" * 5000}"}},{{number="7",value="0x1"}}'
    answers = {
        "-data-list-register-names": 'register-names=["rax","rbx"]',
        "-thread-list-ids": f'thread-ids={{thread-id="{"9" * 5000}"}}',
    }
    with FakeGdb(lambda token, command: [f"{token}^done,{answers.get(command, f'register-values=[{values}]')}"]) as gdb:
        target = MiTarget(gdb)

        assert 1 == target.boot_cpu
        assert {} == target._read_registers()


def test_half_a_byte_of_memory_is_unreadable() -> None:
    answers = always('TOKEN^done,memory=[{begin="0x0",contents="00f"}]')
    with FakeGdb(answers) as gdb, pytest.raises(MemoryUnreadable):
        MiTarget(gdb, physical_memory=None).read_phys(0, 2)


def test_after_a_silence_every_question_fails_at_once_and_names_the_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patience, "LONGEST", 0.2)
    with FakeGdb(lambda _token, _command: []) as gdb:
        for command in ("-first", "-second"):
            with pytest.raises(NotConnected, match=r"^gdb does not answer: -first$"):
                gdb.ask(command)
        start = time.monotonic()
        for _ in range(100):
            with pytest.raises(NotConnected):
                gdb.ask(mi_memory.PHY_MEM_MODE_OFF)

        assert time.monotonic() - start < 10


def test_a_gdb_that_answers_after_a_silence_is_trusted_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patience, "LONGEST", 0.2)
    late: list[str] = []

    def answer(token: str, command: str) -> list[str]:
        if command == "-late":
            late.append(f"{token}^done")
            return []
        return [*late, f'{token}^done,value="1"']

    with FakeGdb(answer) as gdb:
        with pytest.raises(NotConnected, match=r"^gdb does not answer: -late$"):
            gdb.ask("-late")
        assert gdb.is_answered(gdb.send("-next"), 10)
        monkeypatch.undo()
        later = time.monotonic() + 60  # its patience comes back
        monkeypatch.setattr(time, "monotonic", lambda: later)

        assert "1" == gdb.ask("-again").results.text("value")


def test_a_command_with_a_timeout_of_its_own_does_not_make_gdb_silent() -> None:
    with FakeGdb(lambda token, command: [] if command == "-slow" else [f"{token}^done"]) as gdb:
        with pytest.raises(MiError, match=r"^gdb timed out after 0\.1 s: -slow$"):
            gdb.ask("-slow", 0.1)

        assert "done" == gdb.ask("-fast").message


def test_patience_is_used_up_by_waiting_and_comes_back(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    left = patience.Patience()

    assert patience.LONGEST == left.left()
    now[0] += 20 + patience.PROMPT
    left.spend()

    assert patience.LONGEST - 20 == left.left()
    now[0] += 5

    assert patience.LONGEST - 15 == left.left()
    now[0] += 1000
    left.spend()

    assert 0 == left.left()


def test_prompt_answers_do_not_use_up_the_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    left = patience.Patience()
    for _ in range(10_000):
        left.left()
        now[0] += patience.PROMPT
        left.spend()

    assert patience.LONGEST == left.left()


@pytest.mark.parametrize(
    ("commands", "signals"),
    [
        ([], 0),
        ([("-data-disassemble", False)], 0),
        ([("-data-disassemble", False), ('-interpreter-exec console "x/9i 0"', True)], 0),
        ([('-interpreter-exec console "x/9i 0"', True)], 1),
    ],
)
def test_only_a_command_that_takes_signals_is_interrupted_and_only_by_one_signal_at_a_time(
    commands: list[tuple[str, bool]], signals: int
) -> None:
    with FakeGdb(always()) as gdb:
        for command, takes_signal in commands:
            gdb.send(command, takes_signal=takes_signal)
        gdb.interrupt_command()
        assert [*(command for command, _ in commands), *["SIGINT"] * signals] == gdb.received


def test_a_second_signal_is_sent_only_when_gdb_had_time_to_handle_the_first(monkeypatch: pytest.MonkeyPatch) -> None:
    with FakeGdb(always()) as gdb:
        gdb.send("-a", takes_signal=True)
        for now, signals in ((10.0, 1), (10.25, 1), (10.5, 2), (10.75, 2)):
            monkeypatch.setattr(time, "monotonic", lambda now=now: now)
            gdb.interrupt_command()
            assert signals == gdb.received.count("SIGINT")


def test_a_signal_that_gdb_has_not_handled_does_not_reach_the_next_command() -> None:
    with FakeGdb(always("TOKEN^done")) as gdb:
        gdb.signal()
        gdb.ask("-a")
        gdb.ask("-b")
        assert ["SIGINT", *["-enable-timings no"] * 2, "-a", "-b"] == gdb.received


@pytest.mark.parametrize(("line", "signals"), [("stepi", 0), ("c", 0), ("print 1", 1), ("python pass", 1)])
def test_a_command_that_resumes_the_guest_gets_no_signal(line: str, signals: int) -> None:
    with FakeGdb(lambda _token, _command: []) as gdb, ThreadPoolExecutor(1) as pool:
        running = pool.submit(console.run, gdb, line, lambda: None)
        wait_for(lambda: gdb.received or None, 60)
        gdb.interrupt_command()
        assert signals == gdb.received.count("SIGINT")
        gdb.end()
        assert isinstance(running.exception(60), NotConnected)
