"""Who wrote what: from the fields of one structure through the functions that copy them to those of the next.

A recording has this only if `who` was asked: `pvhdbg who --all --format json`.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from typing import TYPE_CHECKING

from pvhdbg.abi.text import printable_start
from pvhdbg.boot.who.answer import BY
from pvhdbg.lazy_pattern import pattern
from pvhdbg.named_tuple import NamedTuple
from pvhdbg.views.pictures import graph
from pvhdbg.views.pictures.graph import Box, Line
from pvhdbg.views.rows import text

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from pvhdbg.boot.record.document import Document
    from pvhdbg.boot.who.answer import Answer, Writer
    from pvhdbg.views.pictures.drawing import Drawing

MOST_FIELDS, MOST_ANSWERS, MOST_BOXES = 12, 4096, 16
"""The most fields in a box, answers of a recording, and functions that write a structure."""
_TITLE = "Who wrote the boot data: the functions, and the fields from which they copied"
_STRUCTURES = ("pvh_start_info", "boot_params", "e820_table")
"""The structures that the kernel writes, in this order. All other boot data is from the VMM."""
_HANDOVER = "the VMM's boot data"
_INDEX = pattern(r"\[\d+\]")
_WIDTH = 46


class _Write(NamedTuple):
    """A field, or several elements of a list, that a function wrote; `origin` is what it copied."""

    structure: str
    field: str
    function: str
    origin: str | None


def as_text(run: Document) -> list[str]:
    """Return the picture as lines of text."""
    return graph.as_text(boxes(run), _TITLE)


def draw(run: Document) -> Drawing:
    """Draw the picture, with one arrow between two boxes."""
    return graph.draw([_with_few_arrows(box) for box in boxes(run)], "who", _TITLE)


def _with_few_arrows(box: Box) -> Box:
    """Return a box in which only the first of the lines that lead to the same box has an arrow."""
    seen: set[str | None] = {None}
    lines = []
    for line in box.lines:
        lines.append(line if line.leads_to not in seen else line._replace(leads_to=None))
        seen.add(line.leads_to)
    return box._replace(lines=tuple(lines))


def boxes(run: Document) -> list[Box]:
    """Return the boxes of the structures, each after the functions that write it."""
    if not run.who:
        words = Line("this recording has no answers of `who`"), Line("record with: pvhdbg who --all --format json")
        return [Box("none", "not known", words, 0, is_missing=True)]
    writes = Counter(write for answer in run.who[:MOST_ANSWERS] for write in set(_writes(answer)))
    cleared = Counter(_structure(answer.path) for answer in run.who[:MOST_ANSWERS] if answer.is_only_cleared)
    names = [name for name in (_HANDOVER, *_STRUCTURES) if any(write.structure == name for write in writes)]
    found: list[Box] = []
    for number, name in enumerate(names):
        of_structure = {write: count for write, count in writes.items() if write.structure == name}
        found += _functions(of_structure, 2 * number)
        found.append(_structure_box(name, writes, cleared[name], 2 * number + 1))
    keys = {box.key for box in found}
    return [box._replace(lines=tuple(_tied(line, keys) for line in box.lines)) for box in found]


def _tied(line: Line, keys: set[str]) -> Line:
    """Return a line without an arrow to a box that is not drawn."""
    return line if line.leads_to in keys else line._replace(leads_to=None)


def _structure(path: str) -> str:
    """Return which structure a field is in."""
    head = re.split(r"[.\[]", path, maxsplit=1)[0]
    return head if head in _STRUCTURES else _HANDOVER


def _writes(answer: Answer) -> Iterator[_Write]:
    if not answer.is_only_cleared:
        for writer in answer.last_writers:
            yield _Write(
                _structure(answer.path),
                _collapsed(answer.path),
                _function(writer),
                writer.origin and _collapsed(writer.origin),
            )


def _collapsed(path: str) -> str:
    """Return a path without the numbers of list elements, so that all elements count as one."""
    return _INDEX.sub("[]", path)


def _function(writer: Writer) -> str:
    """Return the function that wrote, with its file, or what else wrote."""
    if writer.code is None:
        return BY[writer.by]
    file = (writer.code.source or "").rpartition(":")[0]
    return f"{writer.code.function}, {file}" if file else writer.code.function


def _functions(writes: Mapping[_Write, int], column: int) -> Iterator[Box]:
    """Yield a box for each function that writes a structure: the fields that it writes."""
    by_function: dict[str, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    for write, count in writes.items():
        by_function[write.function][write.field] += count
    for function, fields in list(by_function.items())[:MOST_BOXES]:
        structure = next(iter(writes)).structure
        lines = [Line(_shown(_inside(structure, field), count), structure) for field, count in fields.items()]
        yield Box(_key(function, structure), printable_start(function, _WIDTH), tuple(_cut(lines)), column)


def _structure_box(name: str, writes: Mapping[_Write, int], cleared: int, column: int) -> Box:
    """Return the box of a structure: which of its fields are copied on, and by which function."""
    copied: dict[tuple[str, str], int] = defaultdict(int)
    for write, count in writes.items():
        if write.origin is not None and _structure(write.origin) == name:
            copied[write.origin, _key(write.function, write.structure)] += count
    lines = [Line(_shown(_inside(name, field), count), key) for (field, key), count in copied.items()]
    fields = len({write.field for write in writes if write.structure == name})
    rest = [Line(f"{text.counted(fields, 'field')} written, {len({field for field, _ in copied})} copied on")]
    if cleared:
        rest.append(Line(f"{text.counted(cleared, 'field')} only cleared"))
    return Box(name, name, (*_cut(lines), *rest), column)


def _inside(structure: str, field: str) -> str:
    """Return the path of a field inside its structure."""
    return field.removeprefix(f"{structure}.")


def _key(function: str, structure: str) -> str:
    return f"{function} -> {structure}"


def _shown(field: str, count: int) -> str:
    shown = printable_start(field, _WIDTH)
    return f"{shown}  x{count}" if count > 1 else shown


def _cut(lines: Iterable[Line]) -> list[Line]:
    every = list(lines)
    more = [Line(f"… and {len(every) - MOST_FIELDS} more")] if len(every) > MOST_FIELDS else []
    return [*every[:MOST_FIELDS], *more]
