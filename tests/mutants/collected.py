"""Run some of the tests that pytest collected, and note what they call."""

from __future__ import annotations

import sys
import threading
import time
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple, Self

from tests.paths import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from types import CodeType, FrameType, TracebackType

    import pytest

PACKAGE = f"{ROOT / 'pvhdbg'}/"


def _pairs(items: Sequence[pytest.Item]) -> Iterator[tuple[pytest.Item, pytest.Item | None]]:
    yield from pairwise(items)
    if items:
        yield items[-1], None


class Failures:
    """A pytest plug-in that collects the tests, and the files with tests, that fail."""

    def __init__(self) -> None:
        self.found: list[str] = []

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed:
            self.found.append(report.nodeid)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.failed:
            self.found.append(report.nodeid)

    def first(self, items: Sequence[pytest.Item]) -> str:
        """Run tests until one fails, and return it, or an empty text."""
        for item, following in _pairs(items):
            item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
            if self.found:
                return self.found[0]
        return ""


class Calls:
    """Notes the functions of the package that are called meanwhile, as `PATH:FIRST LINE`."""

    def __init__(self) -> None:
        self.codes: dict[int, CodeType] = {}

    def __enter__(self) -> Self:
        threading.setprofile(self._profile)
        sys.setprofile(self._profile)
        return self

    def __exit__(self, _type: type[BaseException] | None, _error: object, _trace: TracebackType | None) -> None:
        sys.setprofile(None)
        threading.setprofile(None)

    def _profile(self, frame: FrameType, event: str, _argument: object) -> None:
        if event == "call":
            self.codes[id(frame.f_code)] = frame.f_code

    @property
    def functions(self) -> set[str]:
        inside = (code for code in self.codes.values() if code.co_filename.startswith(PACKAGE))
        return {f"pvhdbg/{code.co_filename.removeprefix(PACKAGE)}:{code.co_firstlineno}" for code in inside}


class Record(NamedTuple):
    """What the unchanged tests do: the seconds of each that passes, those that fail, the tests that call a function."""

    seconds: dict[str, float]
    failed: list[str]
    callers: dict[str, list[str]]

    @classmethod
    def of(cls, items: Sequence[pytest.Item], failures: Failures) -> Record:
        record = cls({}, failures.found, {})
        for item, following in _pairs(items):
            began = time.monotonic()
            with Calls() as calls:
                item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
            record.seconds[item.nodeid] = time.monotonic() - began
            for function in calls.functions:
                record.callers.setdefault(function, []).append(item.nodeid)
        return record
