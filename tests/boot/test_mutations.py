"""What `make mutate` counts: a boot that did not run is never right."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from pvhdbg.errors import UserError
from tests import kernels
from tests.boot import mutations

SEEDS = 1, 4


def results(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], boot: object) -> tuple[int, list[str]]:
    """Return the exit status and the output if every boot is this one."""
    monkeypatch.setattr(mutations.Mutation, "boot", boot)
    status = mutations.main(*SEEDS)
    return status, capsys.readouterr().out.splitlines()


def deviates(deviation: str | None) -> object:
    return lambda _mutation: SimpleNamespace(deviation=lambda: deviation)


def fails(error: Exception) -> object:
    def boot(_mutation: mutations.Mutation) -> None:
        raise error

    return boot


def test_a_boot_without_a_deviation_is_right(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    last = "4 mutations from seed 1: the model was right for 4 and wrong for 0; 0 were not run"

    assert (0, [last]) == results(monkeypatch, capsys, deviates(None))


def test_a_boot_with_a_deviation_is_wrong_and_printed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    status, [first, *_, last] = results(monkeypatch, capsys, deviates("different e820_table"))

    assert 1 == status
    assert first.startswith("seed 1: ")
    assert first.endswith(": different e820_table")
    assert "4 mutations from seed 1: the model was right for 0 and wrong for 4; 0 were not run" == last


@pytest.mark.parametrize(
    ("error", "expected_status"),
    [(kernels.MissingError("vmlinux-6.1 is not in /cache"), 1), (UserError("modules[0].paddr: no such item"), 0)],
)
def test_a_boot_that_did_not_run_is_not_right_and_says_why(
    error: Exception, expected_status: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    status, [first, *_, last] = results(monkeypatch, capsys, fails(error))

    assert expected_status == status
    assert first.endswith(f": not run: {error}")
    assert "4 mutations from seed 1: the model was right for 0 and wrong for 0; 4 were not run" == last
