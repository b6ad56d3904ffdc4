"""Open the kernel file that a user names and return its facts and its symbols.

It is an ELF file, a compressed ELF file or a bzImage.
"""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

from pvhdbg.errors import UserError
from pvhdbg.image.debug_info.symbols import Symbols
from pvhdbg.image.facts import ImageFacts, build_id, read_facts, with_guest
from pvhdbg.image.file import Buffer, open_file
from pvhdbg.image.header import MAGIC, read_elf
from pvhdbg.named_tuple import NamedTuple

_FORMATS = "an ELF file (32 or 64 bit, any PVH guest; it may be compressed) or a Linux bzImage"
_PASS = f"pass {_FORMATS}"
_UNPACK = f"unpack it first; KERNEL must be {_FORMATS}"
_EXTRACT = "extract the kernel of a unified kernel image: `objcopy -O binary --only-section=.linux UKI KERNEL`"

# Files that users pass by mistake: an offset, the magic bytes at the offset, the name of the format, and a hint.
_KNOWN = (
    (4, b"zimg", "an EFI zboot image, a format that no x86 kernel uses", _PASS),
    (0, b"MZ", "an EFI application", _EXTRACT),
    (0, b"PK\3\4", "a zip file", _UNPACK),
    (0, b"!<arch>\n", "an archive, such as a .deb", _UNPACK),
    (0, b"070701", "a cpio archive", f"pass an initrd with -i; KERNEL must be {_FORMATS}"),
    (0, b"QFI\xfb", "a qcow2 disk image", _PASS),
    (0x1FE, b"\x55\xaa", "a boot sector or disk image", _PASS),
    (0, b"{", "not a kernel file (it looks like a recording)", "use `pvhdbg show FILE`"),
    (0, b"#!", "a script", _PASS),
)

_STRIPPED = "this Linux kernel has no symbols: pass its debug vmlinux with --symbols to get the stages after the entry"


class Kernel(NamedTuple):
    """An opened kernel file. `unused_symbols` is the reason why the file passed with --symbols is not used, or None."""

    facts: ImageFacts
    symbols: Symbols
    unused_symbols: str | None

    @property
    def symbols_remark(self) -> str | None:
        """A remark for the user: --symbols is not used, or symbols are missing; None otherwise."""
        is_stripped = self.facts.release is not None and not len(self.symbols)
        return self.unused_symbols or self.symbols.left_out or (_STRIPPED if is_stripped else None)


def open_kernel(path: str, folder: Path, symbols_path: str | None = None, cache: Path | None = None) -> Kernel:
    """Open an ELF file, a compressed ELF file or a bzImage.

    A compressed file or a bzImage is unpacked into `folder`, which must exist as long as the kernel is used. The
    symbols are those of the kernel file, or those of `symbols_path` if both files have the same build-id. The caller
    closes the symbols. `cache` is the folder for results of symbol searches; None if they are not kept.

    :raise UserError: if a file can't be read, is damaged, or is neither an ELF file nor a bzImage.
    :raise GuestError: if the kernel can't have a PVH entry: it is big-endian, or its boot protocol is older than 2.08.
    :raise MachineError: if the unpacked kernel can't be written.
    """
    facts = _read(path, folder)
    if symbols_path is None:
        return _kernel(facts, Symbols(facts.elf, facts.build_id, None if facts.is_unpacked else cache))
    symbols = Symbols(symbols_path, facts.build_id, cache)
    reason = _mismatch(facts, symbols, symbols_path)
    if reason is None:
        return _kernel(facts, symbols)
    symbols.close()
    return _kernel(facts, Symbols(facts.elf), f"--symbols {symbols_path} is not used: {reason}")


def _kernel(facts: ImageFacts, symbols: Symbols, unused_symbols: str | None = None) -> Kernel:
    return Kernel(with_guest(facts, symbols), symbols, unused_symbols)


def identify(data: Buffer) -> tuple[str, str]:
    """Return the format of a file that is not a kernel, according to its magic bytes, and a hint."""
    for offset, magic, name, hint in _KNOWN:
        if data[offset : offset + len(magic)] == magic:
            return name, hint
    return "neither an ELF file nor a bzImage", _PASS


def _read(path: str, folder: Path) -> ImageFacts:
    with closing(open_file(path)) as data:
        if data[:4] == MAGIC:
            return read_facts(path)
        from pvhdbg.image import bzimage

        is_bzimage = bzimage.is_bzimage(data)
        if not is_bzimage and bzimage.compression(data) is None:
            name, hint = identify(data)
            raise UserError(f"{path}: {name}", hint)
    if is_bzimage:
        return read_facts(path, elf=str(bzimage.unpack(path, folder)), kind="bzimage")
    return read_facts(path, elf=str(bzimage.unpack_file(path, folder)))


def _mismatch(facts: ImageFacts, symbols: Symbols, symbols_path: str) -> str | None:
    """Return why the symbols can't be used for this kernel; None if they can be used."""
    with closing(open_file(symbols_path)) as data:
        symbols_id = build_id(read_elf(data, symbols_path))
    if symbols_id is None or facts.build_id is None:
        return f"{'this file' if symbols_id is None else 'the kernel'} has no build-id to compare"
    if symbols_id != facts.build_id:
        return f"its build-id is {symbols_id}, but the kernel's build-id is {facts.build_id}"
    return None if len(symbols) else "this file has no symbol table"
