"""Guest bytes on a terminal."""

import pytest

from pvhdbg.abi.text import ascii_words, printable, unicode_words


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (b"console=ttyS0 quiet", "console=ttyS0 quiet"),
        (b"\x1b[31m\x07", r"\x1b[31m\x07"),
        (b"a\\b", r"a\\b"),
        (b"\x00\x7f\x80\x9b\xff", r"\x00\x7f\x80\x9b\xff"),
        (b"", ""),
        ("\xe9", r"\xe9"),
        ("\u202e", r"\u{202e}"),
        ("\ud800", r"\u{d800}"),
        ("\udcff", r"\xff"),
    ],
)
def test_what_is_not_plain_ascii_is_escaped(raw: bytes | str, expected: str) -> None:
    assert expected == printable(raw)


def test_every_byte_comes_out_as_plain_ascii_and_no_two_alike() -> None:
    shown = [printable(bytes([byte])) for byte in range(256)]

    assert 256 == len(set(shown))
    assert all(each.isascii() and each.isprintable() for each in shown)


def test_words_that_are_no_guests_keep_their_backslashes() -> None:
    assert r"a\b \x1b[31m" == ascii_words("a\\b \x1b[31m")
    assert r"a\b \x1b[31m" == unicode_words("a\\b \x1b[31m")


def test_words_of_gdb_may_be_in_any_script_and_those_of_a_rule_in_ascii_alone() -> None:
    assert r"\u{2018}x\u{2019} \u{202e}" == ascii_words("\u2018x\u2019 \u202e")
    assert "\u2018x\u2019 \\u{202e}" == unicode_words("\u2018x\u2019 \u202e")
