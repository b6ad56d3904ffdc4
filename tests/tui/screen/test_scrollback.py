"""gdb's output and the guest's serial output: limited in size, and unable to control the terminal."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from pvhdbg.tui.screen.scrollback import LINES_KEPT, LONGEST_LINE, add_gdb_output, add_serial_output


def test_new_text_continues_the_last_line() -> None:
    assert ("ab", "c", "") == add_gdb_output(("a",), "b\nc\n")
    assert ("ab", "c", "") == add_serial_output(("a",), b"b\r\nc\n")
    assert ("b", "") == add_gdb_output((), "b\r\n")
    assert "        x" == add_gdb_output((), "\tx")[0]


def test_lines_are_limited_in_number_and_length() -> None:
    assert LINES_KEPT == len(add_gdb_output((), "x\n" * 20_000)) == len(add_serial_output((), b"x\n" * 20_000))
    assert [LONGEST_LINE] == [len(line) for line in add_gdb_output((), "x" * 20_000)]
    assert LONGEST_LINE == len(add_serial_output(add_serial_output((), b"x" * 4000), b"y" * 4000)[0])


@pytest.mark.parametrize(
    "add", [lambda text: add_gdb_output(("a",), text), lambda text: add_serial_output(("a",), text.encode())]
)
def test_the_last_line_is_not_continued_by_text_after_dropped_lines(add: Callable[[str], tuple[str, ...]]) -> None:
    counted = [str(number) for number in range(LINES_KEPT + 10)]

    assert counted[-LINES_KEPT:] == list(add("\n".join(counted)))


@pytest.mark.parametrize("before", range(4))
def test_an_escape_is_never_cut_in_two(before: int) -> None:
    plain = "x" * before
    shown = (add_gdb_output((), plain + "\x1b" * 20_000), add_serial_output((), plain.encode() + b"\x1b" * 20_000))

    assert {(plain + "\\x1b" * ((LONGEST_LINE - before) // 4),)} == set(shown)


def test_an_escape_is_not_cut_in_output_byte_by_byte_either() -> None:
    lines: tuple[str, ...] = ("x" * (LONGEST_LINE - 2),)

    assert lines == add_serial_output(lines, b"\x1b")


def test_guest_output_is_bytes_and_gdb_output_is_text() -> None:
    assert ("\\xc3\\xa4 \\\\",) == add_serial_output((), "ä \\".encode())
    assert ("ä \\",) == add_gdb_output((), "ä \\")


def test_the_signal_by_which_the_stub_reports_a_death_is_left_out_and_all_others_stay() -> None:
    death = ("", "Program", " received signal ", "SIGQUIT", ", Quit.\n", "f () at x.c:1\n")
    lines = add_gdb_output((), "(gdb) c\n")
    for text in death:
        lines = add_gdb_output(lines, text)

    assert ("(gdb) c", "f () at x.c:1", "") == lines
    assert "received signal SIGINT" in add_gdb_output((), "\nProgram received signal SIGINT, Interrupt.\n")[1]
