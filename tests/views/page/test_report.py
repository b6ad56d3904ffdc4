"""A report has the whole boot, refers to nothing outside, and its links lead to what they name."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from pvhdbg.boot.record.document import DONE, Document, MachineFacts, Outcome
from pvhdbg.boot.record.replay import load, replay
from pvhdbg.checks.run import check_run
from pvhdbg.views.page.report import report
from pvhdbg.views.pictures import markup
from tests.paths import RECORDINGS, RECORDINGS_DIR
from tests.views.hostile import COMMAND_LINE, answers, hostile
from tests.views.page.pages import Page

PATH = RECORDINGS_DIR / "linux-6.1-microvm-initrd.json"
CELL = re.compile(r'<tr id="([^"]*)">.*?</tr>', re.DOTALL)


def row(page: str, name: str) -> str:
    """Return the HTML of a table row."""
    return next(found[0] for found in CELL.finditer(page) if found[1] == name)


@pytest.mark.parametrize("path", RECORDINGS, ids=lambda path: path.stem)
def test_every_link_leads_to_something_on_the_page(path: Path) -> None:
    page = Page(report(load(path)))
    ids, links = page.values("id"), page.values("href")

    assert len(links) > 3
    assert [] == [link for link in links if not link.startswith("#") or link[1:] not in ids]
    assert sorted(set(ids)) == sorted(ids)


def test_the_first_errors_are_above_the_pictures() -> None:
    run = load(RECORDINGS_DIR / "linux-6.1-died.json")
    errors = [finding for finding in check_run(run).all if finding.severity == "error"]
    head = report(run).partition('id="pictures"')[0]

    assert errors
    assert [it.code for it in errors[:5]] == re.findall(r'href="#(PVH\d+)"', head)
    assert 'id="errors"' not in report(load(PATH))


def test_the_truth_value_of_an_element_does_not_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    """In Python 3.12 and later, testing it is a DeprecationWarning."""
    expected = report(load(PATH))

    class Untested(markup.Element):
        def __bool__(self) -> bool:
            raise TypeError

    monkeypatch.setattr(markup, "Element", Untested)

    assert expected == report(load(PATH))


@pytest.mark.parametrize("path", RECORDINGS, ids=lambda path: path.stem)
def test_a_page_names_no_other_file(path: Path) -> None:
    text = report(load(path))

    assert [] == Page(text).values("src")
    assert [] == re.findall(r"https?://(?!www\.w3\.org/)|@import|url\((?!#)", text)


@pytest.mark.parametrize("path", RECORDINGS, ids=lambda path: path.stem)
def test_a_page_has_every_finding_with_its_explanation(path: Path) -> None:
    run = load(path)
    page = Page(report(run))
    findings = check_run(run).all

    assert findings
    assert [] == [finding.code for finding in findings if finding.message not in page.text]
    assert [] == [it.code for it in findings if f"Explanation of {it.code}" not in page.text]


def test_a_page_has_every_value_of_start_info() -> None:
    stop = json.loads(PATH.read_text("utf-8"))["stops"][0]
    page = report(load(PATH))
    numbers = {name: value for name, value in stop["start_info"].items() if name not in ("hex", "paddr")}
    shown = {name: row(page, f"stop-0-entry/start_info.{name}") for name in numbers}

    assert len(shown) == 10
    assert [] == [name for name, value in numbers.items() if not {f"{value:#x}<", f">{value}<"} & cut(shown[name])]


def cut(html: str) -> set[str]:
    """Return the texts of a row, each with the `<` after it, and with `>` before it too."""
    return {form for text in re.findall(r">([^<]+)<", html) for form in (f"{text}<", f">{text}<")}


@pytest.mark.parametrize(
    ("source", "target"),
    [
        ("stop-0-entry/start_info.cmdline_paddr", "stop-0-entry/all/cmdline"),
        ("stop-0-entry/start_info.memmap_paddr", "stop-0-entry/all/memory_map"),
        ("stop-0-entry/registers.rbx", "stop-0-entry/all/start_info"),
        ("stop-0-entry/modules[0].paddr", "stop-0-entry/modules[0]"),
        ("stop-2-bootparams/boot_params.hdr.ramdisk_image", "stop-0-entry/modules[0]"),
        ("stop-3-kernel/kernel_boot_params.hdr.cmd_line_ptr", "stop-0-entry/all/cmdline"),
    ],
)
def test_a_pointer_leads_to_the_structure_at_its_address(source: str, target: str) -> None:
    assert f'href="#{target}"' in row(report(load(PATH)), source)


def test_an_unchanged_structure_leads_to_the_stage_that_shows_it() -> None:
    page = report(load(PATH))

    assert 'unchanged since <a href="#stop-0-entry/all/start_info">stage entry</a>' in page


def test_a_value_leads_to_its_writer_and_to_the_field_that_it_came_from() -> None:
    page = report(load(PATH)._replace(who=answers()))
    field = row(page, "stop-2-bootparams/boot_params.hdr.cmd_line_ptr")
    writer = row(page, "who/boot_params.hdr.cmd_line_ptr")

    assert 'href="#who/boot_params.hdr.cmd_line_ptr"' in field
    assert 'href="#who/start_info.cmdline_paddr"' in writer
    assert 'href="#stop-2-bootparams/boot_params.hdr.cmd_line_ptr"' in writer
    assert "last writer" not in report(load(PATH))


def test_hostile_text_stays_text() -> None:
    text = report(hostile())
    page = Page(text)

    assert (1, 0, 1) == (page.count("script"), page.count("img"), page.count("style"))
    assert COMMAND_LINE.decode() in page.text
    assert [] == [line for line in text.splitlines() if not line.isprintable()]


def test_a_run_without_stops_has_a_report() -> None:
    page = Page(report(Document(None, MachineFacts(), (), Outcome(None, DONE))))

    assert "no stage reached" in page.text


def test_a_stage_that_is_recorded_twice_is_shown_twice() -> None:
    document: dict[str, Any] = json.loads(PATH.read_text("utf-8"))
    document["stops"] *= 2
    ids = Page(report(replay(document))).values("id")

    assert sorted(set(ids)) == sorted(ids)
    assert {"stop-0-entry", "stop-5-entry"} <= set(ids)


def test_the_policy_names_the_script_and_the_style_and_allows_nothing_else() -> None:
    page = Page(report(load(PATH)))
    policy = next(it.attributes["content"] for it in page.elements if it.attributes.get("http-equiv"))

    assert re.fullmatch(
        r"default-src 'none'; style-src 'sha256-\S{44}'; script-src 'sha256-\S{44}'; "
        "base-uri 'none'; form-action 'none'",
        policy,
    )


def test_a_table_has_no_empty_column() -> None:
    page = report(load(PATH))
    headings = {
        re.sub("<[^>]+>", "", found[1]): re.findall(r'<th scope="col">([^<]*)</th>', found[2])
        for found in re.finditer(r"<table><caption>(.*?)</caption><thead>(.*?)</thead>", page)
    }

    assert ["name", "value", "meaning"] == headings["CPU"]
    assert ["offset", "name", "value", "meaning", "bytes"] == headings["struct hvm_start_info"]
