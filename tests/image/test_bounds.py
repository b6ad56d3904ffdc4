"""Examining any file of at most 64 MiB takes at most 2 s of CPU time and 200 MiB, and omitted parts are reported."""

from __future__ import annotations

import bz2
import json
import lzma
import random
import subprocess
import sys
import zlib
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import NamedTuple, Protocol

import pytest
import zstandard

from tests.image.builder import PT_NOTE, Segment, bzimage, elf, load, note, notes
from tests.image.hostile import HOSTILE, MIB
from tests.image.packers import LZ4_BLOCK, LZ4_MAGIC, lz4_part

CPU_SECONDS, MEMORY = 2.0, 200 * MIB
YARDSTICK, YARDSTICK_SECONDS = "sum(i * i for i in range(3_000_000))", 0.16
"""A computer on which this takes longer is slow, and gets more CPU time in proportion."""
LARGEST = 64 * MIB

PREFLIGHT = """
import sys
from pathlib import Path
from pvhdbg.boot.stop.kernel_probe import SymbolsAndStrings
from pvhdbg.image.load import open_kernel
from pvhdbg.image.preflight import preflight_file
kernel = open_kernel(sys.argv[1], Path(sys.argv[2]))
SymbolsAndStrings(kernel.symbols, kernel.facts).prefetch()
print(*(verdict.slug for verdict in preflight_file(kernel.facts, symbols=kernel.symbols).verdicts))
"""
SEARCHED = (
    "segments that share a false banner",
    "small segments with false banners",
    "names that match at odd offsets",
    "a million names with the same tail",
    "a million local symbols for every name",
    "every name a hundred thousand times",
    "symbol names of 50 mib",
    "65535 random headers of each kind",
    "everything at once",
)
"""The files with many symbols or load segments. Before a boot, only these take longer to search than in `inspect`."""

CUT = {
    "zeros scanned 60000 times": {"elf.program_headers", "kernel.notes"},
    "section names of 32 mib": {"elf.sections"},
    "80 section names of 4 mib": {"elf.sections"},
    "segments that share a million notes": {"elf.program_headers", "kernel.notes"},
    "sections that share a million notes": {"elf.sections", "kernel.notes"},
    "a configuration of a million options": {"config"},
    "names that match at odd offsets": {"symbols"},
    "symbol names of 50 mib": {"symbols"},
    "gzip bombs as configuration": set[str](),
}
"""The keys of `missing` in the JSON for some of the files."""


MEASURE = """
import json, os, resource, subprocess, sys
done = subprocess.run(sys.argv[1:], stdin=subprocess.DEVNULL, capture_output=True, text=True)
usage = resource.getrusage(resource.RUSAGE_CHILDREN)
cpu, memory = usage.ru_utime + usage.ru_stime, usage.ru_maxrss << 10
json.dump([done.returncode, done.stdout, done.stderr, cpu, memory], sys.stdout)
"""


class Used(NamedTuple):
    """A finished process: its exit status, output, CPU time in seconds, and peak memory in bytes."""

    status: int
    out: str
    err: str
    cpu: float
    memory: int


def use(*words: str | Path) -> Used:
    """Run Python with these arguments. If it exceeds a limit, repeat it once, because other tests may slow it down."""
    first = _use_once(*words)
    return first if within_limits(first) else min(first, _use_once(*words), key=lambda used: used.cpu)


@cache
def cpu_limit() -> float:
    """Return the CPU time in seconds that a file may take on this computer, when it was measured first."""
    return cpu_limit_now()


def cpu_limit_now() -> float:
    """Return the CPU time in seconds that a file may take now: other tests slow the computer down."""
    yardstick = min(_use_once("-c", YARDSTICK).cpu for _ in range(3))
    return CPU_SECONDS * max(1.0, yardstick / YARDSTICK_SECONDS)


def _use_once(*words: str | Path) -> Used:
    # A small process starts it, because Linux adds the memory of the forking process (pytest) to that of the program.
    call = [sys.executable, "-c", MEASURE, sys.executable, *words]
    return Used(*json.loads(subprocess.run(call, check=True, capture_output=True).stdout))


def within_limits(used: Used) -> bool:
    return used.memory <= MEMORY and (used.cpu <= cpu_limit() or used.cpu <= cpu_limit_now())


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_elf_file_is_examined_within_the_limits(name: str, tmp_path: Path) -> None:
    path = tmp_path / "kernel"
    path.write_bytes(HOSTILE[name]())
    assert path.stat().st_size <= LARGEST
    inspect = use("-m", "pvhdbg", "inspect", "--format", "json", path)

    assert within_limits(inspect), inspect
    assert (True, "") == (inspect.status in (0, 1), inspect.err)
    missing = json.loads(inspect.out).get("missing", {})
    assert CUT.get(name, missing.keys()) == missing.keys()
    if name in SEARCHED:
        preflight = use("-c", PREFLIGHT, path, tmp_path)

        assert within_limits(preflight), preflight
        assert (0, "") == (preflight.status, preflight.err)


@pytest.mark.parametrize("name", ["80 section names of 4 mib", "segments that share a million notes"])
def test_the_text_says_what_was_left_out(name: str, tmp_path: Path) -> None:
    path = tmp_path / "kernel"
    path.write_bytes(HOSTILE[name]())
    text = use("-m", "pvhdbg", "inspect", path)
    missing = json.loads(use("-m", "pvhdbg", "inspect", "--format", "json", path).out)["missing"]

    assert within_limits(text), text
    assert [True] * len(CUT[name]) == [f"  {line}\n" in text.out for line in missing.values()]


