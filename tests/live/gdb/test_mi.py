import pytest

from pvhdbg.live.gdb import mi, mi_syntax
from pvhdbg.target.mi.client import MiError, Stop, console_command


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
        ('~"\\377"', "\\xff"),
        ('~"caf\udce9"', "caf\\xe9"),
        ('~"\udcc3\\244"', "ä"),
        ('~"\\a\\b\\e\\f\\t\\r\\\'"', "\a\b\x1b\f\t\r'"),
        ('~"unknown \\z"', "unknown \\z"),
        ('~"cut', "cut"),
        ('~"cut\\', "cut\\"),
        ("~", ""),
    ],
)
def test_the_text_of_a_stream_record_is_unescaped(line: str, text: str) -> None:
    assert text == mi.read_text(line)


def test_a_stop_record_gives_reason_breakpoint_and_thread() -> None:
    frame = 'frame={addr="0x10",args=[{name="text",value="\\",bkptno=\\"9\\""}]}'
    line = f'*stopped,reason="breakpoint-hit",disp="keep",bkptno="3",{frame},thread-id="1"'

    assert Stop("breakpoint-hit", "", "3", 1) == mi.read_stop(line)


@pytest.mark.parametrize(
    ("record", "watch"),
    [
        (
            'reason="watchpoint-trigger",wpt={number="4",exp="-location head"},value={old="0",new="60"}',
            "watchpoint 4, -location head (0 -> 60)",
        ),
        ('reason="read-watchpoint-trigger",hw-rwpt={number="5",exp="x"},value={value="1"}', "watchpoint 5, x"),
        ('reason="access-watchpoint-trigger",hw-awpt={number="6",exp="\x1b[2J"}', "watchpoint 6, \\x1b[2J"),
        ('reason="watchpoint-trigger",wpt={number="4",exp="a\\"b"}', ""),
        ('reason="breakpoint-hit",wpt={number="4",exp="x"}', ""),
    ],
)
def test_a_stop_record_names_the_watchpoint(record: str, watch: str) -> None:
    assert watch == mi.read_stop(f"*stopped,{record}").watch


def test_a_stop_record_may_have_no_reason() -> None:
    assert Stop("", "", None) == mi.read_stop("*stopped")


@pytest.mark.parametrize("number", ["²", "9" * 5000, "-1", "1.5"])
def test_a_stop_record_with_a_bad_thread_number_has_no_thread(number: str) -> None:
    assert Stop("signal-received", "SIGINT", None) == mi.read_stop(
        f'*stopped,reason="signal-received",signal-name="SIGINT",thread-id="{number}"'
    )


def test_the_results_of_a_reply_are_parsed() -> None:
    reply = mi.Reply("done", '7^done,bkpt={number="2",type="hw breakpoint"}', ())

    assert "hw breakpoint" == reply.results.results("bkpt").text("type")
    assert "bkpt" not in mi.Reply("done", "8^done", ()).results


@pytest.mark.parametrize(
    ("string", "text"),
    [
        ("caf\\351", "caf\udce9"),
        ("caf\udce9", "caf\udce9"),
        ("\\303\\244\\\\303", "ä\\303"),
        ("\\033[1m\\n", "\x1b[1m\n"),
    ],
)
def test_a_non_ascii_byte_is_the_same_whether_gdb_writes_it_unchanged_or_in_octal(string: str, text: str) -> None:
    assert text == mi.parse(f'1^done,value="{string}"').text("value")


def test_the_commands_of_a_breakpoint_are_a_list_though_gdb_writes_a_tuple() -> None:
    line = '8^done,bkpt={number="1",script={"silent","return"},addr="0x10"},more={}'

    assert ["silent", "return"] == mi.parse(line).results("bkpt").texts("script")
    assert "0x10" == mi.parse(line).results("bkpt").text("addr")


HOSTILE = [
    "2^running\\xframe={*stopped{,AAAA",
    '2^error\\033,"999999999999999999999999',
    '2^error[signal-name="SIGQUIT"\\\\,msg="',
    '1^error,msg="',
    '4^error}~" >"',
    '2^connectedsignal-name="SIGQUIT"frame={,^connectedframe={value="{\\\\x',
    '1^error@"\\\\",msg="\\\\"\\\\u\\\\n^running',
    '1^done,value="caf\\xe9"',
    '1^done,value="\\9"',
    "1^done,a=[",
    '1^done,a=[{b="1"}',
    '1^done,a={"b",c="d"}',
    "1^done,a=" + "[" * 5000 + "]" * 5000,
    "1^done," + "a={" * 5000 + "}" * 5000,
]
"""Lines for which pygdbmi never returns, or raises ValueError, TypeError, … or RecursionError."""


@pytest.mark.timeout(10)
@pytest.mark.parametrize(
    "line",
    [*HOSTILE, "1^done,a=[}", "1^done,a={]", '1^done,,a="b"', '1^done,a="b",', '1^done,"b"', "1^done,{}", ""],
)
def test_a_malformed_line_is_an_mi_error(line: str) -> None:
    with pytest.raises(MiError, match=r"^gdb's answer "):
        mi.parse(line)


@pytest.mark.timeout(10)
def test_an_answer_that_would_take_too_long_to_parse_is_an_mi_error() -> None:
    with pytest.raises(MiError, match=r"^gdb's answer is too long: \d+ characters$"):
        mi.parse(f'1^done,matches=["{"x" * mi_syntax.LONGEST_RECORD}"]')


@pytest.mark.timeout(20)
@pytest.mark.parametrize("text", ["\\t" + "x" * 1_000_000, "\\" * 1_000_001, "\\351" * 250_000])
def test_a_long_text_is_unescaped_in_linear_time(text: str) -> None:
    assert len(text) // 4 <= len(mi.read_text(f'~"{text}"'))


def test_the_text_of_a_result_is_what_was_printed_before_it() -> None:
    assert "one\ntwo" == mi.Reply("done", "9^done", ['~"one\\n"', '@"two"']).text


def test_a_console_command_is_quoted_for_mi() -> None:
    assert '-interpreter-exec console "print \\"a\\\\b\\""' == console_command('print "a\\b"')


def test_newlines_in_a_pasted_command_are_escaped() -> None:
    assert '-interpreter-exec console "print 1\\nshell true"' == console_command("print 1\nshell true")
