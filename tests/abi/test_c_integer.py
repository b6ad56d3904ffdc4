"""C integer constants."""

import pytest

from pvhdbg.abi.c_integer import is_bad_octal, parse


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("0", 0),
        ("42", 42),
        ("0x2A", 42),
        ("0X2a", 42),
        ("052", 42),
        ("00", 0),
        ("0b101010", 42),
        ("42u", 42),
        ("42UL", 42),
        ("42LLu", 42),
        ("18446744073709551616", 1 << 64),
    ],
)
def test_a_constant_has_the_value_that_c_gives_it(text: str, value: int) -> None:
    assert value == parse(text)


@pytest.mark.parametrize("text", ["", "x", "0x", "0xg", "0b2", "0o52", "08", "1_000", "1.5", "1e3", "-1", "1ulu", "٣"])
def test_other_text_is_not_a_constant(text: str) -> None:
    assert parse(text) is None


def test_a_constant_with_too_many_digits_is_still_a_large_number() -> None:
    assert (parse("9" * 10_000) or 0) > 1 << 64


@pytest.mark.parametrize(
    ("text", "is_bad"), [("08", True), ("0129", True), ("07", False), ("8", False), ("0x8", False)]
)
def test_a_leading_zero_before_an_8_or_9_is_an_invalid_octal_number(text: str, is_bad: bool) -> None:
    assert is_bad == is_bad_octal(text)
