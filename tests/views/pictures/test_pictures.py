"""Every picture of every recording: valid XML, no text over another, and guest text as text."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from pvhdbg.boot.record.document import DONE, Document, MachineFacts, Outcome
from pvhdbg.boot.record.replay import load
from pvhdbg.boot.who.answer import Answer, Code, Writer
from pvhdbg.views.pictures import graph, segments, writers
from pvhdbg.views.pictures.graph import Box, Line
from pvhdbg.views.pictures.markup import to_svg
from pvhdbg.views.pictures.table import PICTURES
from tests.paths import RECORDINGS, ROOT
from tests.views.hostile import hostile
from tests.views.pictures.sheets import boxes, elements, overlapping

if TYPE_CHECKING:
    from pathlib import Path

GUEST = ROOT / "pvhdbg" / "teaching" / "chapters" / "boot.json"


@pytest.mark.parametrize("name", PICTURES)
@pytest.mark.parametrize("path", RECORDINGS, ids=lambda path: path.stem)
def test_no_text_of_a_picture_covers_another(path: Path, name: str) -> None:
    drawing = PICTURES[name].draw(load(path))

    assert len(elements(drawing, "text")) > 2
    assert [] == overlapping(drawing)


@pytest.mark.parametrize("name", PICTURES)
def test_hostile_text_stays_text(name: str) -> None:
    run = hostile()
    drawing = PICTURES[name].draw(run)
    shown = "".join(PICTURES[name].as_text(run))

    assert [] == [*elements(drawing, "script"), *elements(drawing, "img")]
    assert shown.isprintable()
    assert ("<script>" in shown) is (name in ("handover", "stages", "who"))
    assert all(line.isprintable() for line in to_svg(drawing.svg(is_file=True)).splitlines())


@pytest.mark.parametrize("name", PICTURES)
def test_a_run_without_stops_has_pictures_too(name: str) -> None:
    run = Document(None, MachineFacts(), (), Outcome(None, DONE))

    assert PICTURES[name].as_text(run)
    assert [] == overlapping(PICTURES[name].draw(run))


@pytest.mark.parametrize("name", PICTURES)
def test_a_picture_describes_itself_to_a_screen_reader(name: str) -> None:
    drawing = PICTURES[name].draw(load(RECORDINGS[0]))
    svg = elements(drawing, "svg")[0]
    labelled_by = {node.getAttribute("id") for tag in ("title", "desc") for node in elements(drawing, tag)}

    assert ("img", labelled_by) == (svg.getAttribute("role"), set(svg.getAttribute("aria-labelledby").split()))


def test_selectors_lead_to_the_entries_that_the_cpu_uses() -> None:
    boxes = {box.key: box for box in segments.boxes(load(GUEST))}
    leads = {line.words.split()[0]: line.leads_to for line in boxes["prepare registers"].lines[:6]}

    assert {"cs": "prepare 1", **dict.fromkeys(("ss", "ds", "es", "fs", "gs"), "prepare 2")} == leads
    assert "64-bit code: execute, read, not accessed" == boxes["prepare 1"].lines[1].words
    assert "32-bit code: execute, read, accessed" == boxes["entry 1"].lines[1].words


def test_fields_lead_through_the_functions_that_copy_them() -> None:
    code = Code(0x1000, "init_pvh_bootparams+4", (), "pvh.c:155")
    copied = Writer("cpu", code, "mov", 0, 4, bytes(4), "pvh_start_info.cmdline_paddr", "register")
    first = copied._replace(code=code._replace(symbol="pvh_start_xen", source="entry.S:43"), origin=None)
    answers = (
        Answer("pvh_start_info.cmdline_paddr", 0, 4, (first,), ()),
        Answer("boot_params.hdr.cmd_line_ptr", 0, 4, (copied,), ()),
        *(Answer(f"boot_params.e820_table[{number}].addr", 0, 4, (copied,), ()) for number in range(6)),
        Answer("boot_params.tboot_addr", 0, 8, (copied._replace(instruction="rep stosb"),), ()),
    )
    run = Document(None, MachineFacts(), (), Outcome(None, DONE), answers)
    found = [(box.title, [(line.words, line.leads_to) for line in box.lines]) for box in writers.boxes(run)]
    copying = "init_pvh_bootparams, pvh.c -> boot_params"

    assert [
        ("pvh_start_xen, entry.S", [("cmdline_paddr", "pvh_start_info")]),
        ("pvh_start_info", [("cmdline_paddr  x7", copying), ("1 field written, 1 copied on", None)]),
        (
            "init_pvh_bootparams, pvh.c",
            [("hdr.cmd_line_ptr", "boot_params"), ("e820_table[].addr  x6", "boot_params")],
        ),
        ("boot_params", [("2 fields written, 0 copied on", None), ("1 field only cleared", None)]),
    ] == found


def test_a_recording_without_who_says_how_to_get_it() -> None:
    assert "  record with: pvhdbg who --all --format json" in writers.as_text(load(GUEST))


def test_an_arrow_past_other_columns_goes_above_their_boxes() -> None:
    lines = [Line("a", "far"), Line("b", "next"), Line("c", "far")]
    middle = [Box("next", "next", (Line("x"),) * 9, 1), Box("under", "under", (Line("y"),) * 9, 1)]
    drawing = graph.draw([Box("first", "first", tuple(lines), 0), *middle, Box("far", "far", (), 2)], "who", "title")
    paths = [node.getAttribute("d") for node in elements(drawing, "path") if node.getAttribute("class") == "arrow"]
    lanes = [float(match[1]) for path in paths for match in re.finditer(r" L[0-9.]+,([0-9.]+)", path)]
    top = min(box.y for box in boxes(drawing, "box"))

    assert (3, 2, 2) == (len(paths), len(lanes), len({*lanes}))
    assert max(lanes) < top
    assert [] == overlapping(drawing)
