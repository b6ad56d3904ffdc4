"""Write a copy of an ELF file with only what a loader needs: without its section headers and debug information."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

from pvhdbg.errors import MachineError
from pvhdbg.image.file import open_file
from pvhdbg.image.header import CLASS64, read_elf

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_E_SHOFF = {False: (0x20, 0x24), True: (0x28, 0x30)}
_E_SHENTSIZE_TO_E_SHSTRNDX = {False: (0x2E, 0x34), True: (0x3A, 0x40)}
"""Where the fields that locate the section headers are in an Elf32_Ehdr and an Elf64_Ehdr. Source: <elf.h>."""

_PIECE = 1 << 20


def write_loaded_part(path: str, to: Path) -> None:
    """Write the part of the ELF file `path` that its program headers refer to.

    :raise UserError: if the file can't be read, or is not a little-endian ELF file.
    :raise MachineError: if the copy can't be written.
    """
    with closing(open_file(path)) as data:
        elf = read_elf(data, path)
        is_64bit = elf.elf_class == CLASS64
        size = max((segment.offset + segment.filesz for segment in elf.segments), default=0)
        head = bytearray(data[: 0x40 if is_64bit else 0x34])
        for start, end in (_E_SHOFF[is_64bit], _E_SHENTSIZE_TO_E_SHSTRNDX[is_64bit]):
            head[start:end] = bytes(end - start)
        try:
            with to.open("wb") as copy:
                copy.write(head)
                for start, length in _pieces(len(head), min(size, len(data))):
                    copy.write(data[start : start + length])
        except OSError as error:
            raise MachineError(f"can't write {to}: {error.strerror}") from error


def _pieces(start: int, end: int) -> Iterator[tuple[int, int]]:
    for at in range(start, end, _PIECE):
        yield at, min(_PIECE, end - at)
