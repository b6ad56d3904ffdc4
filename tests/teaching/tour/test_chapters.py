"""Tests of the tour's chapters: everything that they say about a boot is true."""

from pathlib import Path

import pytest

from pvhdbg.boot.record.replay import load
from pvhdbg.cli.command.teaching import boots
from pvhdbg.errors import UserError
from pvhdbg.teaching import front_matter, markdown, values
from pvhdbg.teaching.tour import chapter, tour_text
from pvhdbg.teaching.tour.chapter import Chapter
from pvhdbg.teaching.values import Boot
from pvhdbg.tui.views import table as views
from pvhdbg.views.pictures.table import PICTURES

CHAPTERS = chapter.read_all(boots.CHAPTERS)
NAMES = [shown.name for shown in CHAPTERS]
LONGEST, LONGEST_QUESTION = 110, 80
"""Words of a card, which has one idea, and of its question with the answer."""

WRONG = {
    "## A\nstage: late\n": ":4: unknown stage: late",
    "## A\nboot: died\n": ":4: unknown boot: died",
    "## A\ncolor: red\n": ":5: unknown key: color",
    "## A\n\nQuestion: Why?\n": ":4: a question without an answer",
    "": ":1: no cards",
    "## A\nfact: start_info.version == 2\n": ":5: not true: start_info.version == 2",
    "## A\nfact: start_info.version\n": ":5: not a comparison: start_info.version",
    "## A\nfact: start_info.size == 1\n": ":5: no value at stage entry: start_info.size",
    "## A\nfact: rip < cpu_mode\n": ":5: can't be compared: rip < cpu_mode",
    "## A\nfact: __import__('os') == 1\n": ":5: not a path: __import__('os')",
    "## A\nfact: rip == (\n": ":5: not an expression: rip == (",
    "## A\nfact: rip // 0 == 1\n": ":5: can't be computed: rip // 0",
    "## A\nfact: len(start_info) == 1\n": ":5: not a list or a text: start_info",
    "## A\nstage: died\n\n{rip}\n": ":4: the boot has not reached stage died",
    "## A\naddress: modules[7].paddr\n": ":4: no value at stage entry: modules[7].paddr",
}


@pytest.fixture(scope="module")
def recorded() -> dict[str, Boot]:
    names = boots.names_in(CHAPTERS)
    return {name: values.of_document(load(boots.CHAPTERS / f"{name}.json")) for name in names}


@pytest.mark.parametrize("shown", CHAPTERS, ids=NAMES)
def test_every_fact_of_a_chapter_is_true_and_every_value_exists(shown: Chapter, recorded: dict[str, Boot]) -> None:
    assert [] == [str(mistake) for mistake in chapter.mistakes([shown], recorded)]
    assert any(card.facts for card in shown.cards)


@pytest.mark.parametrize("shown", CHAPTERS, ids=NAMES)
def test_a_card_is_short_and_its_view_and_its_picture_exist(shown: Chapter) -> None:
    for card in shown.cards:
        assert len(card.text.split()) <= LONGEST, card.title
        assert len(f"{card.question} {card.answer}".split()) <= LONGEST_QUESTION, card.title
        assert card.view in views.BY_NAME
        assert card.picture in ("", *PICTURES)


def test_every_recording_belongs_to_a_chapter() -> None:
    assert sorted(path.stem for path in boots.CHAPTERS.glob("*.json")) == boots.names_in(CHAPTERS)


def test_a_chapter_as_text_has_the_values_of_the_boot(recorded: dict[str, Boot]) -> None:
    text = tour_text.chapter(CHAPTERS[2], 3, recorded, 80)
    start_info = recorded["boot"].stops[0].start_info

    assert start_info
    assert f"Here\nit is {start_info.at:#x}." in text
    assert max(map(len, text.splitlines())) <= 80
    assert "{" not in text


