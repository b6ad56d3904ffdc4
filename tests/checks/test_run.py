"""All rules over whole runs: real runs, hostile runs, and runs without a stop."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from pvhdbg.boot.record.document import DEAD, DONE, PANICKED, TIMED_OUT, Death, Document, MachineFacts, Outcome, Watched
from pvhdbg.boot.record.replay import load
from pvhdbg.boot.stop import stages
from pvhdbg.checks.case import Case
from pvhdbg.checks.finding import ERROR, INFO, SEVERITIES, WARNING, Finding
from pvhdbg.checks.rules import EVERY_STOP, MAX_FINDINGS, ON_FAILURE, ONCE
from pvhdbg.checks.run import RunFindings, check_capture, check_run, rules, run_rules
from pvhdbg.image.facts import ImageFacts
from pvhdbg.image.verdicts.verdict import Verdict
from tests import build
from tests.checks import cases
from tests.checks.cases import HARMLESS, LINUX, LINUX_32, RFC, blob, died, entry, prepare
from tests.checks.tables.deaths import STACK
from tests.checks.tables.memory import many
from tests.paths import RECORDINGS

CHANGED = ("linux-6.1-died", "teaching-guest-rfc")
OF_XEN = {"xen": {"PVH102", "PVH129"}, "domu": {"PVH129", "PVH211"}}
"""Xen passes no GDT, a dom0 no map, and the map of a domU lists RAM in the ISA range."""
GIB = 1 << 30


def codes(findings: tuple[Finding, ...]) -> list[str]:
    return [finding.code for finding in findings]


@pytest.mark.parametrize("path", [it for it in RECORDINGS if it.stem not in CHANGED], ids=lambda path: path.stem)
def test_an_unchanged_boot_has_only_harmless_findings(path: Path) -> None:
    findings = check_run(load(path)).all

    assert findings
    assert {INFO} == {finding.severity for finding in findings}
    assert {finding.code for finding in findings} <= HARMLESS | OF_XEN.get(path.stem.rpartition("-")[2], set())


def test_the_cause_of_a_death_comes_before_the_death_and_only_at_its_stop() -> None:
    checked = check_run(load(next(path for path in RECORDINGS if path.stem == "linux-6.1-died")))

    assert ["PVH901", "PVH900"] == codes(checked.stops[-1])
    assert "start_info.magic" == checked.stops[-1][0].field
    assert "magic is 0x336ec500, not 0x336ec578" in checked.stops[-1][0].message
    assert () == checked.ending


def test_a_finding_that_becomes_more_severe_counts_as_new_and_is_listed_once_with_its_worst_severity() -> None:
    def with_severity(severity: str) -> Finding:
        return Finding("PVH001", severity, "the same words", "", None)

    info, warning, error = map(with_severity, (INFO, WARNING, ERROR))
    checked = RunFindings(((info,), (warning,), (warning,), (info,)), (error,))

    assert [1, 1, 0, 0, 1] == [len(findings) for findings in checked.new]
    assert [error] == checked.all


def test_causes_come_first_and_then_the_most_severe_findings() -> None:
    findings = run_rules(prepare(magic=0x41414141, registers={"cr4": 0x1000}, cmdline_paddr=0))
    case = prepare(memmap_entries=0, cmdline_paddr=0, modules=((build.RAMDISK, 1, 0, 1),))
    order = [SEVERITIES.index(finding.severity) for finding in run_rules(case)]

    assert "PVH101" == findings[0].code
    assert ["PVH103", "PVH320"] == codes(run_rules(case))[:2]
    assert sorted(order) == order


@pytest.mark.parametrize(
    ("make_case", "field"),
    [
        (lambda: prepare(magic=1), "start_info.magic"),
        (lambda: prepare(table=None), "start_info.version"),
        (lambda: prepare(**blob()), "start_info.version"),
        (lambda: prepare(memmap_entries=0), "start_info.memmap_entries"),
        (lambda: prepare(memmap_paddr=GIB), "start_info.memmap_paddr"),
        (lambda: prepare(modlist_paddr=GIB), "start_info.modlist_paddr"),
        (
            lambda: prepare(symbols=RFC, **blob() | {"modules": ((1, 1, 0, 0), (1, 1, GIB, 0))}),
            "modules[1].cmdline_paddr",
        ),
        (
            lambda: prepare(table=many(200), memmap_paddr=0x20000, registers={"rsp": 0x310D320 + 4096 + 200}),
            "start_info.memmap_entries",
        ),
        (
            lambda: prepare(symbols=RFC, **blob(many(300)) | {"registers": {"rsp": 0x310D320 + 4096 + 200}}),
            "memory_map.nr_entries",
        ),
    ],
)
def test_a_death_that_the_model_predicts_is_an_error_and_comes_first(make_case: Callable[[], Case], field: str) -> None:
    case = make_case()
    first = run_rules(case)[0]

    assert case.predicted_death is not None
    assert field == case.predicted_death.field
    assert ERROR == first.severity
    assert rules()[first.code].cause


def test_the_first_stop_is_checked_with_the_symbols_of_later_stops() -> None:
    whole = prepare(table=None)
    run = Document(LINUX, cases.MACHINE, whole.history, Outcome("prepare", DONE))
    first_stop = run._replace(stops=run.stops[:1])

    assert "warning" == next(it.severity for it in check_run(first_stop).stops[0] if it.code == "PVH102")
    assert "error" == next(it.severity for it in check_run(run).stops[0] if it.code == "PVH102")


def test_a_finding_at_several_stops_is_new_only_at_the_first() -> None:
    checked = check_run(build.boot())

    assert "PVH330" in codes(checked.stops[0])
    assert "PVH330" in codes(checked.stops[1])
    assert [True, False, False, False, False, False] == [bool(findings) for findings in checked.new]
    assert list(checked.stops[0]) == checked.all


def test_a_capture_between_two_stages_is_checked_like_a_stop() -> None:
    run = build.boot()
    between = run.stops[1]._replace(registers={**run.stops[1].registers, "rip": 1})

    assert check_run(run).stops[1] == check_capture(run, run.stops[1])
    assert "PVH330" in codes(check_capture(run._replace(stops=run.stops[:2]), between))


def image_with_verdict() -> ImageFacts:
    return LINUX._replace(verdicts=(Verdict("multiboot", "fatal", "a header\x1b[31m", "leave it out"),))


def test_the_boot_data_of_a_guest_that_qemu_starts_via_multiboot_is_not_judged() -> None:
    by_multiboot = entry(magic=0x24F, registers={"cr4": 0x1000}, image=image_with_verdict())
    by_another_vmm = entry(registers={"cr4": 0x1000}, image=image_with_verdict())

    assert ["PVH502"] == codes(run_rules(by_multiboot, {EVERY_STOP, ONCE}))
    assert {"PVH502"} < set(codes(run_rules(by_another_vmm, {EVERY_STOP, ONCE})))


def test_a_run_without_stops_has_its_findings_at_its_end() -> None:
    run = Document(image_with_verdict(), cases.MACHINE, (), Outcome(None, TIMED_OUT, None, "entry", 0x1000, None))
    checked = check_run(run)

    assert () == checked.stops
    assert ["PVH907", "PVH502", "PVH910"] == codes(checked.ending)
    assert all("a header\\x1b[31m. Leave it out." in finding.message for finding in checked.ending[:2])


def test_verdicts_on_the_image_are_reported_only_at_the_first_stop() -> None:
    run = build.boot()._replace(kernel=image_with_verdict())

    assert [True, False, False, False, False] == ["PVH502" in codes(findings) for findings in check_run(run).stops]


def test_a_timeout_is_reported_at_the_end_and_at_no_stop() -> None:
    run = build.boot()
    waiting = run._replace(
        stops=run.stops[:2], outcome=Outcome("prepare", TIMED_OUT, None, "bootparams", 0x1000, "panic")
    )
    checked = check_run(waiting)
    message = (
        "stage bootparams was not reached in time: the guest is at 0x1000 panic. "
        "Look at the disassembly with `code`, or increase --timeout."
    )

    assert ["PVH910"] == codes(checked.ending)
    assert message == checked.ending[0].message
    assert [] == [code for findings in checked.stops for code in codes(findings) if code == "PVH910"]


def test_the_end_is_judged_by_the_last_stop() -> None:
    """The kernel's copy of start_info counts more entries than the VMM's, as if something had overwritten it."""
    case = prepare({0x30: b"\xc8"}, table=many(200), memmap_paddr=0x20000, memmap_entries=3, registers={"rsp": STACK})
    outcome = Outcome("prepare", TIMED_OUT, None, "bootparams", 0x1000, None)
    run = Document(LINUX, cases.MACHINE, case.history, outcome)
    panicked = outcome._replace(watched=Watched(PANICKED, 0, None, None, "stack-protector"))

    assert ["PVH904", "PVH910"] == codes(check_run(run).ending)
    assert ["PVH904", "PVH912"] == codes(check_run(run._replace(outcome=panicked)).ending)
    assert ["PVH910"] == codes(check_run(run._replace(stops=run.stops[:1])).ending)


def test_a_timeout_at_an_unknown_rip_names_no_place() -> None:
    run = build.boot()._replace(outcome=Outcome("prepare", TIMED_OUT, None, "bootparams", None, None))
    message = "stage bootparams was not reached in time. Look at the disassembly with `code`, or increase --timeout."

    assert [message] == [finding.message for finding in check_run(run).ending]


def test_a_32_bit_kernel_page_faults_below_1_gib() -> None:
    case = died(code="8b", image=LINUX_32, memmap_paddr=0x1801000, cpu={"cr2": 0xC1801000})
    findings = run_rules(case, {ON_FAILURE})

    assert "PVH902" == findings[0].code
    assert "memmap_paddr points to 0x1801000-" in findings[0].message


def assert_bounded(run: Document) -> None:
    checked = check_run(run)
    for findings in (*checked.stops, checked.ending):
        assert len(findings) <= len(rules()) * (MAX_FINDINGS + 1)
        assert [] == [it for it in findings if not it.message.isprintable() or len(it.message) > 600]
        assert [] == [it for it in findings if it.severity not in SEVERITIES]


def hostile(noise: build.RandomTarget, image: ImageFacts | None) -> Document:
    names = (*stages.NAMES, stages.DIED)
    stops = tuple(build.capture_target(noise, stage, image) for stage in names)
    machine = MachineFacts(memory="\0" * 99, append="\ud800\x1b", initrd="", argv=("\x1b",), accel="\xff")
    return Document(image, machine, stops, Outcome("e820", DEAD, Death("\x1b", 1 << 63, "\x07", "\udcff\n")))


@pytest.mark.parametrize(
    ("byte", "image"), [(0x00, None), (0x1B, None), (0xFF, None), (0x41, LINUX_32), (0xFF, LINUX_32)]
)
def test_memory_full_of_one_byte_gives_a_bounded_number_of_printable_findings(
    byte: int, image: ImageFacts | None
) -> None:
    assert_bounded(hostile(build.RandomTarget(0, byte), image))


@pytest.mark.parametrize("seed", range(2))
def test_random_memory_gives_a_bounded_number_of_printable_findings(seed: int) -> None:
    assert_bounded(hostile(build.RandomTarget(seed), LINUX if seed % 2 else None))


def test_a_map_with_the_most_entries_that_pvhdbg_reads_is_checked() -> None:
    table = [(index * 7919 % (1 << 40), (index * 104729) % (1 << 30), index % 9) for index in range(16_384)][::-1]
    findings = run_rules(entry(table, memmap_paddr=0x200000))

    assert {"PVH202", "PVH203", "PVH207"} < set(codes(findings))


def test_run_is_checked_once_for_its_text_and_its_status(monkeypatch: pytest.MonkeyPatch) -> None:
    document, other = build.boot(), build.boot()
    first = check_run(document)
    monkeypatch.setattr("pvhdbg.checks.run.check_stop", lambda *_: pytest.fail("it was checked again"))

    assert first is check_run(document)
    monkeypatch.undo()
    assert first == check_run(other)
    assert first is not check_run(document)
