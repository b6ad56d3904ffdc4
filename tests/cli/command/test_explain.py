"""`pvhdbg explain`, called as a user calls it."""

from __future__ import annotations

import pytest

from pvhdbg.cli import main


def test_a_name_is_explained(capsys: pytest.CaptureFixture[str]) -> None:
    assert 0 == main(["explain", "memmap_paddr"])
    assert capsys.readouterr().out.startswith("hvm_start_info.memmap_paddr   u64 at +0x28 in struct hvm_start_info\n")


def test_without_a_name_all_that_can_be_asked_for_is_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert 0 == main(["explain"])
    assert {"structures:", "fields of hvm_start_info:", "stages:", "Xen notes:"} < set(
        capsys.readouterr().out.splitlines()
    )


def test_an_unknown_name_is_the_call_s_fault(capsys: pytest.CaptureFixture[str]) -> None:
    assert 2 == main(["explain", "memapaddr"])

    told = capsys.readouterr()

    assert "" == told.out
    assert ['pvhdbg: error: nothing is called "memapaddr"', "  hint: near to it: memmap_paddr"] == [
        line.partition(",")[0] for line in told.err.splitlines()
    ]
