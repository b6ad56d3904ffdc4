import os
import random
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from pvhdbg.errors import UserError
from pvhdbg.image.facts import parse_facts
from pvhdbg.image.file import File, end_of_zeros, merged, occurrences, open_file
from tests.image.crafted import GOOD

WINDOW = 1 << 20


@pytest.fixture
def folder(tmp_path: Path) -> Iterator["Opener"]:
    opener = Opener(tmp_path / "file")
    yield opener
    for file in opener.open:
        file.close()


class Opener:
    """Write bytes to a file and open it. The fixture closes it after the test."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.open: list[File] = []

    def __call__(self, data: bytes) -> File:
        self.path.write_bytes(data)
        self.open.append(open_file(str(self.path)))
        return self.open[-1]


def test_slices_are_those_of_the_bytes(folder: Opener) -> None:
    random_ = random.Random(0)
    data = random_.randbytes(20_000)
    file = folder(data)
    edges = [0, 1, 4095, 4096, 4097, 8192, 19_999, 20_000, 20_001, 1 << 63, 1 << 64]
    slices = [slice(random_.choice(edges), random_.choice([*edges, None])) for _ in range(500)]
    slices += [slice(start := random_.randrange(20_000), start + random_.choice([0, 4, 12, 5000])) for _ in range(500)]

    assert len(data) == len(file)
    assert [] == [part for part in slices if file[part] != data[part]]


def test_a_file_that_becomes_shorter_gives_fewer_bytes(folder: Opener) -> None:
    file = folder(GOOD)
    os.truncate(folder.path, 100)

    assert GOOD[64:100] == file[64:1000]
    with pytest.raises(UserError, match="before the end of the program headers"):
        parse_facts(file, "kernel")


def test_a_read_error_is_one_line(folder: Opener, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> bytes:
        raise OSError(5, "Input/output error")

    file = folder(b"x")
    monkeypatch.setattr(os, "pread", fail)

    with pytest.raises(UserError, match="file: Input/output error"):
        file[:1]


@pytest.mark.parametrize("path", ["\0", "a\0b"])
def test_a_path_with_a_nul_is_an_error(path: str) -> None:
    with pytest.raises(UserError, match=r": null byte in the path$"):
        open_file(path)


def test_no_descriptor_is_left_open(tmp_path: Path) -> None:
    (tmp_path / "empty").touch()
    before = len(list(Path("/proc/self/fd").iterdir()))
    for name in (".", "empty", "missing"):
        with pytest.raises(UserError):
            open_file(str(tmp_path / name))
    (tmp_path / "file").write_bytes(b"x")
    with closing(open_file(str(tmp_path / "file"))):
        pass

    assert before == len(list(Path("/proc/self/fd").iterdir()))


@pytest.mark.parametrize("place", [0, WINDOW - 4, WINDOW - 1, WINDOW, 2 * WINDOW - 2, 3 * WINDOW - 4])
def test_a_pattern_is_found_across_the_pieces_that_are_read(place: int, folder: Opener) -> None:
    data = bytearray(3 * WINDOW)
    data[place : place + 4] = b"abab"
    file = folder(bytes(data))

    assert [place, place + 2] == [*occurrences(file, b"ab", 0, len(data))]
    assert [place] == [*occurrences(file, b"ab", 0, place + 3)]
    assert [place + 2] == [*occurrences(file, b"ab", place + 1, 1 << 64)]
    assert [place, place + 2] == [*occurrences(bytes(data), b"ab", 0, 1 << 64)]


def test_merged_ranges_cover_the_same_bytes_once() -> None:
    random_ = random.Random(0)
    for _ in range(300):
        ranges = [(start := random_.randrange(40), start + random_.randrange(12)) for _ in range(random_.randrange(8))]
        end = random_.randrange(60)
        result = merged(ranges, end, 1000)
        covered = {offset for start, last in ranges for offset in range(start, min(last, end))}

        assert covered == {offset for start, last in result for offset in range(start, last)}
        assert all(start < last for start, last in result)
        assert len(covered) == sum(last - start for start, last in result)
        limited = merged(ranges, end, 7)
        assert min(7, len(covered)) == sum(last - start for start, last in limited)


@pytest.mark.parametrize("place", [0, 1, 65_535, 65_536, 65_537, 200_000])
def test_the_first_byte_that_is_not_zero_is_found(place: int, folder: Opener) -> None:
    data = bytes(place) + b"\1" + bytes(10)
    file = folder(data)

    assert [place] * 3 == [end_of_zeros(part, 0, len(data)) for part in (data, file, bytes(data))]
    assert place == end_of_zeros(file, place // 2, 1 << 64)
    assert (place + 11, place + 4) == (end_of_zeros(file, place + 1, 1 << 64), end_of_zeros(file, place + 1, place + 4))
