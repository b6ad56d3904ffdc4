"""`--vmm` in the shell: what is refused, the list, and a recording of a handover."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pvhdbg.vmm_profiles import table
from tests.cli.shell import pvhdbg

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("options", "error"),
    [
        (
            ("-M", "pc"),
            "--vmm firecracker: can't be used with -M pc: memory from 0xe0000 to 0xfffff is read-only there",
        ),
        (("-M", "q35,accel=tcg"), "--vmm firecracker: can't be used with -M q35,accel=tcg: memory"),
        (("--xen",), "--vmm firecracker: can't be used with --xen: Xen makes the handover to its dom0"),
        (
            ("--accel", "kvm"),
            "--vmm firecracker: can't be used with --accel kvm: pvhdbg sets the state of the CPU only under TCG",
        ),
        (
            ("--force", "-a", "x" * 2048),
            "--vmm firecracker: the command line has 2048 bytes; Firecracker accepts at most 2047",
        ),
    ],
)
def test_what_cannot_be_reproduced_is_refused_in_one_line(options: tuple[str, ...], error: str) -> None:
    run = pvhdbg("dump", "--vmm", "firecracker", *options)
    first, *others = run.err.splitlines()

    assert (2, "") == (run.status, run.out)
    assert first.startswith(f"pvhdbg: error: {error}")
    assert ["  hint:"] == [line[:7] for line in others]


def test_the_list_has_every_profile() -> None:
    run = pvhdbg("--vmm-list")

    assert run.status == 0
    assert list(table.NAMES) == [line.split()[0] for line in run.out.splitlines()]


@pytest.mark.parametrize("name", [name for name in table.NAMES if name != table.QEMU])
def test_explain_says_what_is_handed_over_and_what_differs(name: str) -> None:
    profile = table.profile(name)
    text = " ".join(pvhdbg("explain", name).out.split())
    unsaid = [fact.text for fact in profile.facts if fact.text not in text]

    assert [] == unsaid + [line for line in profile.differences() if line not in text]
    assert profile.differences()


def test_a_recording_names_the_vmm_and_what_was_not_reproduced(tmp_path: Path) -> None:
    path, plain = tmp_path / "firecracker.json", tmp_path / "qemu.json"
    run = pvhdbg("check", "--vmm", "firecracker", "--watch", "0", "--format", "json")
    path.write_text(run.out)
    pvhdbg("dump", "--stage", "entry", "-o", plain)
    profile = table.profile("firecracker")
    vmm = {"name": "firecracker", "version": profile.source_version, "differs": list(profile.differences())}
    codes = [finding["code"] for stop in run.document["stops"] for finding in stop["findings"]]

    assert run.status == 0, run.err
    assert vmm == run.document["machine"]["vmm"]
    assert "PVH126" not in codes  # the TSS is not busy, but only because of TCG
    assert f"--vmm firecracker, version {profile.source_version}\n" in pvhdbg("show", path).out
    assert f"machine.vmm: none -> firecracker {profile.source_version}\n" in pvhdbg("diff", plain, path).out
    assert '"vmm":' not in plain.read_text()


def test_the_boot_data_is_changed_after_the_handover() -> None:
    changes = ("--protocol", "e820-module", "--set", 'cmdline="quiet"')
    run = pvhdbg("dump", "--vmm", "firecracker", *changes, "--stage", "entry", "--format", "json")
    (entry,) = run.document["stops"]

    assert run.status == 0, run.err
    assert (0x6000, 0) == (entry["start_info"]["paddr"], entry["start_info"]["version"])
    assert "quiet" == entry["cmdline"]
    assert ("e820-module", 4) == (entry["memory_map"]["protocol"], entry["memory_map"]["nr_entries"])
    assert 0x20000 in [change["paddr"] for change in run.document["machine"]["rewrites"]]
