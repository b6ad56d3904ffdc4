"""A kernel file as bytes, read piece by piece, and searches that read no byte twice."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Iterator

from pvhdbg.errors import UserError

DAMAGED_FILE = "copy the file again: it is damaged or incomplete"
"""The hint for a file that is truncated or inconsistent."""

_BLOCK = 4096
_MOST_BLOCKS = 512
_WINDOW = 1 << 20
_ZEROS = bytes(1 << 16)


class File:
    """A file that can be sliced like bytes. The caller closes it.

    Unlike a memory-mapped file, its pages do not count as memory of this process, and it can become shorter while it is
    read: then it gives fewer bytes, where a mapped file would end the process with SIGBUS.
    """

    def __init__(self, path: str, descriptor: int) -> None:
        self._path = path
        self._descriptor = descriptor
        status = os.fstat(descriptor)
        self._size = status.st_size
        self.version = _version(status)
        self._blocks: dict[int, bytes] = {}

    def __len__(self) -> int:
        return self._size

    def __getitem__(self, key: slice) -> bytes:
        """:raise UserError: if the bytes can't be read."""
        start, stop, _ = key.indices(self._size)
        if stop - start > _BLOCK:
            return self._read(start, stop)
        offset = start % _BLOCK
        end = offset + max(stop - start, 0)
        block = self._block(start - offset)
        if end > _BLOCK and len(block) == _BLOCK:  # it is shorter if the file became shorter
            block += self._block(start - offset + _BLOCK)
        return block[offset:end]

    def _block(self, start: int) -> bytes:
        """Return the block at an offset. Small reads are often near earlier ones: headers, names, notes."""
        if (block := self._blocks.get(start)) is None:
            if len(self._blocks) >= _MOST_BLOCKS:
                self._blocks.clear()
            block = self._blocks[start] = self._read(start, min(start + _BLOCK, self._size))
        return block

    def has_changed(self) -> bool:
        """Return whether the file was written to since it was opened."""
        return _version(os.fstat(self._descriptor)) != self.version

    def close(self) -> None:
        os.close(self._descriptor)

    def _read(self, start: int, stop: int) -> bytes:
        try:
            return os.pread(self._descriptor, max(stop - start, 0), start)
        except OSError as error:
            raise UserError(f"{self._path}: {error.strerror}") from error


Buffer = bytes | File


def _version(status: os.stat_result) -> str:
    """Return what changes when a file is written to: its size and the times of its last changes."""
    return f"{status.st_size:x}-{status.st_mtime_ns:x}-{status.st_ctime_ns:x}"


def open_file(path: str) -> File:
    """Open a file to read it.

    :raise UserError: if the file can't be read, is empty, or is not a regular file.
    """
    try:
        # Without O_NONBLOCK, opening a FIFO blocks until a process opens it for writing.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        raise UserError(f"{path}: {error.strerror}") from error
    except ValueError as error:  # the message about a null byte depends on Python's version
        raise UserError(f"{path}: {'null byte in the path' if chr(0) in path else error}") from error
    try:
        _check_regular(descriptor, path)
        return File(path, descriptor)
    except BaseException:
        os.close(descriptor)
        raise


def _check_regular(descriptor: int, path: str) -> None:
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode):
        raise UserError(f"{path}: not a regular file")
    if status.st_size == 0:
        raise UserError(f"{path}: is empty")


def number_at(data: Buffer, offset: int, size: int) -> int:
    """Return the little-endian number at an offset."""
    return int.from_bytes(data[offset : offset + size], "little")


def occurrences(data: Buffer, pattern: bytes, start: int, end: int) -> Iterator[int]:
    """Yield each offset in a range at which `pattern` begins, including overlapping occurrences."""
    start, end = min(start, len(data)), min(end, len(data))
    if isinstance(data, bytes):
        yield from _found(data, pattern, start, end)
        return
    for first in range(start, end, _WINDOW):
        window = data[first : min(first + _WINDOW + len(pattern) - 1, end)]
        yield from (first + offset for offset in _found(window, pattern, 0, len(window)))


def _found(data: bytes, pattern: bytes, start: int, end: int) -> Iterator[int]:
    while (start := data.find(pattern, start, end)) >= 0:
        yield start
        start += 1


def merged(ranges: Iterable[tuple[int, int]], end: int, limit: int) -> list[tuple[int, int]]:
    """Return ranges of offsets sorted, merged and truncated: nothing after `end`, and at most `limit` bytes in total.

    The headers of a hostile file can refer to the same bytes thousands of times. A search then reads each byte once.
    """
    result: list[tuple[int, int]] = []
    for first, last in sorted((first, min(last, end)) for first, last in ranges):
        if result and first < result[-1][1]:
            result[-1] = result[-1][0], max(result[-1][1], last)
        elif first < last:
            result.append((first, last))
    return list(_within(limit, result))


def total(ranges: Iterable[tuple[int, int]]) -> int:
    """Return the sum of the sizes in bytes of ranges of offsets or addresses."""
    return sum(end - start for start, end in ranges)


def _within(limit: int, ranges: list[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    for first, last in ranges:
        if limit <= 0:
            return
        yield first, min(last, first + limit)
        limit -= last - first


def end_of_zeros(data: Buffer, start: int, end: int) -> int:
    """Return the offset of the first byte in a range that is not 0; `end` if all bytes are 0."""
    end = min(end, len(data))
    while start < end:
        block = data[start : min(start + len(_ZEROS), end)]
        # Comparing blocks is twenty times as fast as checking each byte.
        if block != _ZEROS[: len(block)]:
            return start + len(block) - len(block.lstrip(b"\0"))
        start += max(len(block), 1)
    return end
