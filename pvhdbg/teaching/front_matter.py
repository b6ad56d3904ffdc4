"""Markdown with a front matter: lines `key: value` between two lines `---`, then text in sections.

A section begins with a heading, `## Title`. Lines `key: value` right below the heading, up to an empty line, are the
section's own entries:

    ---
    title: Where the boot begins
    ---
    Text before the first section.

    ## EBX has an address
    stage: entry
    view: cpu

    The text of the section.

A key can occur several times. Which keys are valid depends on the kind of document (`Entries.refuse_others`).
Teachers write these files, so every error is one line with the file and the line number.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

from pvhdbg.abi.text import escape_unprintable, printable
from pvhdbg.errors import UserError
from pvhdbg.lazy_pattern import pattern
from pvhdbg.named_tuple import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence
    from pathlib import Path

LARGEST = 256 * 1024
"""Bytes in the largest file that is read."""

_ENTRY = pattern(r"([a-z][a-z_-]*):(?:\s+(.*))?$")
_FENCE = "---"
_HEADING = "## "
_CODE = "```"


class Entry(NamedTuple):
    """A line `key: value`, with its line number in the file."""

    key: str
    value: str
    line: int


class Place(NamedTuple):
    """A line of a file, to report errors about it."""

    file: str
    line: int

    def error(self, why: str, hint: str | None = None) -> UserError:
        """Return an error about this line."""
        return UserError(f"{self.file}:{self.line}: {why}", hint)


class Entries(NamedTuple):
    """The entries of a front matter or of a section. `place` is the line that they belong to."""

    place: Place
    all: tuple[Entry, ...]

    def values(self, key: str) -> list[str]:
        """Return the values of a key that can occur several times."""
        return [entry.value for entry in self.all if entry.key == key]

    def value(self, key: str) -> str | None:
        """Return the value of a key, or None if the key does not occur.

        :raise UserError: if it occurs more than once.
        """
        found = [entry for entry in self.all if entry.key == key]
        if len(found) > 1:
            raise self.at(found[1]).error(f"{key} is given twice")
        return found[0].value if found else None

    def required(self, key: str) -> str:
        """Return the value of a key.

        :raise UserError: if the key is missing, has no value, or occurs more than once.
        """
        if value := self.value(key):
            return value
        raise self.place.error(f"{key} is missing", f"add a line such as `{key}: …`")

    def at(self, entry: Entry) -> Place:
        """Return the line of an entry."""
        return Place(self.place.file, entry.line)

    def refuse_others(self, known: Collection[str]) -> None:
        """Refuse unknown keys.

        :raise UserError: for the first one.
        """
        for entry in self.all:
            if entry.key not in known:
                raise self.at(entry).error(f"unknown key: {entry.key}", f"use one of {', '.join(sorted(known))}")


class Section(NamedTuple):
    """A heading, its entries, and the Markdown below them. `line` is the line number of the first line of the text."""

    title: str
    entries: Entries
    text: str
    line: int

    @property
    def place(self) -> Place:
        """Return the line of the heading."""
        return self.entries.place


class Document(NamedTuple):
    """A file: its front matter, the text before the first section, and the sections."""

    name: str
    entries: Entries
    text: str
    sections: tuple[Section, ...]


def files(folder: Path) -> list[Path]:
    """Return the Markdown files of a folder, in the order of their names. A README.md is not one of them.

    :raise UserError: if the folder cannot be read or has none.
    """
    name = escape_unprintable(str(folder))
    try:
        paths = sorted(path for path in folder.iterdir() if path.suffix == ".md" and path.name != "README.md")
    except OSError as error:
        raise UserError(f"{name}: {error.strerror}", "pass a folder") from error
    if not paths:
        raise UserError(f"{name}: no Markdown files (*.md) in this folder")
    return paths


def read(path: Path) -> Document:
    """Read a file.

    :raise UserError: if it cannot be read or is malformed.
    """
    name = escape_unprintable(str(path))
    try:
        if not path.is_file():
            raise UserError(f"{name}: not a regular file")
        with path.open("rb") as file:
            data = file.read(LARGEST + 1)
    except OSError as error:
        raise UserError(f"{name}: {error.strerror}") from error
    if len(data) > LARGEST:
        raise UserError(f"{name}: larger than {LARGEST // 1024} KiB")
    try:
        return parse(name, data.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        raise Place(name, data.count(b"\n", 0, error.start) + 1).error("not UTF-8") from error


def parse(name: str, text: str) -> Document:
    """Return the document that a file consists of. `name` is the name of the file in errors.

    :raise UserError: if the file is malformed.
    """
    lines = list(_lines(text.replace("\r\n", "\n")))
    for number, line in enumerate(lines, 1):
        if not line.replace("\t", "").isprintable():
            bad = next(character for character in line if not (character.isprintable() or character == "\t"))
            raise Place(name, number).error(f"character that cannot be printed: {printable(bad)}")
    if lines[0] != _FENCE:
        raise Place(name, 1).error("no front matter", "start the file with a line of `---`")
    if _FENCE not in lines[1:]:
        raise Place(name, 1).error("the front matter does not end", "add a line of `---` below it")
    end = lines.index(_FENCE, 1)
    head = Entries(Place(name, 1), tuple(_entries(name, lines[1:end], 2)))
    starts = [*_headings(lines, end + 1), len(lines)]
    sections = (_section(name, lines[start:stop], start + 1) for start, stop in pairwise(starts))
    return Document(name, head, "\n".join(lines[end + 1 : starts[0]]).strip("\n"), tuple(sections))


def _lines(text: str) -> Iterator[str]:
    """Yield lines without spaces at the end. Tabs become spaces, except in a block of code between ```.

    A diff in such a block applies to a file only with its tabs.
    """
    is_code = False
    for line in text.split("\n"):
        is_code ^= line.startswith(_CODE)
        yield line.rstrip() if is_code else line.expandtabs(4).rstrip()


def _headings(lines: Sequence[str], start: int) -> Iterator[int]:
    """Yield the index of each line that begins a section. A line within a block of code between ``` does not."""
    is_code = False
    for index in range(start, len(lines)):
        is_code ^= lines[index].startswith(_CODE)
        if lines[index].startswith(_HEADING) and not is_code:
            yield index


def _entries(name: str, lines: Sequence[str], first: int) -> Iterator[Entry]:
    for number, line in enumerate(lines, first):
        if not line or line.startswith("#"):
            continue
        if not (match := _ENTRY.match(line)):
            raise Place(name, number).error("not `key: value`", "put an empty line between the entries and the text")
        yield Entry(match[1], match[2] or "", number)


def _section(name: str, lines: Sequence[str], first: int) -> Section:
    below = next((index for index, line in enumerate(lines) if not line), len(lines))
    entries = Entries(Place(name, first), tuple(_entries(name, lines[1:below], first + 1)))
    start = next((index for index in range(below, len(lines)) if lines[index]), len(lines))
    return Section(
        lines[0].removeprefix(_HEADING).strip(), entries, "\n".join(lines[start:]).rstrip("\n"), first + start
    )
