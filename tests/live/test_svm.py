"""A guest without Xen that enables SVM, and has planted what looks like the structures of a nested guest."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests import tiny
from tests.cli.shell import pvhdbg
from tests.image.builder import load
from tests.live.foreign import Foreign
from tests.target import test_nested

if TYPE_CHECKING:
    from pathlib import Path

    from tests.image.builder import Segment

MEMORY = ("-m", "16M")


def planted() -> list[Segment]:
    """Return a save area, a VMCB, nested tables, and Xen's own tables and code, as `nested.py` looks for them."""
    pages: dict[int, bytearray] = {}
    for address, number in (test_nested.vmcb() | test_nested.tables()).items():
        page = pages.setdefault(address & ~0xFFF, bytearray(0x1000))
        start = address & 0xFFF
        page[start : start + 8] = number.to_bytes(8, "little")
    return [load(bytes(page), paddr=at, vaddr=tiny.KERNEL_MAP[64] + at) for at, page in sorted(pages.items())]


@pytest.fixture
def kernel(tmp_path: Path) -> Path:
    path = tmp_path / "kernel.elf"
    path.write_bytes(tiny.enabling_svm(planted()))
    return path


READ = "start-info 0x100000"
"""Read the kernel's code, which the planted tables do not map."""


def test_planted_tables_do_not_mislead_on_a_machine_of_ours(kernel: Path, tmp_path: Path) -> None:
    words = (*MEMORY, "--timeout", "60", "-c", READ, "-o", tmp_path / "run.json")
    done = pvhdbg("dump", kernel, *words)
    entry, _, last = json.loads((tmp_path / "run.json").read_text())["stops"]

    assert 0 == done.status
    assert (0, 0x1000) == (entry["registers"]["efer"], last["registers"]["efer"])
    assert tiny.RETURNS_TO == last["rip"]
    assert "struct hvm_start_info at 0x100000" in done.out


def test_planted_tables_do_not_mislead_on_a_machine_that_pvhdbg_attaches_to(kernel: Path, tmp_path: Path) -> None:
    qemu = Foreign(tmp_path, "-kernel", str(kernel), *MEMORY, "-accel", "tcg", "-cpu", "max", "-S")
    qemu.status()
    try:
        done = pvhdbg("attach", qemu.stub, kernel, "-c", "run-to bootparams", "-c", READ)
    finally:
        qemu.process.kill()
        qemu.process.wait()

    assert 0 == done.status
    assert "struct hvm_start_info at 0x100000" in done.out
    assert "runs on Xen" not in done.err
