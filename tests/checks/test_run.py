"""All rules over whole runs: real ones, hostile ones, and such as never began."""

from __future__ import annotations

from pathlib import Path

import pytest

from pvhdbg.boot.record.document import DEAD, DONE, TIMED_OUT, Death, Document, MachineFacts, Outcome
from pvhdbg.boot.record.replay import load
from pvhdbg.boot.stop import stages
from pvhdbg.checks.case import Case
from pvhdbg.checks.finding import ERROR, INFO, SEVERITIES, WARNING, Finding, worst
from pvhdbg.checks.rules import FIRST, MOST
from pvhdbg.checks.run import Checked, check, findings, of_capture, rules
from pvhdbg.image.facts import ImageFacts
from pvhdbg.image.verdict import Verdict
from tests import build
from tests.checks import cases
from tests.checks.cases import HARMLESS, LINUX, LINUX_32, RFC, blob, died, entry, prepare
from tests.checks.tables.memory import many
from tests.paths import RECORDINGS

CHANGED = ("linux-6.1-died", "teaching-guest-rfc")
GIB = 1 << 30


def codes(found: tuple[Finding, ...]) -> list[str]:
    return [each.code for each in found]


@pytest.mark.parametrize("path", [each for each in RECORDINGS if each.stem not in CHANGED], ids=lambda path: path.stem)
def test_of_an_untouched_boot_there_is_nothing_to_say_but_what_is_harmless(path: Path) -> None:
    found = check(load(path)).all

    assert found
    assert {INFO} == {each.severity for each in found}
    assert {each.code for each in found} <= HARMLESS


def test_a_death_is_explained_first_and_told_once() -> None:
    checked = check(load(next(each for each in RECORDINGS if each.stem == "linux-6.1-died")))

    assert ["PVH901", "PVH900"] == codes(checked.stops[-1])
    assert "start_info.magic" == checked.stops[-1][0].field
    assert "magic is 0x336ec500, not 0x336ec578" in checked.stops[-1][0].message
    assert () == checked.ending


def test_a_finding_that_becomes_graver_is_news_and_counts_once_as_the_gravest() -> None:
    def at(severity: str) -> Finding:
        return Finding("PVH001", severity, "the same words", "", None)

    checked = Checked(((at(INFO),), (at(WARNING),), (at(WARNING),), (at(INFO),)), (at(ERROR),))

    assert [1, 1, 0, 0, 1] == [len(each) for each in checked.new]
    assert [at(ERROR)] == checked.all


def test_causes_stand_first_and_then_comes_what_is_gravest() -> None:
    found = findings(prepare(magic=0x41414141, registers={"cr4": 0x1000}, cmdline_paddr=0))
    case = prepare(memmap_entries=0, cmdline_paddr=0, modules=((build.RAMDISK, 1, 0, 1),))
    order = [SEVERITIES.index(each.severity) for each in findings(case)]

    assert "PVH101" == found[0].code
    assert ["PVH103", "PVH320"] == codes(findings(case))[:2]
    assert sorted(order) == order


