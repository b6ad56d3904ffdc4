"""Untrusted text on a terminal."""

import pytest

from pvhdbg.abi.text import escape_non_ascii, escape_unprintable, printable


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
def test_everything_except_printable_ascii_is_escaped(raw: bytes | str, expected: str) -> None:
    assert expected == printable(raw)


def test_every_byte_has_its_own_printable_ascii_form() -> None:
    shown = [printable(bytes([byte])) for byte in range(256)]

    assert 256 == len(set(shown))
    assert all(text.isascii() and text.isprintable() for text in shown)


def test_a_message_keeps_its_backslashes() -> None:
    assert r"a\b \x1b[31m" == escape_non_ascii("a\\b \x1b[31m")
    assert r"a\b \x1b[31m" == escape_unprintable("a\\b \x1b[31m")


def test_a_message_from_gdb_may_use_any_script_but_a_finding_only_ascii() -> None:
    assert r"\u{2018}x\u{2019} \u{202e}" == escape_non_ascii("\u2018x\u2019 \u202e")
    assert "\u2018x\u2019 \\u{202e}" == escape_unprintable("\u2018x\u2019 \u202e")
