"""Ramdisks that Linux can use, made by real programs, and files that are none."""

from __future__ import annotations

import bz2
import gzip
import lzma
from pathlib import Path

import pytest
import zstandard

from pvhdbg import guest
from pvhdbg.abi import ramdisk
from tests import cpio

ARCHIVE = cpio.archive([("init", b"#!/bin/sh\n")])
HEAD = 2048


@pytest.mark.parametrize(
    "content",
    [
        ARCHIVE,
        bytes(512) + ARCHIVE,
        gzip.compress(ARCHIVE),
        bz2.compress(ARCHIVE),
        lzma.compress(ARCHIVE),
        lzma.compress(ARCHIVE, lzma.FORMAT_ALONE),
        zstandard.compress(ARCHIVE),
        b"hsqs" + bytes(1000),
        bytes(1080) + b"\x53\xef" + bytes(1000),
        bytes(HEAD),
    ],
    ids=["cpio", "zeros-cpio", "gzip", "bzip2", "xz", "lzma", "zstd", "squashfs", "ext2", "zeros"],
)
def test_a_ramdisk_that_linux_can_use_has_no_defect(content: bytes) -> None:
    assert None is ramdisk.defect(content[:HEAD])


@pytest.mark.parametrize(
    ("content", "defect"),
    [
        (guest.ELF.read_bytes(), ramdisk.ELF),
        (Path("/etc/passwd").read_bytes(), "a text"),
        (b"070707" + bytes(100), "in an unknown format"),
        (bytes(1079) + b"\x53\xef", "in an unknown format"),
        (bytes(7) + gzip.compress(ARCHIVE), "in an unknown format"),
    ],
    ids=["elf", "text", "old-cpio", "no-ext2", "zeros-gzip"],
)
def test_a_file_that_linux_cannot_use_is_named(content: bytes, defect: str) -> None:
    assert defect == ramdisk.defect(content[:HEAD])
