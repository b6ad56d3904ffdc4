"""The yardsticks do what they claim: they see the same boot as pvhdbg."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.cli.shell import pvhdbg
from tests.paths import ROOT

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("words", [["tests/benchmarks/floor.py"], ["-m", "tests.benchmarks.stock_gdb"]], ids=str)
def test_a_yardstick_sees_the_e820_entries_that_pvhdbg_sees(words: list[str], vmlinux_61: Path) -> None:
    call = [sys.executable, *words, str(vmlinux_61)]
    out = subprocess.run(call, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    stops = pvhdbg("dump", vmlinux_61, "--stage", "bootparams", "--format", "json").document["stops"]
    entries = stops[-1]["boot_params"]["e820_entries"]

    assert f"{entries} e820 entries in pvh_bootparams\n" == out or f"= {entries} '" in out
