"""Every test file is in exactly one part of the tests that run side by side."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests import side_by_side
from tests.side_by_side import MOST_AGAIN, SLOWEST_FIRST, TESTS, parts

if TYPE_CHECKING:
    from pathlib import Path

    Capture = pytest.CaptureFixture[str]


def test_every_test_file_is_in_exactly_one_part() -> None:
    files = [
        file for part in parts() for path in part for file in ([path] if path.is_file() else path.rglob("test_*.py"))
    ]

    assert sorted(TESTS.rglob("test_*.py")) == sorted(files)


def test_the_slowest_folders_start_first() -> None:
    assert [*SLOWEST_FIRST] == [part[0].name for part in parts()][: len(SLOWEST_FIRST)]


FLAKY = """
from pathlib import Path

def test_it():
    path = Path(__file__).with_name("ran")
    first, _ = not path.exists(), path.touch()
    assert not first
"""


@pytest.mark.parametrize(
    ("content", "status", "verdict"),
    [
        ("def test_it():\n    assert 0\n", 1, "FAILED: test_one.py::test_it"),
        (FLAKY, 0, "failed once, passed alone: test_one.py::test_it"),
        ("import nothing_of_this_name\n", 1, "FAILED: test_one.py"),
        ("def test_it(): assert 0\n" + "".join(f"test_{i} = test_it\n" for i in range(MOST_AGAIN)), 1, "FAILED: "),
    ],
    ids=["always fails", "fails once", "cannot be read", "too many failures"],
)
def test_tests_that_fail_run_once_more_and_are_named_last(
    content: str, status: int, verdict: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    path = tmp_path / "test_one.py"
    path.write_text(content)
    monkeypatch.setattr(side_by_side, "ROOT", tmp_path)
    first = side_by_side.run([path], tmp_path / "cache")
    second = side_by_side.run_again(first, [path], tmp_path / "cache")

    assert first.status
    assert status == side_by_side.report([(first, second)])
    assert capsys.readouterr().out.splitlines()[-1].startswith(verdict)


def test_tests_that_pass_have_status_0_and_do_not_run_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "test_one.py"
    path.write_text("def test_it():\n    assert 1\n")
    monkeypatch.setattr(side_by_side, "ROOT", tmp_path)
    done = side_by_side.run([path], tmp_path / "cache")

    assert (0, ()) == (done.status, done.failed)
    assert "1 passed" in done.output
    assert done is side_by_side.run_again(done, [path], tmp_path / "cache")
