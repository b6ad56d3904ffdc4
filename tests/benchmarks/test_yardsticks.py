"""The yardsticks do what they claim: they see the same boot as pvhdbg."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.benchmarks import growth
from tests.cli.shell import pvhdbg
from tests.paths import ROOT

if TYPE_CHECKING:
    from pathlib import Path


STOCK_GDB = "tests.benchmarks.stock_gdb"


@pytest.mark.parametrize(
    ("words", "more"),
    [(["tests/benchmarks/floor.py"], []), (["tests/benchmarks/floor.py"], ["e820"]), (["-m", STOCK_GDB], [])],
    ids=str,
)
def test_a_yardstick_sees_the_e820_entries_that_pvhdbg_sees(
    words: list[str], more: list[str], vmlinux_61: Path
) -> None:
    call = [sys.executable, *words, str(vmlinux_61), *more]
    out = subprocess.run(call, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    stops = pvhdbg("dump", vmlinux_61, "--stage", "bootparams", "--format", "json").document["stops"]
    entries = stops[-1]["boot_params"]["e820_entries"]

    assert f"{entries} e820 entries in pvh_bootparams\n" == out or f"= {entries} '" in out


def test_what_is_measured_for_growth_has_the_size_that_its_name_says(tmp_path: Path) -> None:
    for count in (3, 500):
        stop = growth.with_map(count)().stops[0]
        modules = growth.with_modules(count)().stops[0].modules
        image = growth.with_file(tmp_path, count << 12)()

        assert stop.memory_map is not None
        assert [count, count] == [len(stop.memory_map.entries), len(modules or ())]
        assert count << 12 == (tmp_path / f"kernel-{count << 12}").stat().st_size
        assert [(count << 12) // 2] == [segment.filesz for segment in image.segments]