class Compressor(Protocol):
    """A compressor of the standard library or of zstandard."""

    def compress(self, data: bytes, /) -> bytes: ...

    def flush(self) -> bytes: ...


HEAD = elf([load(), notes(note())])
BOMB = 256 * MIB
EMPTY_NOTES = elf([load(), Segment(PT_NOTE, b"", offset=0x2000, filesz=500 * MIB)])


def zeros(compressor: Compressor, head: bytes = HEAD, size: int = BOMB) -> tuple[bytes, int]:
    """Return a compressed ELF file that unpacks to nearly all zeros, and its unpacked size."""
    first, block = head.ljust(MIB, b"\0"), bytes(MIB)
    rest = (compressor.compress(block) for _ in range(size // MIB - 1))
    return b"".join([compressor.compress(first), *rest, compressor.flush()]), size


def noise(pack: Callable[[bytes], bytes], size: int = 60 * MIB) -> tuple[bytes, int]:
    """Return a compressed ELF file with random data, and its unpacked size."""
    data = HEAD + random.Random(0).randbytes(size)
    return pack(data), len(data)


@cache
def xz_dictionary() -> tuple[bytes, int]:
    """Return zeros with a dictionary of 128 MiB. Two tests need them, and xz needs seconds for them."""
    return zeros(lzma.LZMACompressor(filters=[{"id": lzma.FILTER_LZMA2, "preset": 0, "dict_size": 128 * MIB}]))


def lz4_zeros() -> tuple[bytes, int]:
    first, rest = lz4_part(HEAD.ljust(LZ4_BLOCK, b"\0")), lz4_part(bytes(LZ4_BLOCK))
    return LZ4_MAGIC + first + rest * (BOMB // LZ4_BLOCK - 1), BOMB


def lz4_empty() -> tuple[bytes, int]:
    return LZ4_MAGIC + lz4_part(HEAD.ljust(LZ4_BLOCK, b"\0")) + lz4_part(b"") * 12_000_000, BOMB


def zstd_window() -> Compressor:
    parameters = zstandard.ZstdCompressionParameters(window_log=27)
    return zstandard.ZstdCompressor(compression_params=parameters).compressobj()


def gzip_raw() -> Compressor:
    return zlib.compressobj(1, wbits=31, strategy=zlib.Z_HUFFMAN_ONLY)


def lzma_raw(data: bytes) -> bytes:
    """Return LZMA data. With a small dictionary, noise is packed in a third of the time; unpacking it takes as long."""
    return lzma.compress(data, lzma.FORMAT_ALONE, filters=[{"id": lzma.FILTER_LZMA1, "preset": 0, "dict_size": 4096}])


BOMBS: dict[str, Callable[[], tuple[bytes, int]]] = {
    "gzip": lambda: zeros(zlib.compressobj(1, wbits=31)),
    "bzip2": lambda: zeros(bz2.BZ2Compressor(1)),
    "lzma": lambda: zeros(lzma.LZMACompressor(lzma.FORMAT_ALONE, preset=0)),
    "xz with a dictionary of 128 MiB": xz_dictionary,
    "zstd": lambda: zeros(zstandard.ZstdCompressor(level=1, write_content_size=False).compressobj()),
    "zstd with a window of 128 MiB": lambda: zeros(zstd_window()),
    "zstd of 512 MiB of empty notes": lambda: zeros(zstd_window(), EMPTY_NOTES, 512 * MIB),
    "lz4": lz4_zeros,
    "lz4 with 12 million empty blocks": lz4_empty,
    "gzip of noise": lambda: noise(lambda data: gzip_raw().compress(data)),
    "bzip2 of noise": lambda: noise(lambda data: bz2.compress(data, 1), 20 * MIB),
    "lzma of noise": lambda: noise(lzma_raw, 20 * MIB),
    "a hostile ELF file": lambda: nested(HOSTILE["everything at once"]()),
}


def nested(data: bytes) -> tuple[bytes, int]:
    return zstandard.ZstdCompressor(level=1).compress(data), len(data)


@pytest.mark.parametrize("name", BOMBS)
def test_a_bzimage_with_a_hostile_payload_is_examined_or_refused_within_the_limits(name: str, tmp_path: Path) -> None:
    path = tmp_path / "vmlinuz"
    path.write_bytes(bzimage(*BOMBS[name]()))
    assert path.stat().st_size <= LARGEST
    used = use("-m", "pvhdbg", "inspect", path)

    assert within_limits(used), used
    # An error has one line and a hint.
    assert used.status in (0, 1) or (2, 2) == (used.status, used.err.count("\n"))
    assert (used.status == 2) == used.err.startswith(f"pvhdbg: error: {path}: ")


@pytest.mark.parametrize(
    "name",
    ["gzip", "xz with a dictionary of 128 MiB", "zstd of 512 MiB of empty notes", "lz4 with 12 million empty blocks"],
)
def test_a_hostile_compressed_file_is_examined_or_refused_within_the_limits(name: str, tmp_path: Path) -> None:
    path = tmp_path / "vmlinux.packed"
    path.write_bytes(BOMBS[name]()[0])
    used = use("-m", "pvhdbg", "inspect", path)

    assert within_limits(used), used
    assert used.status in (0, 1) or (2, 2) == (used.status, used.err.count("\n"))
