"""Which names `explain` knows besides fields, and in which order it explains several things with one name."""

from __future__ import annotations

import pytest

from pvhdbg.tui.lines.signs import UNICODE
from pvhdbg.views.explain import lookup


def test_every_sign_of_stages_findings_and_the_state_of_the_guest_is_explained() -> None:
    for sign in {*UNICODE.stages.values(), *UNICODE.findings.values(), *UNICODE.runs.values()} - {UNICODE.more}:
        assert [f"term {sign}"] == [about.title for about in lookup.explain(sign)]


@pytest.mark.parametrize("name", ["gdt", "stage", "log"])
def test_the_thing_comes_before_the_key_of_a_recording(name: str) -> None:
    titles = [about.title for about in lookup.explain(name)]

    assert len(titles) > 1
    assert ["in a recording" in title for title in titles] == sorted("in a recording" in title for title in titles)
