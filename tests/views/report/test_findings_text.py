"""Findings as lines: the first few of each rule, then how many more there are, and the field of the next one."""

from __future__ import annotations

import pytest

from pvhdbg.checks.finding import INFO, Finding
from pvhdbg.checks.rules import MAX_COUNTED, MAX_FINDINGS, RULES
from pvhdbg.checks.run import run_rules
from pvhdbg.views.report import findings_text, run_text
from tests import build
from tests.checks.cases import entry

HABITS = ("PVH126", "PVH201")


def findings(count: int) -> list[Finding]:
    return [Finding("PVH201", INFO, f"entry {index}", f"entries[{index}]") for index in range(count)]


def lines_for_empty_entries(count: int) -> list[str]:
    """Return the lines of the findings about a memory map with `count` empty entries and another one."""
    case = entry([*[(0, 0, 1)] * count, (0, 4096, 1)], memmap_paddr=0x40000)
    return findings_text.lines([finding for finding in run_rules(case) if finding.code == "PVH201"])


def test_a_stop_without_findings_names_the_stages_that_have_findings() -> None:
    run = build.boot()
    clean = next(capture for capture in run.stops if capture.stage == "e820")

    assert [
        "no findings at e820. Other stages with findings: entry, prepare, bootparams (`check @entry`)"
    ] == findings_text.at_capture(run, clean)


def test_up_to_five_findings_of_a_rule_are_listed() -> None:
    assert [f"  i PVH201  entry {index}" for index in range(5)] == findings_text.lines(findings(5))


def test_more_than_five_findings_of_a_rule_are_counted() -> None:
    lines = findings_text.lines(findings(7))

    assert 6 == len(lines)
    assert "  i PVH201  … and 2 more, starting at entries[5]: the JSON document has all of them" == lines[-1]


@pytest.mark.parametrize(
    ("count", "number", "in_json"),
    [
        (MAX_FINDINGS, f"{MAX_FINDINGS - 5}", "all of them"),
        (MAX_FINDINGS + 1, f"{MAX_FINDINGS - 4}", f"the first {MAX_FINDINGS}"),
        (300, "295", f"the first {MAX_FINDINGS}"),
        (MAX_FINDINGS + MAX_COUNTED + 1, f"at least {MAX_FINDINGS + MAX_COUNTED - 5}", f"the first {MAX_FINDINGS}"),
    ],
)
def test_findings_that_the_rule_omitted_are_counted_too(count: int, number: str, in_json: str) -> None:
    lines = lines_for_empty_entries(count)
    rest = f"… and {number} more, starting at memory_map.entries[5].size: the JSON document has {in_json}"

    assert "PVH201" in RULES
    assert 6 == len(lines)
    assert f"  i PVH201  {rest}" == lines[-1]


def test_findings_are_counted_by_severity() -> None:
    assert ("2 info", "") == (findings_text.count(findings(2)), findings_text.count([]))


def test_the_known_habits_of_the_vmm_are_one_line_after_the_other_findings() -> None:
    case = entry()
    found = run_rules(case)
    folded = findings_text.folded(found, case.machine)

    assert ["PVH126", "PVH201"] == [finding.code for finding in found if finding.is_habit]
    assert "  i 2 known habits of QEMU's microvm: PVH126, PVH201" == folded[-1]
    assert findings_text.lines([finding for finding in found if not finding.is_habit]) == folded[:-1]


def test_only_what_qemu_does_in_every_boot_is_a_habit() -> None:
    empty = entry([*build.MAP[:1], (0, 0, 1), *build.MAP[1:]])
    other_limit = entry(registers={"tr.limit": 0xFF})
    cases = (
        empty,
        other_limit,
        entry(machine=empty.machine._replace(machine=None)),
        entry(machine=empty.machine._replace(machine="q35")),
    )
    habits = [
        [(finding.code, finding.field) for finding in run_rules(case) if finding.is_habit and finding.code in HABITS]
        for case in cases
    ]
    limit, last = ("PVH126", "registers.tr.limit"), "memory_map.entries[{}].size"

    assert [[limit, ("PVH201", last.format(6))], [("PVH201", last.format(5))], [], [limit]] == habits


def test_the_command_check_lists_each_habit() -> None:
    run = build.boot()
    shown = "\n".join(findings_text.at_capture(run, run.stops[0]))

    assert "PVH126  tr.limit" in shown
    assert "PVH201  size is 0" in shown


def test_a_finding_is_shown_once_below_its_stop() -> None:
    infos = ["  i PVH203  addr of entry 1 is 0x0, below 0xd0000 of entry 0: Linux sorts the map."]
    infos += ["  i PVH330  rsdp_paddr is 0: the VMM passes no ACPI tables."]
    written = run_text.document(build.boot())
    entry_lines = written.split("\n\n")[1].splitlines()

    assert infos == [line for line in entry_lines if line in infos]
    assert [1, 1] == [written.count(line) for line in infos]
    assert "  i 2 known habits of QEMU's microvm: PVH126, PVH201" == entry_lines[-1]
    assert 1 == written.count("known habit")
