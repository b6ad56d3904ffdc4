import pytest

from pvhdbg.views.rows import text


@pytest.mark.parametrize(
    ("count", "expected"),
    [
        (0, "0"),
        (1, "1 byte"),
        (583, "583 bytes"),
        (1 << 10, "1 KiB"),
        (640 << 10, "640 KiB"),
        (512 << 20, "512 MiB"),
        (3 << 29, "1.5 GiB"),
        ((1 << 20) - 1, "1023.9 KiB"),
        (1 << 64, "16 EiB"),
        (1 << 80, "1048576 EiB"),
    ],
)
def test_a_size_is_in_the_largest_unit_that_fits_and_rounded_down(count: int, expected: str) -> None:
    assert expected == text.size(count)


@pytest.mark.parametrize(
    ("address", "expected"),
    [(0, "0"), (640 << 10, "640K"), (1 << 20, "1M"), (1 << 32, "4G"), (0x1FFE0000, "0x1ffe0000"), (3 << 29, "1536M")],
)
def test_scale_labels_shorten_round_addresses_and_show_others_in_hex(address: int, expected: str) -> None:
    assert expected == text.scale_label(address)


def test_control_characters_in_guest_text_are_escaped() -> None:
    assert '"a\\x1b[2J\\x00\\\\"' == text.quoted(b"a\x1b[2J\0\\")


def test_a_long_string_is_cut_and_followed_by_its_length() -> None:
    assert '"aaaa"… (70 bytes)' == text.quoted(b"a" * 70, limit=4)


def test_an_escape_is_never_cut_in_two() -> None:
    assert '"\\xff\\xff"… (3 bytes)' == text.quoted(b"\xff" * 3, limit=11)


def test_a_very_wide_cell_does_not_widen_its_column() -> None:
    lines = text.columns([("x" * 100, "1"), ("ab", "2")])

    assert [f"  {'x' * 100}  1", "  ab  2"] == lines


def test_columns_are_aligned_and_lines_have_no_trailing_spaces() -> None:
    lines = text.columns([("a", "1", "x"), ("long", "22", "")], right=(1,))

    assert ["  a      1  x", "  long  22"] == lines


def test_rows_may_have_different_numbers_of_cells() -> None:
    assert ["  a", "  b  c"] == text.columns([("a",), ("b", "c")])


def test_no_rows_give_no_lines() -> None:
    assert [] == text.columns([])


def test_a_count_agrees_with_its_noun() -> None:
    assert ("1 entry", "2 entries", "0 modules", "2 info") == (
        text.counted(1, "entry"),
        text.counted(2, "entry"),
        text.counted(0, "module"),
        text.counted(2, "info", "info"),
    )
