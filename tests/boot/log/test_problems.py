"""The lines of a log that report a problem, as Linux words them."""

from __future__ import annotations

import pytest

from pvhdbg.boot.log.problems import BUG, PANIC, WARNING, Problem, problem


@pytest.mark.parametrize("stamp", ["", "[    0.000000] ", "[12345.678901][    T1] "])
@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("Kernel panic - not syncing: Out of memory", Problem(PANIC, "Out of memory")),
        (
            "BUG: kernel NULL pointer dereference, address: 0",
            Problem(BUG, "BUG: kernel NULL pointer dereference, address: 0"),
        ),
        ("kernel BUG at mm/slub.c:432!", Problem(BUG, "kernel BUG at mm/slub.c:432!")),
        (
            "watchdog: BUG: soft lockup - CPU#0 stuck for 26s!",
            Problem(BUG, "watchdog: BUG: soft lockup - CPU#0 stuck for 26s!"),
        ),
        ("Oops: general protection fault: 0000 [#1]", Problem(BUG, "Oops: general protection fault: 0000 [#1]")),
        ("divide error: 0000 [#1] PREEMPT SMP", Problem(BUG, "divide error: 0000 [#1] PREEMPT SMP")),
        (
            "WARNING: CPU: 0 PID: 0 at init/main.c:9 f+0x1/0x2",
            Problem(WARNING, "CPU: 0 PID: 0 at init/main.c:9 f+0x1/0x2"),
        ),
    ],
)
def test_a_panic_a_bug_and_a_warning_are_found(stamp: str, line: str, expected: Problem) -> None:
    assert expected == problem(stamp + line)


@pytest.mark.parametrize(
    "line",
    [
        "---[ end Kernel panic - not syncing: Out of memory ]---",
        "Command line: panic=-1 WARNING: not one",
        "DEBUG: all is well",
        "Oops: 0002 [#1] PREEMPT SMP",
        "warning: this is a small one",
        "CPU0: Thermal monitoring enabled",
        "",
    ],
)
def test_other_lines_report_no_problem(line: str) -> None:
    assert None is problem(line)
