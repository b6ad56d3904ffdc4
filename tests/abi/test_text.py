"""Guest bytes on a terminal."""

import pytest

from pvhdbg.abi.text import printable


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
    ],
)
def test_what_is_not_plain_ascii_is_escaped(raw: bytes | str, expected: str) -> None:
    assert expected == printable(raw)


def test_every_byte_comes_out_as_plain_ascii_and_no_two_alike() -> None:
    shown = [printable(bytes([byte])) for byte in range(256)]

    assert 256 == len(set(shown))
    assert all(each.isascii() and each.isprintable() for each in shown)
