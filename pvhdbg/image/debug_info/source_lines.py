"""The source line of an address, and the functions that are inlined there, from a kernel's DWARF.

Only the compilation unit that contains the address is read, in windows over the file: a vmlinux has 250 MB of debug
information. Where it is missing, damaged or too large, there are no lines. Like image.elf, this module imports
pyelftools, whose exceptions do not leave it.
"""

from __future__ import annotations

from bisect import bisect_right
from contextlib import suppress
from itertools import islice
from operator import itemgetter
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from elftools.common.exceptions import DWARFError
from elftools.dwarf.dwarfinfo import DebugSectionDescriptor, DwarfConfig, DWARFInfo

from pvhdbg.image.debug_info.dwarf import BUILD_FOLDER, unit_of
from pvhdbg.image.elf import PYELFTOOLS_ERRORS
from pvhdbg.image.file import File, open_file
from pvhdbg.image.header import CLASS64, read_elf
from pvhdbg.named_tuple import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pvhdbg.image.header import Elf

_SECTIONS = ("info", "aranges", "abbrev", "frame", "eh_frame", "str", "loc", "ranges", "line", "pubtypes", "pubnames")
_NEWER_SECTIONS = ("addr", "str_offsets", "line_str", "loclists", "rnglists", "sup", "gnu_debugaltlink", "types")
_USED = ("info", "abbrev", "str", "ranges", "line", "addr", "str_offsets", "line_str", "rnglists")
_SHF_COMPRESSED = 1 << 11
_WINDOW = 1 << 16
_MAX_UNIT, _MAX_LINES, _MAX_DEPTH, _MAX_ENTRIES = 4 << 20, 4 << 20, 32, 1 << 14
"""The limits: a unit and its line table in bytes, how deep functions are inlined, and the entries of one level: a
damaged entry may name an earlier one as the next.
"""
_ERRORS = (DWARFError, *PYELFTOOLS_ERRORS)


class SourceLine(NamedTuple):
    """`source` is FILE:LINE, with the path in the kernel's source. `inlined` has the innermost function first."""

    source: str | None
    inlined: tuple[str, ...]


_NOTHING = SourceLine(None, ())


class SourceLines:
    """The source lines of one ELF file. The caller closes it."""

    def __init__(self, path: str) -> None:
        """:raise UserError: if the file can't be read, or is not an ELF file."""
        self._file = open_file(path)
        self._elf = read_elf(self._file, path)
        self._units: dict[int, _Unit | None] = {}

    def close(self) -> None:
        self._file.close()

    def at(self, address: int) -> SourceLine:
        """Return the source line of the instruction at a link address."""
        with suppress(*_ERRORS):
            offset = unit_of(self._elf, address)
            if offset is not None:
                if offset not in self._units:
                    self._units[offset] = None
                    self._units[offset] = _Unit(self._elf, self._file, offset)
                unit = self._units[offset]
                return unit.at(address) if unit else _NOTHING
        return _NOTHING


class _Window:
    """A section of the file, as the stream that pyelftools reads."""

    def __init__(self, file: File, start: int, size: int) -> None:
        self._file, self._start, self._size = file, start, size
        self._at = self._buffered_at = 0
        self._buffer = b""

    def seek(self, offset: int, whence: int = 0) -> int:
        self._at = max(offset + (0, self._at, self._size)[whence], 0)
        return self._at

    def tell(self) -> int:
        return self._at

    def read(self, count: int = -1) -> bytes:
        left = max(self._size - self._at, 0)
        count = left if count < 0 else min(count, left)
        offset = self._at - self._buffered_at
        if offset < 0 or offset + count > len(self._buffer):
            first = self._start + self._at
            end = min(first + max(count, _WINDOW), self._start + self._size)
            self._buffered_at, self._buffer, offset = self._at, self._file[first:end], 0
        data = self._buffer[offset : offset + count]
        self._at += len(data)
        return data


def _dwarf(elf: Elf, file: File) -> DWARFInfo:
    config = DwarfConfig(True, "x64" if elf.elf_class == CLASS64 else "x86", 8 if elf.elf_class == CLASS64 else 4)
    sections: list[Any] = []
    for name in (*_SECTIONS, *_NEWER_SECTIONS):
        section = elf.section(f".debug_{name}".encode()) if name in _USED else None
        if section is None or section.flags & _SHF_COMPRESSED:
            sections.append(None)
        else:
            stream: Any = _Window(file, section.offset, section.size)
            sections.append(DebugSectionDescriptor(stream, f".debug_{name}", section.offset, section.size, 0))
    return DWARFInfo(config, *sections)


