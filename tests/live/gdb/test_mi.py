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
def test_what_gdb_prints_is_what_it_meant(line: str, text: str) -> None:
    assert text == mi.read_text(line)


def test_a_stop_tells_its_reason() -> None:
    frame = 'frame={addr="0x10",args=[{name="text",value="\\",bkptno=\\"9\\""}]}'
    line = f'*stopped,reason="breakpoint-hit",disp="keep",bkptno="3",{frame},thread-id="1"'

    assert Stop("breakpoint-hit", "", "3", 1) == mi.read_stop(line)


def test_a_stop_without_a_reason_is_one_too() -> None:
    assert Stop("", "", None) == mi.read_stop("*stopped")


def test_a_result_is_parsed_when_it_is_asked_for() -> None:
    reply = mi.Reply("done", '7^done,bkpt={number="2",type="hw breakpoint"}', ())

    assert {"bkpt": {"number": "2", "type": "hw breakpoint"}} == reply.payload
    assert {} == mi.Reply("done", "8^done", ()).payload


def test_what_was_printed_meanwhile_belongs_to_the_result() -> None:
    assert "one\ntwo" == mi.Reply("done", "9^done", ['~"one\\n"', '@"two"']).text


def test_a_line_of_gdbs_own_language_is_quoted() -> None:
    assert '-interpreter-exec console "print \\"a\\\\b\\""' == console_command('print "a\\b"')


def test_a_command_has_one_line_whatever_was_pasted() -> None:
    assert '-interpreter-exec console "print 1\\nshell true"' == console_command("print 1\nshell true")
