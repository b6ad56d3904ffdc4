import pytest

from pvhdbg.live.gdb import mi
from pvhdbg.target.mi import Stop, console_command


@pytest.mark.parametrize(
    ("line", "text"),
    [
        ('~""', ""),
        ('~"no escape"', "no escape"),
        ('~"a line\\n"', "a line\n"),
        ('@"of the monitor\\r\\n"', "of the monitor\r\n"),
        ('~"a \\"quoted\\" word\\n"', 'a "quoted" word\n'),
        ('~"two\\nlines\\n"', "two\nlines\n"),
        ('~"\\\\n is no newline"', "\\n is no newline"),
        ('~"\\033[1m"', "\x1b[1m"),
        ('~"\\303\\244"', "ä"),
        ('~"\\377"', "\\377"),
        ('~"unknown \\z"', "unknown \\z"),
    ],
)
def test_the_text_of_a_stream_record_is_unescaped(line: str, text: str) -> None:
    assert text == mi.read_text(line)


def test_a_stop_record_gives_reason_breakpoint_and_thread() -> None:
    frame = 'frame={addr="0x10",args=[{name="text",value="\\",bkptno=\\"9\\""}]}'
    line = f'*stopped,reason="breakpoint-hit",disp="keep",bkptno="3",{frame},thread-id="1"'

    assert Stop("breakpoint-hit", "", "3", 1) == mi.read_stop(line)


def test_a_stop_record_may_have_no_reason() -> None:
    assert Stop("", "", None) == mi.read_stop("*stopped")


def test_the_payload_of_a_result_is_parsed() -> None:
    reply = mi.Reply("done", '7^done,bkpt={number="2",type="hw breakpoint"}', ())

    assert {"bkpt": {"number": "2", "type": "hw breakpoint"}} == reply.payload
    assert {} == mi.Reply("done", "8^done", ()).payload


def test_the_text_of_a_result_is_what_was_printed_before_it() -> None:
    assert "one\ntwo" == mi.Reply("done", "9^done", ['~"one\\n"', '@"two"']).text


def test_a_console_command_is_quoted_for_mi() -> None:
    assert '-interpreter-exec console "print \\"a\\\\b\\""' == console_command('print "a\\b"')


def test_newlines_in_a_pasted_command_are_escaped() -> None:
    assert '-interpreter-exec console "print 1\\nshell true"' == console_command("print 1\nshell true")
