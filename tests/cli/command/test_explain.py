"""`pvhdbg explain`, run as a user runs it."""

from __future__ import annotations

import pytest

from pvhdbg.cli import main


def test_a_name_is_explained(capsys: pytest.CaptureFixture[str]) -> None:
    assert 0 == main(["explain", "memmap_paddr"])
    assert capsys.readouterr().out.startswith("hvm_start_info.memmap_paddr   u64 at +0x28 in struct hvm_start_info\n")


def test_without_a_name_all_names_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert 0 == main(["explain"])
    assert {"structures:", "fields of hvm_start_info:", "stages:", "Xen notes:"} < set(
        capsys.readouterr().out.splitlines()
    )


def test_an_unknown_name_exits_with_2_and_suggests_similar_names(capsys: pytest.CaptureFixture[str]) -> None:
    assert 2 == main(["explain", "memapaddr"])

    output = capsys.readouterr()

    assert "" == output.out
    assert ['pvhdbg: error: unknown name: "memapaddr"', "  hint: did you mean `memmap_paddr`"] == [
        line.partition(",")[0] for line in output.err.splitlines()
    ]
