"""The limits of `pvhdbg inspect`, and remarks about the parts of a file that exceed them. No kernel does.

Inspecting a file of 64 MiB takes at most 2 s of CPU time and 200 MiB of memory, whatever its headers claim.
"""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING

from pvhdbg.image import notes
from pvhdbg.image.facts import MAX_DESC_SIZE, MAX_DESCS_SIZE, SEARCHED, searches_all
from pvhdbg.image.header import MAX_NAME, MAX_NAMES_SIZE

if TYPE_CHECKING:
    from pvhdbg.image.header import Elf

MAX_HEADERS = 4096
"""The most program headers, and the most sections, that are listed. Real kernels have at most 10 and 100."""
MAX_COMMENT = 4096
"""The most bytes of .comment that are read."""
MAX_CONFIG = 1 << 20
"""The most bytes of the unpacked kernel configuration that are read. Debian's configuration has 270 KiB."""
_SEARCHED_FOR = f"only {SEARCHED} bytes of the segments were searched for {{}}"


def left_out(image: Elf, *, config_size: int | None, has_release: bool) -> dict[str, str]:
    """Return a remark for each part of a file that was not read, by its path in the JSON of `inspect`.

    `config_size` is the size of the configuration that was read, None if there is none.
    """
    unsearched = not (has_release and config_size is not None) and not searches_all(image)
    lines = {
        "kernel.release": not has_release and unsearched and _SEARCHED_FOR.format("Linux's version"),
        "kernel.notes": _notes(image),
        "elf.compiler": _compiler(image),
        "elf.program_headers": _rows(len(image.segments), "program headers"),
        "elf.sections": _rows(len(image.sections), "sections") or _names(image),
        "config": unsearched and _SEARCHED_FOR.format("a configuration")
        if config_size is None
        else config_size >= MAX_CONFIG and f"only the first {MAX_CONFIG} bytes of the configuration are read",
    }
    return {path: line for path, line in lines.items() if line}


def _rows(count: int, what: str) -> str | None:
    return f"only the first {MAX_HEADERS} of {count} {what} are listed" if count > MAX_HEADERS else None


def _names(image: Elf) -> str | None:
    if len(image.names) == MAX_NAMES_SIZE:
        return f"only the first {MAX_NAMES_SIZE} bytes of the section names are read"
    names = map(image.section_name, islice(image.sections, MAX_HEADERS))
    return f"section names are truncated to {MAX_NAME} bytes" if any(len(name) == MAX_NAME for name in names) else None


def _compiler(image: Elf) -> str | None:
    comment = image.section(b".comment")
    is_long = comment is not None and comment.size > MAX_COMMENT
    return f"only the first {MAX_COMMENT} bytes of .comment are read" if is_long else None


def _notes(image: Elf) -> str | None:
    if notes.has_more_notes(image):
        return f"only the first {notes.MAX_NOTES} notes are read"
    sizes = [note.descsz for note in notes.segment_notes(image)]
    if max(sizes, default=0) > MAX_DESC_SIZE or sum(sizes) > MAX_DESCS_SIZE:
        return f"only {MAX_DESC_SIZE} bytes of each note, and {MAX_DESCS_SIZE} bytes of all notes, are read"
    return None
