"""`check --vmm` boots files that the VMM refuses or whose memory it overwrites, and reports that."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from pvhdbg import guest
from tests.cli.shell import pvhdbg
from tests.image import builder
from tests.image.builder import E_ENTRY, elf, load, note
from tests.image.crafted import CRAFTED, GOOD

if TYPE_CHECKING:
    from pathlib import Path

KERNELS = {
    "teaching guest": guest.ELF.read_bytes(),
    "32 bit": CRAFTED["32 bit"].data,
    "two notes": CRAFTED["two segments with a note"].data,
    "e_entry 0": GOOD.replace(E_ENTRY.to_bytes(8, "little"), bytes(8), 1),
    "at 0x6000": elf([load(), load(b"overwritten", paddr=0x6000), builder.notes(note())]),
}
CODES = re.compile(r"^  [X!i] (PVH(?:128|129|341|344|54\d|539)) ", re.MULTILINE)


@pytest.mark.parametrize(
    ("name", "vmm", "expected"),
    [
        ("32 bit", "firecracker", {"PVH539"}),
        ("32 bit", "gokvm", set()),
        ("two notes", "openvmm", {"PVH539"}),
        ("e_entry 0", "cloud-hypervisor", {"PVH540"}),
        ("e_entry 0", "libkrun", set()),
        ("at 0x6000", "libkrun", {"PVH546", "PVH341", "PVH344"}),
        ("at 0x6000", "alioth", {"PVH128"}),
        ("teaching guest", "xen-domu", {"PVH129"}),
        ("teaching guest", "firecracker", set()),
    ],
)
def test_what_a_vmms_loader_would_do_is_a_finding(name: str, vmm: str, expected: set[str], tmp_path: Path) -> None:
    kernel = tmp_path / "kernel"
    kernel.write_bytes(KERNELS[name])

    run = pvhdbg("check", kernel, "--vmm", vmm, "--watch", "0")

    assert expected == {*CODES.findall(run.out)}, run.out + run.err
