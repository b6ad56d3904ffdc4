"""Whether the tests notice a mutant."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING

from tests.mutants.change import change_functions
from tests.mutants.checkout import TEST_SECONDS, mirrors
from tests.mutants.fork import in_fork
from tests.mutants.process import first_failure_in_process

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import pytest

    from tests.mutants.collected import Failures, Record
    from tests.mutants.operators import Mutant

CAUGHT, SURVIVED, TIMED_OUT, UNJUDGED = "caught", "SURVIVED", "timed out", "UNJUDGED"
TIMES, FAR = 10, 4
"""Mutants have this many times what the unchanged tests took, which must end this many times earlier."""


class Judge:
    """Judges mutants with the tests that pytest collected in this process.

    `early` are functions that were called until then: a change comes too late for what was made of their results.
    """

    def __init__(self, items: Sequence[pytest.Item], failures: Failures, record: Record, early: set[str]) -> None:
        passed = [item for item in items if item.nodeid not in record.failed]
        functions = {item: item.nodeid.partition("[")[0] for item in passed}
        # The first case of a test may set up something slow for all of them.
        slowest: dict[str, float] = {}
        for item, function in functions.items():
            slowest[function] = max(slowest.get(function, 0), record.seconds[item.nodeid])
        self.items = sorted(passed, key=lambda item: slowest[functions[item]])
        self.failures, self.early, self.seconds, self.callers = failures, early, record.seconds, record.callers

    def judge(self, mutant: Mutant) -> tuple[str, str]:
        """Return whether the tests notice the mutant, and the test that does.

        A change in a loaded function is tried on the tests that call it. Any other, and one whose effect may have been
        kept before the tests, is tried on all. The tests that mirror the module come first.
        """
        near = mirrors(mutant.path)

        def distance(item: pytest.Item) -> int:
            return next((number for number, path in enumerate(near) if item.nodeid.startswith(path)), len(near))

        items = sorted(self.items, key=distance)
        function = f"{mutant.path}:{mutant.function}"
        if mutant.function and in_fork(lambda: change_functions(mutant), TEST_SECONDS):
            callers = set(self.callers.get(function, ()))
            answer = self._in_functions(mutant, [item for item in items if item.nodeid in callers])
            if answer[0] != SURVIVED or function not in self.early:
                return answer
        near_first = (list(group) for _, group in groupby(items, key=distance))
        answers = (self._in_process(mutant, group) for group in near_first)
        return next((answer for answer in answers if answer[0] != SURVIVED), (SURVIVED, ""))

    def _in_functions(self, mutant: Mutant, items: Sequence[pytest.Item]) -> tuple[str, str]:
        def changed() -> str:
            change_functions(mutant)
            return self.failures.first(items)

        return self._verdict(items, changed, lambda: self.failures.first(items))

    def _in_process(self, mutant: Mutant, items: Sequence[pytest.Item]) -> tuple[str, str]:
        tests = [item.nodeid for item in items]
        same = mutant._replace(text=mutant.source[mutant.start : mutant.end].decode())
        return self._verdict(
            items, lambda: first_failure_in_process(mutant, tests), lambda: first_failure_in_process(same, tests)
        )

    def _verdict(
        self, items: Sequence[pytest.Item], changed: Callable[[], str], unchanged: Callable[[], str]
    ) -> tuple[str, str]:
        def alone(test: str) -> str:
            return self.failures.first([item for item in items if item.nodeid == test])

        return verdict(changed, unchanged, alone, TEST_SECONDS + TIMES * sum(self.seconds[it.nodeid] for it in items))


def verdict(
    changed: Callable[[], str], unchanged: Callable[[], str], alone: Callable[[str], str], limit: float
) -> tuple[str, str]:
    """Return what a mutant's tests show, and the one that fails, after runs of all of them and of the failed one alone.

    Each returns the first test that fails. Only what the unchanged tests do not do counts: failing, or not ending.
    """
    failed = in_fork(changed, limit)
    if failed is None:
        return (UNJUDGED if in_fork(unchanged, limit / FAR) is None else TIMED_OUT), ""
    if not failed:
        return SURVIVED, ""
    return (CAUGHT if in_fork(lambda: alone(failed), TEST_SECONDS / FAR) == "" else UNJUDGED), failed
