"""What the first bytes of a ramdisk say about its format.

Sources: Linux Documentation/driver-api/early-userspace/buffer-format.rst; lib/decompress.c; init/do_mounts_rd.c,
identify_ramdisk_image.
"""

from __future__ import annotations

ELF = "an ELF file"
_ARCHIVES = (b"070701", b"070702")
_COMPRESSED = {
    b"\x1f\x8b": "gzip",
    b"\x1f\x9e": "gzip",  # an old form
    b"BZh": "bzip2",
    b"\x5d\x00\x00": "lzma",
    b"\xfd7zXZ\x00": "xz",
    b"\x89LZO": "lzo",
    b"\x02\x21\x4c\x18": "lz4",  # the legacy format
    b"\x28\xb5\x2f\xfd": "zstd",
}
_FILE_SYSTEMS = (
    (0, b"hsqs", "squashfs"),
    (0, b"\x45\x3d\xcd\x28", "cramfs"),
    (512, b"\x45\x3d\xcd\x28", "cramfs"),
    (0, b"-rom1fs-", "romfs"),
    (1040, b"\x7f\x13", "minix"),
    (1040, b"\x8f\x13", "minix"),
    (1080, b"\x53\xef", "ext2"),
)
_TEXT = frozenset((9, 10, 13, *range(0x20, 0x7F)))
_SHOWN = 64


def defect(head: bytes) -> str | None:
    """Return what a module is, if it is not a ramdisk that Linux can use; None if it is one.

    `head` has the first 2 KiB, or all of a shorter module. Linux skips zeros before an archive.
    """
    if _usable(head) is not None:
        return None
    if head.startswith(b"\x7fELF"):
        return ELF
    return "a text file" if set(head[:_SHOWN]) <= _TEXT else "in an unknown format"


def kind(head: bytes) -> str:
    """Return what a module is: `a cpio archive`, `compressed with gzip`, `an ELF file`."""
    return _usable(head) or defect(head) or ""


def _usable(head: bytes) -> str | None:
    """Return the kind of a ramdisk that Linux can use, otherwise None."""
    rest = head.lstrip(b"\0")
    if not rest:
        return "zeros"
    if rest.startswith(_ARCHIVES):
        return "a cpio archive"
    compressed = next((name for magic, name in _COMPRESSED.items() if head.startswith(magic)), None)
    if compressed:
        return f"compressed with {compressed}"
    system = next((name for offset, magic, name in _FILE_SYSTEMS if head[offset:].startswith(magic)), None)
    return system and f"a file system, {system}"
