"""Ramdisks that Linux can use, made by real programs, and files that are not ramdisks."""

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
        (Path("/etc/passwd").read_bytes(), "a text file"),
        (b"070707" + bytes(100), "in an unknown format"),
        (bytes(1079) + b"\x53\xef", "in an unknown format"),
        (bytes(7) + gzip.compress(ARCHIVE), "in an unknown format"),
    ],
    ids=["elf", "text", "old-cpio", "no-ext2", "zeros-gzip"],
)
def test_what_a_file_that_linux_cannot_use_is_instead(content: bytes, defect: str) -> None:
    assert defect == ramdisk.defect(content[:HEAD])


@pytest.mark.parametrize(
    "head",
    [
        *("1f9e", "894c5a4f", "02214c18", "303730373032", "00303730373031"),
        *("453dcd28", f"{'00' * 512}453dcd28", b"-rom1fs-".hex(), f"{'00' * 1040}7f13", f"{'00' * 1040}8f13"),
    ],
)
def test_each_format_is_known_by_its_whole_magic_number_at_its_offset(head: str) -> None:
    data = bytes.fromhex(head)
    others = data[:-1] + bytes([data[-1] ^ 1]), b"\x80" + data, data[:-1]

    assert None is ramdisk.defect(data + b"\x80")
    for other in others:
        assert "in an unknown format" == ramdisk.defect(other + b"\x80")


@pytest.mark.parametrize("byte", range(256))
def test_a_text_file_begins_with_64_printable_characters_or_white_space(byte: int) -> None:
    is_text = 0x20 <= byte < 0x7F or chr(byte) in "\t\n\r"

    assert ("a text file" if is_text else "in an unknown format") == ramdisk.defect(b"a" * 63 + bytes([byte]))
    assert "a text file" == ramdisk.defect(b"a" * 64 + bytes([byte]))
