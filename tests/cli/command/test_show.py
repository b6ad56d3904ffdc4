"""`pvhdbg show`: recordings of real boots are shown, other files are rejected."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.shell import pvhdbg
from tests.paths import RECORDINGS_DIR


@pytest.mark.parametrize(
    ("name", "first", "last"),
    [
        ("teaching-guest", "teaching-guest.elf", "done: reached e820"),
        ("linux-6.12-q35", "vmlinux-6.12.117+deb12-cloud-amd64", "done: reached e820"),
        ("grub-entry", "grub-i386-xen_pvh.bin", "done: reached entry"),
        (
            "linux-6.1-died",
            "vmlinux-6.1.0-56-cloud-amd64",
            "died: triple fault at 0xffffffff8305a2a8 xen_prepare_pvh+0xa9",
        ),
    ],
)
def test_a_recording_is_shown_from_the_kernel_to_the_outcome(name: str, first: str, last: str) -> None:
    done = pvhdbg("show", RECORDINGS_DIR / f"{name}.json")
    lines = done.out.splitlines()

    assert (0, "", first) == (done.status, done.err, lines[0])
    assert lines[-1].startswith(last)


def test_a_magic_overwritten_by_the_command_line_is_shown_with_the_code_that_died() -> None:
    text = pvhdbg("show", RECORDINGS_DIR / "linux-6.1-died.json").out

    assert "magic           0x336ec500  wrong" in text
    assert "code at rip: 0f 0b" in text


@pytest.mark.parametrize(
    ("content", "error"),
    [
        ("", "not JSON"),
        ("[" * 100_000, "not JSON"),
        (
            '{"format": "pvhdbg", "format_version": 3}',
            "not a pvhdbg recording: format_version is 3, but this pvhdbg supports only 1 and 2",
        ),
        ('{"stops": -1}', 'not a pvhdbg recording: format is not "pvhdbg"'),
    ],
    ids=["empty", "deep", "newer", "other"],
)
def test_a_file_that_is_not_a_recording_is_rejected_in_one_line(tmp_path: Path, content: str, error: str) -> None:
    path = tmp_path / "recording.json"
    path.write_text(content)
    done = pvhdbg("show", path)

    assert (2, "") == (done.status, done.out)
    assert f"pvhdbg: error: {path}: {error}" == done.err.splitlines()[0]


def test_control_characters_in_a_recording_are_escaped(tmp_path: Path) -> None:
    document = json.loads((RECORDINGS_DIR / "linux-6.1-died.json").read_text("utf-8"))
    document["kernel"]["path"] = document["machine"]["qemu"] = "\x1b]0;title\x07"
    document["outcome"]["died"]["symbol"] = document["outcome"]["died"]["how"] = "\x1b[2J\u202e"
    path = tmp_path / "recording.json"
    path.write_text(json.dumps(document))
    done = pvhdbg("show", path)

    assert (0, "") == (done.status, done.err)
    assert [] == [line for line in done.out.splitlines() if not line.isprintable()]
    assert r"\x1b]0;title\x07" == done.out.splitlines()[0]