class _Unit:
    """A compilation unit."""

    def __init__(self, elf: Elf, file: File, offset: int) -> None:
        self._dwarf = _dwarf(elf, file)
        self._unit = self._dwarf.get_CU_at(offset)
        if self._unit["unit_length"] > _MAX_UNIT:
            raise ValueError("unit")
        top = self._unit.get_top_DIE()
        self._low = _number(top, "DW_AT_low_pc") or 0
        self._folder = _text(top, "DW_AT_comp_dir")
        self._lines = sorted(self._rows(), key=itemgetter(0))
        self._functions = [die for die in islice(top.iter_children(), _MAX_ENTRIES) if die.tag == "DW_TAG_subprogram"]

    def at(self, address: int) -> SourceLine:
        index = bisect_right(self._lines, address, key=itemgetter(0)) - 1
        source = None
        if index >= 0 and self._lines[index][1]:
            _, line, name = self._lines[index]
            source = f"{name}:{line}"
        return SourceLine(source, tuple(reversed(list(self._inlined(address)))))

    def _rows(self) -> Iterator[tuple[int, int, str]]:
        """Yield the address, the line and the file of each row of the line table. Line 0 ends a sequence."""
        program = self._dwarf.line_program_for_CU(self._unit)
        if program is None or program["unit_length"] > _MAX_LINES:
            return
        names: dict[int, str] = {}
        for entry in program.get_entries():
            state = entry.state
            if state is None:
                continue
            if state.file not in names:
                names[state.file] = self._file_name(program, state.file)
            yield state.address, 0 if state.end_sequence else state.line, names[state.file]

    def _file_name(self, program: Any, index: int) -> str:  # noqa: ANN401  pyelftools' own type
        old = program["version"] < 5
        entry = program["file_entry"][index - old]
        folders = [folder.decode("utf-8", "replace") for folder in program["include_directory"]]
        folder = folders[entry.dir_index - old] if entry.dir_index >= old and folders else ""
        path = PurePosixPath(self._folder, folder, entry.name.decode("utf-8", "replace"))
        if self._folder and path.is_relative_to(self._folder):
            return str(path.relative_to(self._folder))
        return BUILD_FOLDER.sub("", str(path))

    def _inlined(self, address: int) -> Iterator[str]:
        """Yield the functions that are inlined at an address, the outermost first."""
        die = next((one for one in self._functions if self._contains(one, address)), None)
        for _ in range(_MAX_DEPTH):
            if die is None:
                return
            die = next(
                (child for child in islice(die.iter_children(), _MAX_ENTRIES) if self._contains(child, address)), None
            )
            if die is not None and die.tag == "DW_TAG_inlined_subroutine":
                yield _text(die.get_DIE_from_attribute("DW_AT_abstract_origin"), "DW_AT_name")

    def _contains(self, die: Any, address: int) -> bool:  # noqa: ANN401
        if die.tag not in ("DW_TAG_subprogram", "DW_TAG_inlined_subroutine", "DW_TAG_lexical_block"):
            return False
        low, high = die.attributes.get("DW_AT_low_pc"), die.attributes.get("DW_AT_high_pc")
        if low is not None and high is not None:
            end = high.value if high.form == "DW_FORM_addr" else low.value + high.value
            return bool(low.value <= address < end)
        ranges = die.attributes.get("DW_AT_ranges")
        return ranges is not None and any(start <= address < end for start, end in self._ranges(ranges.value))

    def _ranges(self, offset: int) -> Iterator[tuple[int, int]]:
        base = self._low
        lists: Any = self._dwarf.range_lists()
        for entry in lists.get_range_list_at_offset(offset, self._unit) if lists else ():
            if hasattr(entry, "base_address"):
                base = entry.base_address
            elif entry.is_absolute:
                yield entry.begin_offset, entry.end_offset
            else:
                yield base + entry.begin_offset, base + entry.end_offset


def _number(die: Any, name: str) -> int | None:  # noqa: ANN401
    attribute = die.attributes.get(name)
    return attribute.value if attribute is not None and isinstance(attribute.value, int) else None


def _text(die: Any, name: str) -> str:  # noqa: ANN401
    attribute = die.attributes.get(name)
    return attribute.value.decode("utf-8", "replace") if attribute is not None else ""
