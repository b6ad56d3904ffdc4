"""Build cpio archives in the "newc" format (Linux Documentation/driver-api/early-userspace/buffer-format.rst)."""

from collections.abc import Iterable

EXECUTABLE, FOLDER = 0o100755, 0o40755


def archive(files: Iterable[tuple[str, bytes]], folders: Iterable[str] = ()) -> bytes:
    """Return an archive of folders and regular files with mode 0755."""
    members = [*((name, FOLDER, b"") for name in folders), *((name, EXECUTABLE, content) for name, content in files)]
    entries = [_entry(inode, *member) for inode, member in enumerate(members, start=1)]
    return b"".join([*entries, _entry(0, "TRAILER!!!", 0, b"")])


def _entry(inode: int, name: str, mode: int, content: bytes) -> bytes:
    path = name.encode() + b"\0"
    # ino mode uid gid nlink mtime filesize maj min rmaj rmin namesize check
    numbers = (inode, mode, 0, 0, 1, 0, len(content), 0, 0, 0, 0, len(path), 0)
    header = b"070701" + b"".join(b"%08x" % number for number in numbers)
    return _padded(header + path) + _padded(content)


def _padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % 4)
