import random

import pytest

from pvhdbg.abi.e820 import BootE820Entry
from pvhdbg.abi.layout import records
from pvhdbg.image.facts import Segment
from pvhdbg.views.rows import memory_picture
from pvhdbg.views.rows.memory_picture import MIB, NOT_LISTED, OVERLAP, TOP, UNKNOWN, Mark, Part, Picture, parts, picture
from pvhdbg.views.rows.picture_text import SIGNS, render
from tests import build

K, G = 1 << 10, 1 << 30


def entries(*ranges: build.Range) -> tuple[BootE820Entry, ...]:
    return records(BootE820Entry, build.e820(ranges), 0x1000)


def picture_of(ranges: tuple[build.Range, ...], marks: tuple[Mark, ...] = (), width: int = 16) -> Picture:
    return picture(parts(entries(*ranges)), marks, width)


def cells(shown: Picture, strip: int) -> str:
    return "".join(SIGNS[kind][True] for kind in shown.strips[strip].cells)


def test_parts_cover_the_map_without_gap_or_overlap() -> None:
    expected = [
        Part(0, 0x1000, "RAM"),
        Part(0x1000, 0x2000, OVERLAP),
        Part(0x2000, 0x3000, "RESERVED"),
        Part(0x3000, 0x4000, NOT_LISTED),
        Part(0x4000, 0x5000, UNKNOWN),
    ]

    assert expected == parts(entries((0x1000, 0x2000, 2), (0, 0x2000, 1), (0x4000, 0x1000, 42), (0x9000, 0, 1)))


@pytest.mark.parametrize("start", [1, 2, 0x1000])
def test_the_parts_begin_at_0_even_if_the_map_does_not(start: int) -> None:
    assert [Part(0, start, NOT_LISTED), Part(start, 0x2000, "RAM")] == parts(entries((start, 0x2000 - start, 1)))


def test_ranges_of_the_same_type_may_overlap() -> None:
    assert [Part(0, 0x3000, "RAM")] == parts(entries((0, 0x2000, 1), (0x1000, 0x2000, 1)))


def test_a_range_beyond_2_to_the_64_is_cut_there() -> None:
    assert Part(TOP - 0x1000, TOP, "PMEM") == parts(entries((TOP - 0x1000, 0x5000, 7)))[-1]


def test_the_first_strip_is_the_first_mib() -> None:
    shown = picture_of(((0, 640 * K, 1), (768 * K, 64 * K, 4), (896 * K, 128 * K, 2)))

    assert (0, MIB, "##########..N.--") == (shown.strips[0].start, shown.strips[0].end, cells(shown, 0))


def test_ram_below_and_above_4_gib_has_a_strip_each() -> None:
    shown = picture_of(((0, 2 * G, 1), (3 * G, G, 2), (4 * G, 2 * G, 1), (6 * G, 2 * G, 7), (8 * G, G, 1)))

    assert [(0, MIB), (MIB, 2 * G), (4 * G, 9 * G)] == [(strip.start, strip.end) for strip in shown.strips]
    assert "######PPPPPPP###" == cells(shown, 2)
    assert (Part(3 * G, 4 * G, "RESERVED"),) == shown.outside


def test_ram_across_4_gib_is_in_both_strips() -> None:
    shown = picture_of(((MIB, 5 * G - MIB, 1),))

    assert [(0, MIB), (MIB, 4 * G), (4 * G, 5 * G)] == [(strip.start, strip.end) for strip in shown.strips]


def test_an_overlap_of_one_byte_marks_its_cell() -> None:
    shown = picture_of(((0, 640 * K, 1), (320 * K, 1, 2)))

    assert "#####!####......" == cells(shown, 0)


def test_a_cell_shows_the_kind_of_most_of_its_bytes() -> None:
    shown = picture_of(((0, 40 * K, 1), (40 * K, 88 * K, 2)))

    assert "#-.............." == cells(shown, 0)


def test_a_mark_covers_the_cells_it_touches_and_at_least_one() -> None:
    marks = (Mark("a", "wide", 60 * K, 130 * K), Mark("b", "empty", 640 * K, 640 * K))
    covered = [(mark.letter, first, last) for mark, first, last in picture_of((), marks).strips[0].marks]

    assert [("a", 0, 2), ("b", 10, 10)] == covered


def test_marks_in_the_same_cell_are_on_different_lines() -> None:
    marks = (Mark("a", "one", 0, 1), Mark("b", "two", 1, 2), Mark("c", "three", 640 * K, 641 * K))
    lines = render(picture_of(((0, MIB, 1),), marks), ascii=True, indent=0)

    assert ["################", "a         c", "b"] == lines[1:4]


