"""Every rule fires when it should and not in a near miss; its texts are complete and begin with the defect."""

from __future__ import annotations

import importlib
import re
from pathlib import Path

import pytest

from pvhdbg.checks.case import Case
from pvhdbg.checks.finding import Finding
from pvhdbg.checks.rules import MAX_FINDINGS, SOURCE, rule
from pvhdbg.checks.run import TOPICS, rules
from pvhdbg.image import preflight
from tests.checks.cases import HOBBY, LINUX_32, UPSTREAM, Row, died, entry
from tests.checks.tables import deaths, guests, logs, memory, modules, other_guests, outcomes
from tests.checks.tables import entry as entry_rows

ROWS = (
    *(*entry_rows.ROWS, *memory.ROWS, *modules.ROWS, *guests.ROWS),
    *(*outcomes.ROWS, *deaths.ROWS, *logs.ROWS, *other_guests.ROWS),
)
RULES = rules()
QUOTING_QEMU = {"PVH900", "PVH906"}
"""The rules whose messages quote QEMU."""


def findings_of(code: str, case: Case) -> list[Finding]:
    return list(RULES[code].findings(case))


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.code)
def test_a_rule_fires_in_its_case_and_not_in_the_near_miss(row: Row) -> None:
    findings = findings_of(row.code, row.fires())

    assert {row.code} == {finding.code for finding in findings}
    assert [*row.findings] == [(finding.severity, finding.field, finding.at) for finding in findings]
    assert [] == findings_of(row.code, row.near_miss())


@pytest.mark.parametrize("code", RULES)
def test_the_rows_of_a_rule_have_exactly_the_severities_that_it_declares(code: str) -> None:
    of_rows = {severity for row in ROWS if row.code == code for severity, *_ in row.findings}
    declared = [RULES[code].severity, *RULES[code].other_severities]

    assert sorted(declared) == sorted(of_rows)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.code)
def test_a_finding_names_its_field_and_fits_in_three_lines(row: Row) -> None:
    for finding in findings_of(row.code, row.fires()):
        assert re.fullmatch(r"[a-z_]\w*(\[\d+\])?(\.\w+(\[\d+\])?)*", finding.field), finding
        assert finding.message.isascii(), finding
        assert len(finding.message) < 300, finding


@pytest.mark.parametrize("row", [row for row in ROWS if row.code != "PVH900"], ids=lambda row: row.code)
def test_a_finding_begins_with_the_defect_in_at_most_twelve_words(row: Row) -> None:
    for finding in findings_of(row.code, row.fires()):
        defect = re.split(r"[:.] ", finding.message)[0]

        assert len(defect.split()) <= 12, finding


@pytest.mark.parametrize("row", [row for row in ROWS if row.code not in QUOTING_QEMU], ids=lambda row: row.code)
def test_a_finding_ends_with_a_full_stop(row: Row) -> None:
    for finding in findings_of(row.code, row.fires()):
        assert finding.message.endswith("."), finding
        assert ".." not in finding.message, finding


def test_every_rule_is_in_a_table() -> None:
    assert sorted(RULES) == sorted({row.code for row in ROWS})


def test_every_verdict_of_preflight_has_a_rule() -> None:
    sources = (path.read_text("utf-8") for path in Path(preflight.__file__).parent.rglob("*.py"))
    slugs = {slug for text in sources for slug in re.findall(r'Verdict\(\s*"([a-z0-9-]+)"', text)}

    assert slugs == {slug for slug, *_ in outcomes.SLUGS}


@pytest.mark.parametrize("code", RULES)
def test_the_docstring_of_a_rule_has_a_reason_a_fix_and_a_source(code: str) -> None:
    paragraphs = RULES[code].paragraphs

    has_source = code not in ("PVH900", "PVH906", "PVH910")

    assert 2 <= len([it for it in paragraphs if not it.startswith(SOURCE)])
    assert has_source == paragraphs[-1].startswith(SOURCE)
    assert all(paragraph.endswith(".") for paragraph in paragraphs)
    assert re.fullmatch(r"PVH[1-9]\d\d", code)


def test_every_rule_has_a_unique_name_that_starts_without_an_article() -> None:
    names = [rule.name for rule in RULES.values()]

    assert len(RULES) == len(set(names))
    assert [] == [name for name in names if name.startswith(("a ", "an ", "the "))]


def test_the_docstring_of_a_file_of_rules_names_its_first_and_last_code() -> None:
    by_topic = {
        topic: [code for code in RULES if RULES[code].check.__module__.endswith(f".{topic}")] for topic in TOPICS
    }

    for topic, codes in by_topic.items():
        docstring = importlib.import_module(f"pvhdbg.checks.{topic}").__doc__ or ""
        assert list(dict.fromkeys((codes[0], codes[-1]))) == re.findall(r"PVH\d+", docstring.partition(":")[0]), topic
    assert sorted(RULES) == sorted(code for codes in by_topic.values() for code in codes)


def test_a_code_cannot_be_used_twice() -> None:
    with pytest.raises(ValueError, match="rule code PVH101 is already in use"):
        rule("PVH101", "info")(lambda _case: ())


def test_a_rule_lists_its_first_findings_and_counts_the_rest() -> None:
    findings = findings_of("PVH201", entry([*[(0, 0, 0)] * 100, (0, 4096, 1)]))

    assert MAX_FINDINGS + 1 == len(findings)
    assert "memory map entry is empty: and 84 more" == findings[-1].message


