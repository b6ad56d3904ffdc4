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


@pytest.mark.parametrize(
    ("name", "title"),
    [
        ("entry point", "stage entry"),
        ("page table", "term paging"),
        ("panics", "term panic"),
        ("command line", "term command line"),
        ("64-bit", "term long mode"),
        ("virtual", "term physical address"),
    ],
)
def test_words_of_beginners_and_the_plural_and_the_singular_of_a_term_are_known(name: str, title: str) -> None:
    assert [title] == [found.title for found in lookup.explain(name)]
