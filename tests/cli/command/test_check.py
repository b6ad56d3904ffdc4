"""`pvhdbg check`: its text, its JSON and its exit status."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.checks.cases import harmless
from tests.cli import patient
from tests.cli.shell import pvhdbg

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

KEYS = ["code", "severity", "message", "field", "at"]
MACHINES = ("microvm", "pc", "q35")
BOOTS = [(kernel, machine) for kernel in ("5.10", "sid", "6.1-686") for machine in MACHINES]
BOOTS += [("6.1", "microvm"), ("6.12", "microvm")]
"""Every second one has an initrd: each kernel and each machine boots with and without it. 6.1 and 6.12 boot on all
machines in tests/checks/test_tampered_boots.py.
"""


def findings(document: Any) -> list[Any]:  # noqa: ANN401 - JSON
    return [finding for stop in document["stops"] for finding in stop["findings"]]


def assert_harmless(machine: str, *words: str | Path, ended: str = "console") -> None:
    done = patient.check("-M", machine, *words)
    outcome = done.document["outcome"]
    found = findings(done.document)

    assert (0, "") == (done.status, done.err)
    assert {"info"} == {finding["severity"] for finding in (*found, *outcome.get("findings", ()))}
    assert {finding["code"] for finding in found} <= harmless(machine)
    assert ("e820", ended) == (outcome["reached"], outcome["watched"]["ended"])


@pytest.mark.parametrize(("kernel", "machine"), BOOTS[::2])
def test_an_unmodified_boot_has_only_harmless_findings(
    kernel: str, machine: str, find_vmlinux: Callable[[str], Path]
) -> None:
    assert_harmless(machine, find_vmlinux(kernel))


@pytest.mark.parametrize(("kernel", "machine"), BOOTS[1::2])
def test_a_boot_with_an_initrd_has_only_harmless_findings(
    kernel: str, machine: str, find_vmlinux: Callable[[str], Path], initrd: Path
) -> None:
    assert_harmless(machine, find_vmlinux(kernel), "-i", initrd, "-m", "1G")


@pytest.mark.parametrize("machine", [*MACHINES, "microvm,acpi=off"])
def test_the_teaching_guest_has_only_harmless_findings(initrd: Path, machine: str) -> None:
    assert_harmless(machine, "-i", initrd, ended="halted")


def test_the_text_has_the_findings_of_each_stage_and_one_line_for_the_others() -> None:
    done = pvhdbg("check")
    lines = done.out.splitlines()

    assert (0, "") == (done.status, done.err)
    assert [True] == [": PVH126" in line for line in lines if "known habit" in line]
    assert "prepare, bootparams, kernel, e820: no new findings" in lines
    assert lines[-2].startswith("done: reached e820; watched for ")
    assert max(map(len, lines)) <= 120


def test_the_json_is_the_document_of_dump() -> None:
    checked, dumped = (pvhdbg(command, "--format", "json").document for command in ("check", "dump"))

    assert dumped["stops"] == checked["stops"]
    assert KEYS == [*findings(checked)[0]]
    assert ["PVH914"] == [finding["code"] for finding in checked["outcome"].pop("findings")]
    assert (None, "halted") == (dumped["outcome"].pop("watched"), checked["outcome"].pop("watched")["ended"])
    assert dumped["outcome"] == checked["outcome"]


def test_an_error_is_exit_status_1_even_if_the_guest_reaches_the_last_stage() -> None:
    done = pvhdbg("check", "--set", "start_info.cmdline_paddr=0", "--format", "json")
    errors = [finding for finding in findings(done.document) if finding["severity"] == "error"]

    assert (1, "", "done") == (done.status, done.err, done.document["outcome"]["ended"])
    assert {"PVH320"} == {error["code"] for error in errors}
    assert ["start_info.cmdline_paddr", "pvh_start_info.cmdline_paddr"] == [error["field"] for error in errors][:2]
    assert done.document["stops"][0]["start_info"]["paddr"] + 0x18 == errors[0]["at"]


def test_a_warning_is_exit_status_0() -> None:
    done = pvhdbg("check", "--set", "start_info.rsdp_paddr=0x1000")

    assert 0 == done.status
    assert "! PVH331" in done.out


def test_a_death_is_exit_status_1_and_its_cause_comes_first() -> None:
    done = pvhdbg("check", "--set", "start_info.magic=0")
    at = done.out.splitlines().index("died: where the guest died")

    assert 1 == done.status
    assert done.out.splitlines()[at + 1].startswith("  X PVH901  BUG (ud2 at 0x")
    assert done.err.startswith("pvhdbg: error: the guest died: triple fault at 0x")


def test_a_stage_that_times_out_is_a_finding_of_the_outcome(waiting: Path) -> None:
    done = patient.in_time(
        lambda seconds: pvhdbg("check", waiting, "--timeout", str(seconds), "--format", "json"),
        lambda done: done.document["outcome"]["reached"] == "entry",
    )

    assert 1 == done.status
    assert ["PVH910"] == [finding["code"] for finding in done.document["outcome"]["findings"]]
    assert "stage prepare was not reached in time" in done.document["outcome"]["findings"][0]["message"]


def test_explain_describes_a_rule() -> None:
    done = pvhdbg("explain", "pvh207")

    assert (0, "") == (done.status, done.err)
    assert done.out.startswith("PVH207   info, in some cases warning or error\n  memory map has too many entries\n")
    assert "Pass at most 126 entries" in done.out
    assert "  source      Linux arch/x86/platform/pvh/enlighten.c" in done.out


def test_explain_lists_the_rules() -> None:
    assert "\nrules:\n  PVH101  PVH102  " in pvhdbg("explain").out


def test_the_command_check_works_on_a_recording(tmp_path: Path) -> None:
    recording = tmp_path / "boot.json"
    pvhdbg("dump", "--set", "start_info.magic=0", "-o", recording)
    now, entry = (pvhdbg("show", recording, "-c", line).out for line in ("check", "check @entry"))

    assert now.startswith("  X PVH901  ")
    assert entry.startswith("  X PVH101  magic is 0x0, not 0x336ec578: this is not a valid start_info")
