from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.manual.wrap import PAGES, wrapped

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_all_paragraphs_of_a_page_are_wrapped_at_the_same_width(page: Path) -> None:
    text = page.read_text(encoding="utf-8")

    assert wrapped(text) == text, "run: python -m tests.manual.wrap"


def test_tables_headings_and_code_are_not_wrapped() -> None:
    page = "# A\n\n| a | b |\n|---|---|\n\n    code\n    more code\n\n- one\n  two\n- three\n"

    assert page.replace("one\n  two", "one two") == wrapped(page)
