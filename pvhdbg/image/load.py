"""A kernel file as a user names it, whatever it is: its facts and its symbols."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import NamedTuple

from pvhdbg.errors import UserError
from pvhdbg.image.facts import ImageFacts, build_id, read_facts
from pvhdbg.image.header import MAGIC, Buffer, map_file, read_elf
from pvhdbg.image.symbols import Symbols

_WANTED = "KERNEL is an ELF file (32 or 64 bit, any PVH guest) or a Linux bzImage"
_UNPACK = "unpack it first; " + _WANTED

# What people hand over instead of a kernel, by the bytes at an offset.
_KNOWN = (
    (4, b"zimg", "an EFI zboot image, which no x86 kernel is", _WANTED),
    (0, b"MZ", "an EFI application", "of a unified kernel image: objcopy -O binary --only-section=.linux UKI KERNEL"),
    (0, b"\x1f\x8b", "a gzip file", _UNPACK),
    (0, b"BZh", "a bzip2 file", _UNPACK),
    (0, b"\xfd7zXZ\0", "an xz file", _UNPACK),
    (0, b"\x28\xb5\x2f\xfd", "a zstd file", _UNPACK),
    (0, b"\x02\x21\x4c\x18", "an LZ4 file", _UNPACK),
    (0, b"\x04\x22\x4d\x18", "an LZ4 file", _UNPACK),
    (0, b"PK\3\4", "a zip file", _UNPACK),
    (0, b"!<arch>\n", "an archive, such as a .deb", _UNPACK),
    (0, b"070701", "a cpio archive", "an initrd goes after -i; " + _WANTED),
    (0, b"QFI\xfb", "a qcow2 disk image", _WANTED),
    (0x1FE, b"\x55\xaa", "a boot sector or disk image", _WANTED),
    (0, b"{", "text, perhaps a recording", "`pvhdbg show FILE` shows a recording; " + _WANTED),
    (0, b"#!", "a script", _WANTED),
)


_STRIPPED = "no symbols in this Linux: --symbols FILE, a debug vmlinux of the same build, gives the stages after entry"


class Kernel(NamedTuple):
    """A kernel file that was opened. `symbols_note` is a line for the user where --symbols was of no use."""

    facts: ImageFacts
    symbols: Symbols
    symbols_note: str | None

    @property
    def note(self) -> str | None:
        """What there is to say of the symbols of a Linux without any, or of --symbols."""
        return self.symbols_note or (_STRIPPED if self.facts.release and not len(self.symbols) else None)


def open_kernel(path: str, folder: Path, symbols_path: str | None = None) -> Kernel:
    """Open an ELF file or a bzImage, which is unpacked into `folder`: that must outlive the kernel's use.

    The symbols are the file's own, or those of `symbols_path` if that has the same build-id.

    :raise UserError: if a file can't be read, is damaged, or is something else.
    :raise GuestError: if it is a kernel without PVH for sure: big-endian, or from before boot protocol 2.08.
    :raise MachineError: if the unpacked kernel can't be written.
    """
    facts = _read(path, folder)
    if symbols_path is None:
        return Kernel(facts, Symbols(facts.elf), None)
    symbols = Symbols(symbols_path)
    note = _unusable(facts, symbols, symbols_path)
    if note is None:
        return Kernel(facts, symbols, None)
    symbols.close()
    return Kernel(facts, Symbols(facts.elf), f"--symbols {symbols_path} is not used: {note}")


def describe(data: Buffer) -> tuple[str, str]:
    """What a file that is no kernel is by its first bytes, and a hint."""
    for offset, magic, name, hint in _KNOWN:
        if data[offset : offset + len(magic)] == magic:
            return name, hint
    return "neither an ELF file nor a bzImage", _WANTED


def _read(path: str, folder: Path) -> ImageFacts:
    with closing(map_file(path)) as data:
        is_elf = data[:4] == MAGIC
        if not is_elf:
            _refuse_others(data, path)
    if is_elf:
        return read_facts(path)
    from pvhdbg.image.bzimage import unpack

    return read_facts(path, elf=str(unpack(path, folder)), kind="bzimage")


def _refuse_others(data: Buffer, path: str) -> None:
    from pvhdbg.image.bzimage import is_bzimage

    if not is_bzimage(data):
        name, hint = describe(data)
        raise UserError(f"{path}: {name}", hint)


def _unusable(facts: ImageFacts, symbols: Symbols, symbols_path: str) -> str | None:
    with closing(map_file(symbols_path)) as data:
        theirs = build_id(read_elf(data, symbols_path))
    if theirs is None or facts.build_id is None:
        return f"{'it' if theirs is None else 'the kernel'} has no build-id to compare"
    if theirs != facts.build_id:
        return f"its build-id is {theirs}, the kernel's {facts.build_id}"
    return None if len(symbols) else "it has no symbol table"
