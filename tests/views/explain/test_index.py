"""The index of all names that `explain` knows, and the text that it prints."""

from __future__ import annotations

import textwrap
from pathlib import Path

import pytest

from pvhdbg.views.explain import explain_text, lookup


def test_the_index_has_the_names_of_all_topics() -> None:
    assert Path(lookup.INDEX).read_text("utf-8") == "".join(lookup.index_lines()), "run `make manual`"


@pytest.mark.parametrize("width", [40, 100])
def test_texts_are_wrapped_as_textwrap_does(width: int) -> None:
    """A word that is wider than a line, such as the path of a Rust function, stays whole."""
    whole_words = textwrap.TextWrapper(width, "  ", "  ", break_on_hyphens=False, break_long_words=False)

    for name in lookup.names():
        for about in lookup.explain(name):
            for text in (about.meaning, *about.details):
                assert whole_words.wrap(text) == explain_text._wrapped(text, width)