def test_without_ram_the_picture_ends_at_the_last_mark() -> None:
    shown = picture_of((), (Mark("k", "kernel", 16 * MIB, 32 * MIB),))

    assert [(0, MIB), (MIB, 32 * MIB)] == [(strip.start, strip.end) for strip in shown.strips]


def test_ranges_and_marks_outside_all_strips_are_listed() -> None:
    marks = (Mark("m", "module 1", 5 * G, 5 * G + 1),)
    lines = render(picture_of(((0, 2 * MIB, 1), (3 * G, MIB, 2)), marks), ascii=True, indent=0)

    assert ["not drawn: 0xc0000000-0xc0100000 RESERVED", "           0x140000000-0x140000001 module 1"] == lines[-2:]


def test_the_legend_has_only_the_kinds_that_occur() -> None:
    lines = render(picture_of(((0, MIB, 1), (0, 64 * K, 3))), ascii=True, indent=0)

    assert ["# RAM   ! listed as two types", "one character = 64 KiB"] == lines[2:]


def test_the_picture_of_a_boot_shows_the_kernel_the_modules_and_the_boot_data() -> None:
    capture = build.boot().stops[0]
    lines = render(memory_picture.of_capture(capture, build.linux()), ascii=True, indent=0)

    expected = """\
0                                       640K                   1M
########################################............NNNNNNNN----
 l                                                         cs
                                                           t
1M             128M            256M            384M            512M
################################################################
 kkkkkk                                                        i
# RAM   - RESERVED   N NVS   . not listed
one character = 16 KiB below 1M, 7.9 MiB above 1M
k kernel            0x1000000-0x3800000    40 MiB
i initrd, module 0  0x1fddf000-0x1fdffabc  130.6 KiB
s start_info        0xf31e0-0xf3218        56 bytes
l module list       0x7b7c-0x7b9c          32 bytes
c command line      0xefcb0-0xefcd0        32 bytes
t memory map        0xefc20-0xefcb0        144 bytes"""

    assert expected.splitlines() == lines


def test_kernel_segments_less_than_2_mib_apart_are_one_mark() -> None:
    segments = (Segment(MIB, 0, 0, MIB), Segment(3 * MIB, 0, 0, MIB), Segment(64 * MIB, 0, 0, MIB), Segment(0, 0, 0, 0))
    marks = memory_picture.marks(
        build.capture_target(build.RandomTarget(0, 0), "died"), build.linux()._replace(segments=segments)
    )

    assert [("k", MIB, 4 * MIB), ("k", 64 * MIB, 65 * MIB)] == [(mark.letter, mark.start, mark.end) for mark in marks]


def test_the_first_8_modules_are_named_and_the_rest_counted() -> None:
    marks = tuple(Mark("m", f"module {number}", 4096 * number, 4096 * number + 1) for number in range(1, 101))
    lines = render(picture_of(((0, MIB, 1),), marks), ascii=True, indent=0)

    assert 8 == sum(line.startswith("m module ") for line in lines)
    assert "m …         and 92 more modules" in lines


@pytest.mark.parametrize("width", [1, 7, 64, 200])
@pytest.mark.parametrize("seed", range(10))
def test_a_random_map_is_drawn_in_few_lines_of_limited_width(seed: int, width: int) -> None:
    rng = random.Random(seed)
    edges = (0, 1, MIB, 4 * G - 1, 4 * G, TOP - 1, TOP // 2)
    numbers = [rng.choice((*edges, rng.randrange(TOP))) for _ in range(3000)]
    ranges = tuple((numbers[i], numbers[i + 1], numbers[i + 2] % 9) for i in range(0, 3000, 3))
    marks = tuple(Mark("m", "module", numbers[i], numbers[i] + numbers[i + 1]) for i in range(0, 600, 2))
    lines = render(picture_of(ranges, marks, width), ascii=True)

    assert len(lines) < 40
    assert max(map(len, lines)) < max(width + 30, 180)


def test_a_map_of_16384_entries_is_drawn_completely() -> None:
    ranges = tuple((number << 20, (1 << 20) + 1, 1 + number % 2) for number in range(16384))
    shown = picture_of(ranges)

    assert {OVERLAP} == set(shown.strips[1].cells)
    assert 32767 == len(parts(entries(*ranges)))


def test_the_second_strip_shows_the_kernel_and_the_range_around_it_even_if_that_is_not_ram() -> None:
    low = (0, 640 * K, 1)
    kernel = Mark("k", "kernel", 16 * MIB, 62 * MIB)

    assert 512 * MIB == picture_of((low, (MIB, 511 * MIB, 2)), (kernel,)).strips[1].end
    assert 62 * MIB == picture_of((low, (MIB, 16 * MIB, 1)), (kernel,)).strips[1].end
    assert 128 * MIB == picture_of((low, (MIB, 127 * MIB, 1), (3 * G, G, 2)), (kernel,)).strips[1].end
