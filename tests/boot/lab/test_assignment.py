import pytest

from pvhdbg.boot.lab.assignment import Assignment, Part, assignment, parse_assignment
from pvhdbg.errors import UserError


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("start_info.magic", (Part("start_info", None), Part("magic", None))),
        ("modules[1].paddr", (Part("modules", 1), Part("paddr", None))),
        ("cmdline", (Part("cmdline", None),)),
        ("memory_map.entries[300].type", (Part("memory_map", None), Part("entries", 300), Part("type", None))),
    ],
)
def test_a_path_consists_of_names_with_indices(text: str, parts: tuple[Part, ...]) -> None:
    assert Assignment(text, parts, 1) == parse_assignment(f"{text}=1")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("0", 0),
        ("42", 42),
        ("-1", -1),
        ("+7", 7),
        ("0x336ec578", 0x336EC578),
        ("0XfF", 255),
        ("052", 42),
        ("0b101010", 42),
        ("18446744073709551615ULL", 2**64 - 1),
        ("0x10ul", 16),
        ("5LU", 5),
        (" 9 ", 9),
        ('""', b""),
        ('"e820 data"', b"e820 data"),
        ("'single'", b"single"),
        ('"it\'s"', b"it's"),
        (r'"\n\t\\\"\x41\101\0\e"', b'\n\t\\"AA\0\x1b'),
        (r'"\a\b\e\f\n\r\t\v\?\'"', bytes((7, 8, 27, 12, 10, 13, 9, 11, 63, 39))),
        (r'"\377\xff\x7"', b"\xff\xff\x07"),
        ('"a=b"', b"a=b"),
        ('"\u00e9"', b"\xc3\xa9"),
        ('"\udcff"', b"\xff"),
    ],
)
def test_a_value_is_a_c_integer_or_a_quoted_string(text: str, value: int | bytes) -> None:
    assert value == parse_assignment(f"x={text}").value


@pytest.mark.parametrize(
    "text", ["", "ten", "08", "0x", "1 2", "1.5", "console=ttyS0", "٣", "1" * 5000, "0b2", "5llu5", "-", "u"]
)
def test_anything_else_is_an_invalid_value(text: str) -> None:
    with pytest.raises(UserError, match=r"^cmdline: invalid value: ") as caught:
        parse_assignment(f"cmdline={text}")
    assert "quoted string" in (caught.value.hint or "")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('"open', "missing closing quote"),
        ("'", "missing closing quote"),
        ('"a" b', "text after the closing quote"),
        (r'"\q"', r"unknown escape sequence: \\\\q"),
        (r'"\777"', r"unknown escape sequence: \\\\777"),
        (r'"\400"', r"unknown escape sequence: \\\\400"),
        ('"\\', r"unknown escape sequence: \\\\"),
    ],
)
def test_a_malformed_string_is_rejected_with_a_reason(text: str, message: str) -> None:
    with pytest.raises(UserError, match=f"^cmdline: {message}$"):
        parse_assignment(f"cmdline={text}")


@pytest.mark.parametrize("path", ["", ".", "a..b", "a[", "a[x]", "a[-1].b", "a b", "modules[1]x", "a[1234567890]", "é"])
def test_a_malformed_path_is_rejected(path: str) -> None:
    with pytest.raises(UserError, match=r"not a path$"):
        assignment(path, "1")


def test_a_missing_equals_sign_is_rejected_with_the_form() -> None:
    with pytest.raises(UserError, match=r"^start_info\.magic: missing `=`$") as caught:
        parse_assignment("start_info.magic")
    assert "PATH=VALUE" in (caught.value.hint or "")


def test_control_characters_in_a_message_are_escaped() -> None:
    with pytest.raises(UserError) as caught:
        parse_assignment("\x1b[2J=1")
    assert "\x1b" not in str(caught.value)
