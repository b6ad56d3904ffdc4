"""Every test file is in exactly one part of the tests that run side by side."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from tests import side_by_side
from tests.kernels import rfc_vmlinux, state, vmlinux
from tests.side_by_side import MOST_AGAIN, NEEDS, SLOWEST_FIRST, TESTS, Part, Queue, parts

if TYPE_CHECKING:
    from pathlib import Path

    Capture = pytest.CaptureFixture[str]


def test_every_test_file_is_in_exactly_one_part() -> None:
    files = [file for part in parts() for file in part.files]

    assert sorted(TESTS.rglob("test_*.py")) == sorted(files)


def test_the_slowest_parts_start_first() -> None:
    names = list(dict.fromkeys(part.name for part in parts()))

    assert names[: len(SLOWEST_FIRST)] == [*SLOWEST_FIRST]


def test_each_path_with_its_own_need_exists() -> None:
    assert [] == [name for name in NEEDS if not (TESTS / name).exists()]


def test_a_part_waits_for_its_kernels_and_others_start_before_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    built, fetched, free = (Part(f"part {kernels}", kernels, ()) for kernels in reversed(state.ORDER))
    queue = Queue((built, fetched, free), tmp_path)
    arrivals = iter((state.FETCHED, state.BUILT))
    monkeypatch.setattr(time, "sleep", lambda _seconds: (tmp_path / next(arrivals)).touch())

    assert [free, fetched, built, None] == [queue.take() for _ in range(4)]
    assert [built, fetched] == [Queue((built, fetched), None).take(), Queue((fetched,), None).take()]


@pytest.mark.parametrize(
    ("allowed", "needed"),
    [(state.NONE, state.FETCHED), (state.NONE, state.BUILT), (state.FETCHED, state.BUILT)],
)
def test_a_kernel_for_which_a_part_did_not_wait_is_an_error_not_a_skipped_test(
    allowed: str, needed: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(state.MAY_USE, allowed)

    with pytest.raises(RuntimeError, match=r"see NEEDS in tests/side_by_side\.py"):
        vmlinux("6.1") if needed == state.FETCHED else rfc_vmlinux()
    for kernels in state.ORDER[: state.ORDER.index(allowed) + 1]:
        state.check_may_use(kernels)


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
    part = Part("one", state.NONE, (path,))
    first = side_by_side.run(part, tmp_path / "cache")
    second = side_by_side.run_again(first, part, tmp_path / "cache")

    assert first.status
    assert status == side_by_side.report([(first, second)])
    assert capsys.readouterr().out.splitlines()[-1].startswith(verdict)


def test_tests_that_pass_have_status_0_and_do_not_run_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "test_one.py"
    path.write_text("def test_it():\n    assert 1\n")
    monkeypatch.setattr(side_by_side, "ROOT", tmp_path)
    part = Part("one", state.NONE, (path,))
    done = side_by_side.run(part, tmp_path / "cache")

    assert (0, ()) == (done.status, done.failed)
    assert "1 passed" in done.output
    assert done is side_by_side.run_again(done, part, tmp_path / "cache")
