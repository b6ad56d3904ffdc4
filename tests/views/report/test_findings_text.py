"""Findings as lines: of one rule the first few, then how many more there are and where they begin."""

from __future__ import annotations

import pytest

from pvhdbg.checks.finding import INFO, Finding
from pvhdbg.checks.rules import COUNTED, MOST, RULES
from pvhdbg.checks.run import findings
from pvhdbg.views.report import findings_text
from tests import build
from tests.checks.cases import entry


def of(count: int) -> list[Finding]:
    return [Finding("PVH201", INFO, f"entry {index}", f"entries[{index}]") for index in range(count)]


def folded(count: int) -> list[str]:
    """What is said of a map of so many empty entries."""
    found = [each for each in findings(entry([(0, 0, 1)] * count, memmap_paddr=0x40000)) if each.code == "PVH201"]
    return findings_text.lines(found)


def test_where_nothing_was_found_the_stages_are_named_where_something_was() -> None:
    run = build.boot()
    clean = next(each for each in run.stops if each.stage == "e820")

    assert ["no rule found anything at e820, but at entry, prepare, bootparams (`check @entry`)"] == findings_text.at(
        run, clean
    )


def test_a_few_are_told_one_by_one() -> None:
    assert [f"  i PVH201  entry {index}" for index in range(5)] == findings_text.lines(of(5))


def test_more_are_counted() -> None:
    told = findings_text.lines(of(7))

    assert 6 == len(told)
    assert "  i PVH201  … and 2 more, from entries[5] on: the JSON has them" == told[-1]


@pytest.mark.parametrize(
    ("count", "rest"),
    [
        (MOST, f"… and {MOST - 5} more, from memory_map.entries[5].size on: the JSON has them"),
        (MOST + 1, f"… and {MOST - 4} more, from memory_map.entries[5].size on: the JSON has the first {MOST}"),
        (300, f"… and 295 more, from memory_map.entries[5].size on: the JSON has the first {MOST}"),
        (
            MOST + COUNTED + 1,
            f"… and {MOST + COUNTED - 5} or more, from memory_map.entries[5].size on: the JSON has the first {MOST}",
        ),
    ],
)
def test_what_the_rule_itself_did_not_list_is_counted_too(count: int, rest: str) -> None:
    told = folded(count)

    assert "PVH201" in RULES
    assert 6 == len(told)
    assert f"  i PVH201  {rest}" == told[-1]