@pytest.mark.parametrize(
    ("case", "field"),
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
def test_a_death_that_the_model_foresees_is_an_error_that_stands_first(case: object, field: str) -> None:
    made = case() if callable(case) else case
    assert isinstance(made, Case)
    first = findings(made)[0]

    assert made.expected is not None
    assert made.expected.death is not None
    assert field == made.expected.death.field
    assert ERROR == first.severity
    assert rules()[first.code].cause


def test_what_a_later_stop_tells_of_the_kernel_counts_at_the_first() -> None:
    whole = prepare(table=None)
    run = Document(LINUX, cases.MACHINE, whole.history, Outcome("prepare", DONE))
    alone = run._replace(stops=run.stops[:1])

    assert "warning" == next(each.severity for each in check(alone).stops[0] if each.code == "PVH102")
    assert "error" == next(each.severity for each in check(run).stops[0] if each.code == "PVH102")


def test_a_finding_that_holds_at_several_stops_is_new_at_the_first_alone() -> None:
    checked = check(build.boot())

    assert "PVH330" in codes(checked.stops[0])
    assert "PVH330" in codes(checked.stops[1])
    assert [True, False, False, False, False, False] == [bool(each) for each in checked.new]
    assert list(checked.stops[0]) == checked.all


def test_a_look_between_two_stages_is_checked_like_a_stop() -> None:
    run = build.boot()
    between = run.stops[1]._replace(registers={**run.stops[1].registers, "rip": 1})

    assert check(run).stops[1] == of_capture(run, run.stops[1])
    assert "PVH330" in codes(of_capture(run._replace(stops=run.stops[:2]), between))


def odd_image() -> ImageFacts:
    return LINUX._replace(verdicts=(Verdict("multiboot", "fatal", "a header\x1b[31m", "leave it out"),))


def test_a_run_without_a_stop_has_its_findings_at_its_end() -> None:
    run = Document(odd_image(), cases.MACHINE, (), Outcome(None, TIMED_OUT, None, "entry", 0x1000, None))
    checked = check(run)

    assert () == checked.stops
    assert ["PVH907", "PVH502", "PVH910"] == codes(checked.ending)
    assert all("a header\\x1b[31m" in each.message for each in checked.ending[:2])


def test_what_is_known_of_the_image_is_told_at_the_first_stop_alone() -> None:
    first = build.boot()._replace(kernel=odd_image())

    assert [True, False, False, False, False] == ["PVH502" in codes(found) for found in check(first).stops]


def test_a_stage_that_does_not_come_is_told_at_the_end_and_at_no_stop() -> None:
    run = build.boot()
    waiting = run._replace(
        stops=run.stops[:2], outcome=Outcome("prepare", TIMED_OUT, None, "bootparams", 0x1000, "panic")
    )

    assert ["PVH910"] == codes(check(waiting).ending)
    assert "stage bootparams did not come in time; the guest is at 0x1000 panic" == check(waiting).ending[0].message


def test_the_gravest_severity_is_that_of_the_gravest_finding() -> None:
    assert None is worst(())
    assert "error" == worst(findings(died(), {FIRST, "last"}))


def test_32_bit_kernels_reach_less_far() -> None:
    found = findings(died(code="8b", image=LINUX_32, memmap_paddr=0x1801000, cpu={"cr2": 0xC1801000}), {"last"})

    assert "PVH902" == found[0].code
    assert "memmap_paddr leads to 0x1801000-" in found[0].message


def assert_bounded(run: Document) -> None:
    checked = check(run)
    for found in (*checked.stops, checked.ending):
        assert len(found) <= len(rules()) * (MOST + 1)
        assert [] == [each for each in found if not each.message.isprintable() or len(each.message) > 600]
        assert [] == [each for each in found if each.severity not in SEVERITIES]


def hostile(noise: build.Noise, image: ImageFacts | None) -> Document:
    names = (*stages.NAMES, stages.DIED)
    stops = tuple(build.look(noise, stage, image) for stage in names)
    odd = MachineFacts(memory="\0" * 99, append="\ud800\x1b", initrd="", argv=("\x1b",), accel="\xff")
    return Document(image, odd, stops, Outcome("e820", DEAD, Death("\x1b", 1 << 63, "\x07", "\udcff\n")))


@pytest.mark.parametrize("byte", [0x00, 0x1B, 0x41, 0xFF])
@pytest.mark.parametrize("image", [None, LINUX, LINUX_32], ids=["no image", "64", "32"])
def test_memory_of_one_byte_everywhere_is_checked_in_bounds(byte: int, image: ImageFacts | None) -> None:
    assert_bounded(hostile(build.Noise(0, byte), image))


@pytest.mark.parametrize("seed", range(12))
def test_random_memory_is_checked_in_bounds(seed: int) -> None:
    assert_bounded(hostile(build.Noise(seed), LINUX if seed % 2 else None))


def test_a_map_of_every_range_there_is_takes_no_time_to_speak_of() -> None:
    table = [(index * 7919 % (1 << 40), (index * 104729) % (1 << 30), index % 9) for index in range(16_384)][::-1]
    found = findings(entry(table, memmap_paddr=0x200000))

    assert {"PVH202", "PVH203", "PVH207"} < set(codes(found))