@pytest.mark.parametrize(
    ("count", "quoted"),
    [(127, "ISA range"), (129, "room for 128"), (169, " 4 bytes"), (255, " 1724 bytes"), (256, "as 0"), (260, "as 4")],
)
def test_a_map_that_is_too_long_is_explained_by_its_length(count: int, quoted: str) -> None:
    [finding] = findings_of("PVH207", entry(**memory.mapped(count)))

    assert f"memmap_entries is {count}: " in finding.message
    assert quoted in finding.message
    assert "126 entries" in finding.message


def test_the_message_names_the_address_that_a_32_bit_kernel_reads_after_a_wrap() -> None:
    symbols = UPSTREAM | {"_end": 0xC1800000, "initial_pg_pmd": 0xC1700000}
    findings = findings_of("PVH109", entry(memmap_paddr=0x40000010, image=LINUX_32, symbols=symbols))
    message = (
        "memmap_paddr is 0x40000010, beyond the early page tables, which end at 0x1c00000: the address wraps, "
        "and the kernel reads 0x10 instead. Put it below 0x1c00000."
    )

    assert [("error", message)] == [(finding.severity, finding.message) for finding in findings]


def test_a_triple_fault_with_a_known_cause_is_not_reported_as_a_possible_reset() -> None:
    message = "triple fault (or the guest itself asked for a reset or shutdown)"
    unmapped = died(code="8b", message=message, memmap_paddr=1 << 30, cpu={"cr2": 0xFFFF888040000000})
    unknown = died(code="90", message=message)
    place = "0xffffffff8305a2a8 xen_prepare_pvh+0xa9"

    assert [f"triple fault at {place}"] == [finding.message for finding in findings_of("PVH900", unmapped)]
    assert [f"triple fault at {place} (or the guest itself asked for a reset or shutdown)"] == [
        finding.message for finding in findings_of("PVH900", unknown)
    ]


def test_a_ramdisk_in_memory_of_another_type_is_only_an_info() -> None:
    table = [(0x100000, 0x1FEFF000, 1), (0x1FFFF000, 0x1000, 2)]
    inside, outside = ((0x1FFFE000, 0x2000, 0, 0),), ((0x1FFFE000, 0x2001, 0, 0),)
    results = [findings_of("PVH306", entry(table, modules=modules)) for modules in (inside, outside)]

    assert [["info"], ["error"]] == [[finding.severity for finding in findings] for findings in results]
    assert results[0][0].message.endswith("0x1fffe000-0x20000000, is not all in RAM: Linux first copies it to RAM.")


def test_linux_uses_the_larger_number_of_two_overlapping_types() -> None:
    table = [(0, 0x9FC00, 1), (0x9F000, 0x1000, 2), (0x100000, 0x1FF00000, 1)]
    start = "0x9f000-0x9fc00 is both RAM (entry 0) and RESERVED (entry 1): Linux uses RESERVED, "

    assert [True] == [finding.message.startswith(start) for finding in findings_of("PVH202", entry(table))]


def test_the_name_of_a_rule_is_made_from_its_function_and_keeps_the_kernels_names() -> None:
    assert "cmd_line_ptr is not cmdline_paddr" == RULES["PVH403"].name
    assert "CR0 is wrong at the entry" == RULES["PVH120"].name
    assert "VMM refuses a low e_entry" == RULES["PVH540"].name
    assert "e820_table differs from boot_params" == RULES["PVH421"].name
    assert "pvh_start_info differs from start_info" == RULES["PVH111"].name
    assert "memory map has too many entries" == RULES["PVH207"].name
    assert "CS is not flat 32-bit code" == RULES["PVH123"].name
    assert "hdr.version is unexpected" == RULES["PVH405"].name
    assert "command line differs from -append" == RULES["PVH324"].name
    assert "QEMU mistakes the file for a bzImage" == RULES["PVH501"].name
    assert "multiboot header in a 64-bit file" == RULES["PVH536"].name
    assert "kernel waits for a timer in calibrate_delay" == RULES["PVH916"].name


def test_the_name_of_a_rule_has_no_abbreviation_in_lower_case() -> None:
    text = " ".join(part for rule in RULES.values() for part in rule.paragraphs)
    linker_words = {"at", "kernel", "offset"}  # AT(), and the KERNEL in a command
    abbreviations = {word.lower() for word in re.findall(r"\b[A-Z]{2,}\b", text)} - linker_words
    names = {rule.name for rule in RULES.values()}

    assert {"nul", "pci"} < abbreviations
    assert [] == [name for name in names if abbreviations & set(name.split())]


@pytest.mark.parametrize("code", [code for code, rule in RULES.items() if rule.only_linux])
def test_a_rule_about_linux_says_nothing_about_a_guest_that_is_known_to_be_another(code: str) -> None:
    rows = [row for row in ROWS if row.code == code]
    known = [Case(case.stop._replace(image=HOBBY._replace(guest="freebsd")), case.machine) for case in fired(rows)]

    assert known
    assert [] == [finding for case in known for finding in findings_of(code, case)]


def fired(rows: list[Row]) -> list[Case]:
    return [row.fires() for row in rows]
