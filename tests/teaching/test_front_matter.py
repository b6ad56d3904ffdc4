"""Tests of Markdown files with a front matter. They use files as a teacher could write them, also wrong ones."""

from pathlib import Path

import pytest

from pvhdbg.errors import UserError
from pvhdbg.teaching import front_matter
from pvhdbg.teaching.front_matter import Entry

CHAPTER = """\
---
title: Where the boot begins
---
Before the first section.

## EBX has an address
stage: entry
fact: start_info.magic == 0x336ec578
fact: start_info.version == 1

The text.

```
## not a heading
```

## No entries

Text.
"""


def test_a_document_has_entries_text_and_sections() -> None:
    document = front_matter.parse("a.md", CHAPTER)

    assert "Where the boot begins" == document.entries.required("title")
    assert "Before the first section." == document.text
    assert ["EBX has an address", "No entries"] == [section.title for section in document.sections]


def test_a_section_has_entries_and_text_with_line_numbers() -> None:
    first, second = front_matter.parse("a.md", CHAPTER).sections

    assert "entry" == first.entries.value("stage")
    assert ["start_info.magic == 0x336ec578", "start_info.version == 1"] == first.entries.values("fact")
    assert Entry("stage", "entry", 7) == first.entries.all[0]
    assert CHAPTER.splitlines()[first.line - 1] == first.text.splitlines()[0] == "The text."
    assert ("Text.", 19, 17) == (second.text, second.line, second.place.line)
    assert None is second.entries.value("stage")


def test_tabs_stay_only_in_a_fence() -> None:
    document = front_matter.parse("a.md", "---\ntitle:\ta\n---\n\tb\n\n```diff\n+\tc\t\n```\n\td\n")

    assert "    b\n\n```diff\n+\tc\n```\n    d" == document.text
    assert "a" == document.entries.value("title")


def test_line_ends_and_a_byte_order_mark_of_windows_are_read(tmp_path: Path) -> None:
    (tmp_path / "a.md").write_bytes(b"\xef\xbb\xbf" + CHAPTER.replace("\n", "\r\n").encode())

    assert front_matter.parse("a.md", CHAPTER).sections == tuple(
        section._replace(entries=section.entries._replace(place=section.place._replace(file="a.md")))
        for section in front_matter.read(tmp_path / "a.md").sections
    )


WRONG = {
    "title: x\n": "a.md:1: no front matter",
    "": "a.md:1: no front matter",
    "---\ntitle: x\n": "a.md:1: the front matter does not end",
    "---\ntitle\n---\n": "a.md:2: not `key: value`",
    "---\n---\n## A\nstage: entry\ntext\n": "a.md:5: not `key: value`",
    "---\ntitle: \x1b[31m\n---\n": "a.md:2: character that cannot be printed: \\x1b",
    "---\ntitle: \u202ex\n---\n": "a.md:2: character that cannot be printed: \\u{202e}",
}


@pytest.mark.parametrize(("text", "message"), WRONG.items())
def test_an_error_names_file_and_line(text: str, message: str) -> None:
    with pytest.raises(UserError) as raised:
        front_matter.parse("a.md", text)

    assert message == str(raised.value)


def test_missing_and_repeated_and_unknown_keys_are_errors() -> None:
    entries = front_matter.parse("a.md", "---\ntitle: x\ntitle: y\nnmae: z\nempty:\n---\n").entries

    for key, message in [
        ("title", "a.md:3: title is given twice"),
        ("name", "a.md:1: name is missing"),
        ("empty", "a.md:1: empty is missing"),
    ]:
        with pytest.raises(UserError) as raised:
            entries.required(key)
        assert message == str(raised.value)
    with pytest.raises(UserError, match=r"a\.md:4: unknown key: nmae"):
        entries.refuse_others(["title", "empty"])


def test_files_that_cannot_be_read_are_one_line(tmp_path: Path) -> None:
    (tmp_path / "binary.md").write_bytes(b"---\n\xff\n---\n")
    (tmp_path / "large.md").write_bytes(b"x" * (front_matter.LARGEST + 1))
    (tmp_path / "folder.md").mkdir()

    for name, message in [
        ("binary.md", ":2: not UTF-8"),
        ("large.md", ": larger than 256 KiB"),
        ("folder.md", ": not a regular file"),
        ("missing.md", ": not a regular file"),
    ]:
        with pytest.raises(UserError) as raised:
            front_matter.read(tmp_path / name)
        assert f"{tmp_path / name}{message}" == str(raised.value)


def test_the_files_of_a_folder_are_sorted(tmp_path: Path) -> None:
    for name in ("2.md", "1.md", "README.md", "notes.txt"):
        (tmp_path / name).touch()

    assert ["1.md", "2.md"] == [path.name for path in front_matter.files(tmp_path)]


def test_a_folder_without_chapters_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no Markdown files"):
        front_matter.files(tmp_path)
    with pytest.raises(UserError, match="No such file or directory"):
        front_matter.files(tmp_path / "missing")
