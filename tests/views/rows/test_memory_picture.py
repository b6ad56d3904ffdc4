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


def drawn(ranges: tuple[build.Range, ...], marks: tuple[Mark, ...] = (), width: int = 16) -> Picture:
    return picture(entries(*ranges), marks, width)


def cells(found: Picture, strip: int) -> str:
    return "".join(SIGNS[kind][True] for kind in found.strips[strip].cells)


def test_parts_are_cut_where_anything_begins_or_ends_and_follow_each_other() -> None:
    expected = [
        Part(0, 0x1000, "RAM"),
        Part(0x1000, 0x2000, OVERLAP),
        Part(0x2000, 0x3000, "RESERVED"),
        Part(0x3000, 0x4000, NOT_LISTED),
        Part(0x4000, 0x5000, UNKNOWN),
    ]

    assert expected == parts(entries((0x1000, 0x2000, 2), (0, 0x2000, 1), (0x4000, 0x1000, 42), (0x9000, 0, 1)))


def test_a_byte_listed_twice_as_one_type_is_no_conflict() -> None:
    assert [Part(0, 0x3000, "RAM")] == parts(entries((0, 0x2000, 1), (0x1000, 0x2000, 1)))


def test_a_range_that_runs_over_the_end_of_memory_ends_there() -> None:
    assert Part(TOP - 0x1000, TOP, "PMEM") == parts(entries((TOP - 0x1000, 0x5000, 7)))[-1]


def test_the_first_mib_is_to_scale() -> None:
    found = drawn(((0, 640 * K, 1), (768 * K, 64 * K, 4), (896 * K, 128 * K, 2)))

    assert (0, MIB, "##########..N.--") == (found.strips[0].start, found.strips[0].end, cells(found, 0))


def test_below_4_gib_a_strip_ends_where_the_ram_does_and_above_there_is_another() -> None:
    found = drawn(((0, 2 * G, 1), (3 * G, G, 2), (4 * G, 2 * G, 1), (6 * G, 2 * G, 7), (8 * G, G, 1)))

    assert [(0, MIB), (MIB, 2 * G), (4 * G, 9 * G)] == [(strip.start, strip.end) for strip in found.strips]
    assert "######PPPPPPP###" == cells(found, 2)
    assert (Part(3 * G, 4 * G, "RESERVED"),) == found.outside


def test_ram_that_crosses_4_gib_is_in_both_strips() -> None:
    found = drawn(((MIB, 5 * G - MIB, 1),))

    assert [(0, MIB), (MIB, 4 * G), (4 * G, 5 * G)] == [(strip.start, strip.end) for strip in found.strips]


def test_an_overlap_shows_however_small_it_is() -> None:
    found = drawn(((0, 640 * K, 1), (320 * K, 1, 2)))

    assert "#####!####......" == cells(found, 0)


def test_a_cell_is_what_most_of_it_is() -> None:
    found = drawn(((0, 40 * K, 1), (40 * K, 88 * K, 2)))

    assert "#-.............." == cells(found, 0)


def test_a_mark_covers_the_cells_that_it_touches_and_at_least_one() -> None:
    marks = (Mark("a", "wide", 60 * K, 130 * K), Mark("b", "empty", 640 * K, 640 * K))
    places = [(mark.letter, first, last) for mark, first, last in drawn((), marks).strips[0].marks]

    assert [("a", 0, 2), ("b", 10, 10)] == places


def test_marks_in_one_cell_get_lines_of_their_own() -> None:
    marks = (Mark("a", "one", 0, 1), Mark("b", "two", 1, 2), Mark("c", "three", 640 * K, 641 * K))
    lines = render(drawn(((0, MIB, 1),), marks), ascii=True, indent=0)

    assert ["################", "a         c", "b"] == lines[1:4]


def test_without_ram_the_marks_tell_how_far_the_picture_goes() -> None:
    found = drawn((), (Mark("k", "kernel", 16 * MIB, 32 * MIB),))

    assert [(0, MIB), (MIB, 32 * MIB)] == [(strip.start, strip.end) for strip in found.strips]


def test_what_lies_outside_all_strips_is_named() -> None:
    marks = (Mark("m", "module 1", 5 * G, 5 * G + 1),)
    lines = render(drawn(((0, 2 * MIB, 1), (3 * G, MIB, 2)), marks), ascii=True, indent=0)

    assert ["not shown: 0xc0000000-0xc0100000 RESERVED", "           0x140000000-0x140000001 module 1"] == lines[-2:]


def test_the_legend_names_only_what_occurs() -> None:
    lines = render(drawn(((0, MIB, 1), (0, 64 * K, 3))), ascii=True, indent=0)

    assert ["# RAM   ! listed as two types   (a character: 64 KiB)"] == lines[2:]


def test_a_whole_boot_is_drawn_with_everything_that_was_handed_over() -> None:
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
# RAM   - RESERVED   N NVS   . not listed   (a character: 16 KiB, from 1M 7.9 MiB)
k kernel            0x1000000-0x3800000    40 MiB
i initrd, module 0  0x1fddf000-0x1fdffabc  130.6 KiB
s start_info        0xf31e0-0xf3218        56 bytes
l module list       0x7b7c-0x7b9c          32 bytes
c command line      0xefcb0-0xefcd0        32 bytes
t memory map        0xefc20-0xefcb0        144 bytes"""

    assert expected.splitlines() == lines


def test_segments_of_a_kernel_that_nearly_touch_are_one_mark_and_distant_ones_are_two() -> None:
    segments = (Segment(MIB, 0, 0, MIB), Segment(3 * MIB, 0, 0, MIB), Segment(64 * MIB, 0, 0, MIB), Segment(0, 0, 0, 0))
    marks = memory_picture.marks(build.look(build.Noise(0, 0), "died"), build.linux()._replace(segments=segments))

    assert [("k", MIB, 4 * MIB), ("k", 64 * MIB, 65 * MIB)] == [(each.letter, each.start, each.end) for each in marks]


def test_of_thousands_of_modules_a_few_are_named_and_the_rest_counted() -> None:
    marks = tuple(Mark("m", f"module {number}", 4096 * number, 4096 * number + 1) for number in range(1, 101))
    lines = render(drawn(((0, MIB, 1),), marks), ascii=True, indent=0)

    assert 8 == sum(line.startswith("m module ") for line in lines)
    assert "m …         and 92 more modules" in lines


@pytest.mark.parametrize("width", [1, 7, 64, 200])
@pytest.mark.parametrize("seed", range(10))
def test_any_map_is_drawn_in_lines_of_bounded_number_and_width(seed: int, width: int) -> None:
    choice = random.Random(seed)
    edges = (0, 1, MIB, 4 * G - 1, 4 * G, TOP - 1, TOP // 2)
    numbers = [choice.choice((*edges, choice.randrange(TOP))) for _ in range(3000)]
    ranges = tuple((numbers[i], numbers[i + 1], numbers[i + 2] % 9) for i in range(0, 3000, 3))
    marks = tuple(Mark("m", "module", numbers[i], numbers[i] + numbers[i + 1]) for i in range(0, 600, 2))
    lines = render(drawn(ranges, marks, width), ascii=True)

    assert len(lines) < 40
    assert max(map(len, lines)) < max(width + 30, 180)


def test_the_largest_map_that_is_read_is_drawn_whole() -> None:
    ranges = tuple((number << 20, (1 << 20) + 1, 1 + number % 2) for number in range(16384))
    found = drawn(ranges)

    assert {OVERLAP} == set(found.strips[1].cells)
    assert 32767 == len(parts(entries(*ranges)))
