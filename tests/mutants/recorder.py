"""A pytest plug-in for the mutants: note what each test calls and how long it takes; later, run short tests first."""

from __future__ import annotations

import json
import os
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import CodeType, FrameType

FILE = "PVHDBG_MUTANTS_RECORD"
"""The environment variable with the path of the record: written if it does not exist, otherwise read."""
ONLY, WITHOUT = "PVHDBG_MUTANTS_ONLY", "PVHDBG_MUTANTS_WITHOUT"
"""Environment variables with the path of a JSON list of tests: only these are run, or these are not run."""
UNKNOWN = 1.0
PACKAGE = f"{Path('pvhdbg').absolute()}/"


class Record(NamedTuple):
    """The seconds that each test takes, and the tests by the functions that they call: `PATH:FIRST LINE`."""

    seconds: dict[str, float]
    callers: dict[str, list[str]]

    @classmethod
    def read(cls, path: Path) -> Record:
        return cls(*json.loads(path.read_text("utf-8")))

    def write(self, path: Path) -> None:
        path.write_text(json.dumps(self), "utf-8")


_path = Path(os.environ.get(FILE, ""))
_old = Record.read(_path) if _path.is_file() else None
_new = Record({}, {})
_called: dict[int, CodeType] = {}


def _function(test: str) -> str:
    return test.partition("[")[0]


# The first case of a test may set up something slow for all of them.
_slowest: dict[str, float] = {}
for _test, _seconds in _old.seconds.items() if _old else ():
    _slowest[_function(_test)] = max(_seconds, _slowest.get(_function(_test), 0))


def _profile(frame: FrameType, event: str, _argument: object) -> None:
    if event == "call":
        _called[id(frame.f_code)] = frame.f_code


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    # Identifiers can have control characters, which the command line does not accept.
    for variable, wanted in ((ONLY, True), (WITHOUT, False)):
        if variable in os.environ:
            listed = set(json.loads(Path(os.environ[variable]).read_text("utf-8")))
            items[:] = [item for item in items if (item.nodeid in listed) == wanted]
    if _old:
        items.sort(key=lambda item: _slowest.get(_function(item.nodeid), UNKNOWN))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    if _old:
        return (yield)
    _called.clear()
    threading.setprofile(_profile)
    sys.setprofile(_profile)
    try:
        return (yield)
    finally:
        sys.setprofile(None)
        threading.setprofile(None)
        for code in _called.values():
            if code.co_filename.startswith(PACKAGE):
                path = f"pvhdbg/{code.co_filename.removeprefix(PACKAGE)}"
                _new.callers.setdefault(f"{path}:{code.co_firstlineno}", []).append(item.nodeid)


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    _new.seconds[report.nodeid] = _new.seconds.get(report.nodeid, 0.0) + report.duration


def pytest_sessionfinish() -> None:
    if not _old:
        _new.write(_path)
