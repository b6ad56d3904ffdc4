"""Tests of the handout: it has everything of the chapters, and text cannot do anything in it."""

import re
from pathlib import Path

import pytest

from pvhdbg.cli import main
from pvhdbg.cli.command.teaching import boots
from pvhdbg.cli.command.teaching.lab import EXERCISES
from pvhdbg.teaching import front_matter, markdown, values
from pvhdbg.teaching.lab import lab_file
from pvhdbg.teaching.tour import chapter, handout
from tests.teaching.tour.recorded import recorded_boots

CHAPTERS = chapter.read_all(boots.CHAPTERS)
HTML = handout.html(CHAPTERS, recorded_boots())
HOSTILE = "</p><script>alert(1)</script><img src=x onerror=alert(1)>"


def words(text: str) -> str:
    return " ".join(re.sub(r"<[^>]+>|[*`]", " ", text).replace("&gt;", ">").split())


def test_the_page_has_every_chapter_every_card_and_every_answer() -> None:
    page = words(HTML)

    for shown in CHAPTERS:
        assert shown.title in page
        for card in shown.cards:
            assert (
                words(values.filled_in(card.title, values.of_document(recorded_boots()[card.boot]), card.stage)) in page
            )
            first = words(card.answer).split("{")[0]
            assert first in page


def test_each_question_has_a_link_to_its_answer_and_back() -> None:
    targets = set(re.findall(r'href="#([^"]+)"', HTML))

    assert targets
    assert [] == sorted(target for target in targets if f'id="{target}"' not in HTML)
    questions = sum(bool(card.question) for shown in CHAPTERS for card in shown.cards)
    assert questions == sum(target.startswith("answer-") for target in targets)


def test_answers_come_after_all_questions() -> None:
    assert HTML.rindex('id="question-') < HTML.index('id="answer-')


def test_the_markdown_has_the_same_cards() -> None:
    text = handout.as_markdown(CHAPTERS, recorded_boots())

    assert "{" not in text
    assert [] == [shown.title for shown in CHAPTERS if f". {shown.title}\n" not in text]
    assert sum(len(shown.cards) for shown in CHAPTERS) <= text.count("\n### ")


def test_the_tasks_of_the_labs_are_in_the_document_but_not_their_solutions() -> None:
    labs = lab_file.read_all(EXERCISES)
    page = handout.html(CHAPTERS[:1], recorded_boots(), labs)
    text = handout.as_markdown(CHAPTERS[:1], recorded_boots(), labs)

    for lab in labs:
        assert [] == [block.text for block in markdown.blocks(lab.task) if words(block.text) not in words(page)]
        assert lab.task in text
        assert lab.solution not in text
        assert words(markdown.blocks(lab.solution)[0].text) not in words(page)


def test_text_of_a_chapter_and_of_a_guest_is_escaped() -> None:
    card = f"## {HOSTILE}\nrow: rip\nview: cpu\n\n{HOSTILE}\n\n    {HOSTILE}\n"
    source = f"---\ntitle: {HOSTILE}\nabout: {HOSTILE}\n---\n{HOSTILE}\n{card}"
    page = handout.html([chapter.parse("a", front_matter.parse("a.md", source))], recorded_boots())

    assert "<script" not in page
    assert "<img" not in page
    assert 6 <= page.count("&lt;script&gt;")
    assert "default-src 'none'" in page


def test_the_page_refers_to_nothing_else() -> None:
    assert [] == re.findall(r'(?:src|href)="(?!#)[^"]*"', HTML)


@pytest.mark.parametrize("name", ["tour.html", "tour.md", "TOUR.MD"])
def test_the_command_writes_the_document(tmp_path: Path, name: str) -> None:
    assert 0 == main(["handout", "--recorded", "-o", str(tmp_path / name)])
    assert handout.TITLE in (tmp_path / name).read_text("utf-8")


def test_another_ending_is_an_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert 2 == main(["handout", "--recorded", "-o", str(tmp_path / "a.pdf")])
    assert "the name of the file must end in .html or .md\n" in capsys.readouterr().err


def test_chosen_chapters_keep_their_numbers_and_chosen_exercises_theirs(tmp_path: Path) -> None:
    path = tmp_path / "a.html"
    assert 0 == main(["handout", "--recorded", "3", CHAPTERS[4].name, "--exercises", "1,3-4", "-o", str(path)])
    page = path.read_text("utf-8")

    assert ["3", "5"] == re.findall(r'<h2 id="chapter-(\d+)">', page) == re.findall(r'<li value="(\d+)">', page)
    assert {"3", "5"} == set(re.findall(r'id="answer-(\d+)', page))
    assert ["1", "3", "4"] == re.findall(r"<h3>(\d+)\. ", page.partition('id="exercises"')[2])


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (["99"], 'no such chapter: "99"'),
        (["--exercises", "3-99"], "no such exercise: 14"),
        (["--exercises", "3-1"], "must be numbers such as 1-3,6, or none: '3-1'"),
        (["--exercises", ""], "must be numbers"),
    ],
)
def test_a_chapter_or_an_exercise_that_does_not_exist(
    words: list[str], why: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert 2 == main(["handout", "--recorded", "-o", str(tmp_path / "a.md"), *words])
    assert why in capsys.readouterr().err
    assert [] == [*tmp_path.iterdir()]


def test_no_exercises_in_the_document(tmp_path: Path) -> None:
    assert 0 == main(["handout", "--recorded", "1", "--exercises", "none", "-o", str(tmp_path / "a.md")])
    assert "## Exercises" not in (tmp_path / "a.md").read_text("utf-8")
