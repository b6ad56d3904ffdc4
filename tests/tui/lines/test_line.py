"""Lines of styled text."""

from __future__ import annotations

import pytest

from pvhdbg.tui.lines.line import clean, cut, fit, laid_over, plain, styled
from pvhdbg.tui.screen.by_id import ById


@pytest.mark.parametrize(
    ("width", "shown"), [(0, ""), (1, "…"), (3, "ab…"), (4, "abc…"), (6, "abcdef"), (8, "abcdef  ")]
)
def test_a_line_is_filled_with_blanks_or_cut_with_a_sign(width: int, shown: str) -> None:
    assert shown == plain(fit([("class:a", "abc"), ("", ""), ("class:b", "def")], width))


def test_the_sign_of_a_cut_between_two_fragments_replaces_the_last_character() -> None:
    assert [("class:a", "ab…")] == fit([("class:a", "abc"), ("class:b", ""), ("class:c", "d")], 3)


def test_characters_are_escaped_before_the_length_is_measured() -> None:
    assert r"\x1b[2J\u{65e5}" == plain(fit([("", "\x1b[2J日")], 16)).rstrip()
    assert r"\x1b~" == plain(fit([("", "\x1b[2J")], 5, "~"))


def test_latin_1_and_quotes_are_kept_but_a_soft_hyphen_is_escaped() -> None:
    assert r"© ü ‘x’ \xad\xa0" == clean("© ü ‘x’ \xad\xa0")  # noqa: RUF001


def test_a_byte_that_is_not_utf_8_is_escaped_although_latin_1_has_a_character_for_it() -> None:
    lone_bytes = [chr(0xDC00 + byte) for byte in range(0x80, 0x100)]

    assert [rf"\x{byte:02x}" for byte in range(0x80, 0x100)] == [clean(character) for character in lone_bytes]


def test_in_ascii_mode_quotes_and_ellipses_become_ascii() -> None:
    assert r"'x'... \xfc" == clean("‘x’… ü", ascii=True)  # noqa: RUF001


def test_cut_text_ends_in_a_sign_if_there_is_room_for_it() -> None:
    assert ["", "…", "ab…", "abcd"] == [cut("abcd", width) for width in (0, 1, 3, 4)]


def test_a_line_laid_over_another_leaves_the_rest_of_it_unchanged() -> None:
    under = [("class:a", "0123"), ("class:b", "4567")]
    over = [("class:c", "xy")]

    assert [("class:a", "012"), ("class:c", "xy"), ("class:b", "567")] == laid_over(under, 3, over)
    assert [("class:c", "xy"), ("class:a", "23"), ("class:b", "4567")] == laid_over(under, 0, over)


def test_a_style_class_is_added_to_the_existing_classes() -> None:
    assert [("class:a class:s", "1"), ("class:s", "2")] == styled([("class:a", "1"), ("", "2")], "class:s")


def test_a_cache_key_is_equal_only_for_the_same_object() -> None:
    one, equal = {"a": 1}, {"a": 1}

    assert ById(one) == ById(one)
    assert ById(one) != ById(equal)
    assert hash(ById(one)) == hash(ById(one))