@pytest.mark.parametrize(("cards", "message"), WRONG.items())
def test_a_mistake_in_a_chapter_is_one_line_with_file_and_line(
    cards: str, message: str, recorded: dict[str, Boot]
) -> None:
    text = f"---\ntitle: T\n---\n{cards}"
    try:
        found = [*chapter.mistakes([chapter.parse("a", front_matter.parse("a.md", text))], recorded)]
    except UserError as error:
        found = [error]

    assert [f"a.md{message}"] == [str(error) for error in found]


@pytest.mark.parametrize("value", ["died", "boot = --set x=1", "Died = --vmm qemu", "died = '"])
def test_a_boot_that_is_not_understood_is_an_error(value: str) -> None:
    with pytest.raises(UserError, match=r"a\.md:3: not "):
        chapter.parse("a", front_matter.parse("a.md", f"---\ntitle: T\nboot: {value}\n---\n## A\n"))


def test_a_card_keeps_stage_view_and_boot_of_the_card_before() -> None:
    text = "---\ntitle: T\nboot: died = --set x=1\n---\n## A\nstage: prepare\nview: cpu\nrow: cr0\nboot: died\n\n## B\n"
    first, second = chapter.parse("a", front_matter.parse("a.md", text)).cards

    assert (
        (first.stage, first.view, first.boot) == (second.stage, second.view, second.boot) == ("prepare", "cpu", "died")
    )
    assert ("cr0", "") == (first.row, second.row)


def test_values_in_text_are_hex_decimal_or_sizes(recorded: dict[str, Boot]) -> None:
    text = "{modules[0].size} {modules[0].size:d} {modules[0].size:size} {cmdline} {cpu_mode @ kernel} {{}"

    filled = values.filled_in(text, recorded["boot"], "entry")

    assert '0x15 21 21 bytes "console=ttyS0 earlyprintk=ttyS0" "long64" {{}' == filled


def test_a_text_and_a_list_have_a_length(recorded: dict[str, Boot]) -> None:
    assert "31 1" == values.filled_in("{len(cmdline):d} {len(modules):d}", recorded["boot"], "entry")


def test_the_chapter_in_the_manual_is_a_chapter(recorded: dict[str, Boot]) -> None:
    page = (boots.CHAPTERS.parents[1] / "manual" / "teach.md").read_text("utf-8")
    lines = page.partition("begins a card:\n\n")[2].partition("\nThe lines below")[0].splitlines()
    example = "\n".join(line.removeprefix("    ") for line in lines)
    shown = chapter.parse("a", front_matter.parse("a.md", example))

    assert [] == [*chapter.mistakes([shown], recorded)]
    assert "The text is at 0xefc60" in tour_text.chapter(shown, 1, recorded, 80)


def test_markdown_has_paragraphs_items_and_code() -> None:
    text = "One *two* `three`.\nFour **five**.\n\n- a\n  b\n- c\n\n    code  *x*\n\n```\n## d\n\n```\n1. e"

    assert [
        "One two `three`. Four five.",
        "",
        *("- a b", "- c"),
        *("", "  code  *x*", "", "  ## d", "", "", "1. e"),
    ] == markdown.plain(text, 40)


def test_the_list_marks_the_chapter_in_which_the_reader_stopped() -> None:
    lines = tour_text.listing(CHAPTERS, NAMES[3]).splitlines()

    assert len(CHAPTERS) == len(lines)
    assert [">"] == [line[0] for line in lines if line[0] != " "] == [lines[3][0]]


def test_the_module_of_the_boots_is_what_chapter_4_says() -> None:
    answer = CHAPTERS[3].cards[1].answer

    assert boots.MODULE.read_text("ascii").strip() in answer
    assert boots.MODULE.name in answer


def test_the_source_that_chapter_5_quotes_is_the_guests() -> None:
    source = " ".join((Path(boots.CHAPTERS).parents[1] / "guest" / "entry.S").read_text("utf-8").split())

    for line in ("mov %ebx, %esi", "mov $pa(pvh_start_info), %edi", "rep movsl"):
        assert line in source
        assert line in CHAPTERS[4].cards[0].text
