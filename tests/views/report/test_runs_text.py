"""The table of several boots."""

from __future__ import annotations

import pytest

from pvhdbg.boot.record.document import DONE, Document, MachineFacts, Outcome
from pvhdbg.boot.record.runs import Boot, Run
from pvhdbg.image.verdicts.verdict import FATAL, WARNING, Verdict
from pvhdbg.views.report import runs_text
from tests import build

BOOT = Boot("vmlinux", "firecracker", "microvm")


@pytest.mark.parametrize(
    ("status", "verdicts", "result"),
    [
        (0, (), "ok"),
        (1, (), "failed"),
        (1, (Verdict("vmm-no-entry", FATAL, "Firecracker finds no PVH entry", "add one"),), "refused"),
        (1, (Verdict("vmm-overlap", WARNING, "Firecracker writes over the kernel", "move it"),), "failed"),
    ],
)
def test_a_kernel_that_the_vmms_own_loader_does_not_start_is_refused(
    status: int, verdicts: tuple[Verdict, ...], result: str
) -> None:
    kernel = build.linux()._replace(verdicts=verdicts)
    document = Document(kernel, MachineFacts(), (), Outcome("e820", DONE))
    cells = dict(zip(runs_text.HEADER, runs_text.row(Run(BOOT, status, document), "vmlinux"), strict=True))

    assert (result, "e820", DONE) == (cells["result"], cells["reached"], cells["ended"])
