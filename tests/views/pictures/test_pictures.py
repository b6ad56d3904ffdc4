"""Every picture of every recording: valid XML, no text over another, and guest text as text."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pvhdbg.boot.record.document import DONE, Document, MachineFacts, Outcome
from pvhdbg.boot.record.replay import load
from pvhdbg.views.pictures.markup import to_svg
from pvhdbg.views.pictures.table import PICTURES
from tests.paths import RECORDINGS
from tests.views.hostile import hostile
from tests.views.pictures.sheets import elements, overlapping

if TYPE_CHECKING:
    from pathlib import Path


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
    assert ("<script>" in shown) is (name in ("handover", "stages"))
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
