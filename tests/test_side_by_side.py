"""Every test file is in exactly one part of the tests that run side by side."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests import side_by_side
from tests.side_by_side import SLOWEST_FIRST, TESTS, parts

if TYPE_CHECKING:
    from pathlib import Path


def test_every_test_file_is_in_exactly_one_part() -> None:
    files = [
        file for part in parts() for path in part for file in ([path] if path.is_file() else path.rglob("test_*.py"))
    ]

    assert sorted(TESTS.rglob("test_*.py")) == sorted(files)


def test_the_slowest_folders_start_first() -> None:
    assert [*SLOWEST_FIRST] == [part[0].name for part in parts()][: len(SLOWEST_FIRST)]


@pytest.mark.parametrize(
    ("content", "status"), [("def test_it():\n    assert 1\n", 0), ("def test_it():\n    assert 0\n", 1)]
)
def test_a_failure_is_in_the_status_and_in_the_output(
    content: str, status: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "test_one.py"
    path.write_text(content)
    monkeypatch.setattr(side_by_side, "ROOT", path.parent)
    done = side_by_side.run([path])

    assert status == done.status
    assert ("1 passed" if not status else "1 failed") in done.output
