"""Each rule fires where it should, and not where it almost should; and nothing is a rule that no table has."""

from __future__ import annotations

import importlib
import re
from pathlib import Path

import pytest

from pvhdbg.checks.case import Case
from pvhdbg.checks.finding import SEVERITIES, Finding
from pvhdbg.checks.rules import MOST, SOURCE, rule
from pvhdbg.checks.run import TOPICS, rules
from pvhdbg.image import preflight
from tests.checks.cases import LINUX_32, UPSTREAM, Row, entry
from tests.checks.tables import handed_over, memory, outcomes

ROWS = (*handed_over.ROWS, *memory.ROWS, *outcomes.ROWS)
RULES = rules()


def found(code: str, case: Case) -> list[Finding]:
    return list(RULES[code].findings(case))


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.code)
def test_a_rule_fires_and_has_a_near_miss(row: Row) -> None:
    told = found(row.code, row.fires())

    assert told
    assert {row.code} == {each.code for each in told}
    assert {each.severity for each in told} <= set(SEVERITIES)
    assert [] == found(row.code, row.near())


@pytest.mark.parametrize("row", [row for row in ROWS if not row.code.startswith("PVH5")], ids=lambda row: row.code)
def test_a_finding_is_as_grave_as_its_rule_says_it_can_be(row: Row) -> None:
    rule = RULES[row.code]

    assert {each.severity for each in found(row.code, row.fires())} <= {rule.severity, *rule.also}


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.code)
def test_a_finding_names_its_field_and_fits_a_line_or_three(row: Row) -> None:
    for each in found(row.code, row.fires()):
        assert re.fullmatch(r"[a-z_]\w*(\[\d+\])?(\.\w+(\[\d+\])?)*", each.field), each
        assert each.message.isascii(), each
        assert len(each.message) < 300, each


def test_every_rule_is_in_a_table() -> None:
    assert sorted(RULES) == sorted({row.code for row in ROWS})


def test_every_verdict_of_preflight_has_a_rule() -> None:
    sources = (path.read_text("utf-8") for path in Path(preflight.__file__).parent.glob("*.py"))
    slugs = {slug for text in sources for slug in re.findall(r'Verdict\(\s*"([a-z0-9-]+)"', text)}

    assert slugs == set(outcomes.SLUGS)


@pytest.mark.parametrize("code", RULES)
def test_every_rule_says_why_it_matters_and_where_that_is_from(code: str) -> None:
    told = RULES[code].paragraphs

    assert told
    assert code in ("PVH900", "PVH906", "PVH910") or told[-1].startswith(SOURCE)
    assert re.fullmatch(r"PVH[1-9]\d\d", code)


def test_the_codes_of_a_topic_follow_each_other_in_its_file() -> None:
    by_topic = {
        topic: [code for code in RULES if RULES[code].check.__module__.endswith(f".{topic}")] for topic in TOPICS
    }

    for topic, codes in by_topic.items():
        told = importlib.import_module(f"pvhdbg.checks.{topic}").__doc__ or ""
        assert [codes[0], codes[-1]] == re.findall(r"PVH\d+", told.partition(":")[0]), topic
    assert sorted(RULES) == sorted(code for codes in by_topic.values() for code in codes)


def test_a_code_is_given_once() -> None:
    with pytest.raises(ValueError, match="PVH101 is there twice"):
        rule("PVH101", "info")(lambda _case: ())


def test_of_many_findings_the_first_are_told_and_the_number_of_the_others() -> None:
    told = found("PVH201", entry([(0, 0, 0)] * 100))

    assert MOST + 1 == len(told)
    assert "an entry is empty: and 84 more" == told[-1].message


def test_of_a_32_bit_kernel_it_is_told_what_it_reads_instead_where_addresses_wrap() -> None:
    symbols = UPSTREAM | {"_end": 0xC1800000, "initial_pg_pmd": 0xC1700000}
    told = found("PVH109", entry(memmap_paddr=0x40000010, image=LINUX_32, symbols=symbols))
    message = (
        "memmap_paddr is 0x40000010: early page tables reach to 0x1c00000, and addresses wrap: the kernel reads 0x10"
    )

    assert [("error", f"{message} instead")] == [(each.severity, each.message) for each in told]


def test_a_ramdisk_in_memory_that_is_kept_for_something_else_is_copied_by_linux() -> None:
    given = [(0x100000, 0x1FEFF000, 1), (0x1FFFF000, 0x1000, 2)]
    inside, outside = ((0x1FFFE000, 0x2000, 0, 0),), ((0x1FFFE000, 0x2001, 0, 0),)
    told = [found("PVH306", entry(given, modules=each)) for each in (inside, outside)]

    assert [["info"], ["error"]] == [[each.severity for each in findings] for findings in told]
    assert told[0][0].message.endswith("0x1fffe000-0x20000000, is not all in RAM: Linux copies it there")


def test_a_rule_is_named_as_its_function_with_the_kernels_own_names_in_it() -> None:
    assert "cmd_line_ptr is not cmdline_paddr" == RULES["PVH403"].name
    assert "e820_table is not what boot_params lists" == RULES["PVH421"].name
    assert "there are more entries than fit" == RULES["PVH207"].name
    assert "CS is not flat 32-bit code" == RULES["PVH123"].name
    assert "hdr.version is neither of those known" == RULES["PVH405"].name
