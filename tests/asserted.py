"""A pytest plug-in: a test that passes without executing an assertion fails."""

from __future__ import annotations

from functools import wraps
from typing import TYPE_CHECKING, Any

import pytest
from _pytest.assertion import util

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_HINT = "no assertion was executed (if every test fails like this, its cache is older than this check: make clean)"


class _Executed:
    """Whether the running test, without its fixtures, has executed an assertion, pytest.raises or pytest.warns."""

    any = False
    in_test = False


def _noting(function: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(function)
    def noting(*args: object, **kwargs: object) -> object:
        _Executed.any = True
        return function(*args, **kwargs)

    return noting


for _name in ("raises", "warns"):
    setattr(pytest, _name, _noting(getattr(pytest, _name)))


def pytest_assertion_pass() -> None:
    if not _Executed.in_test:
        return
    _Executed.any = True
    # One is enough: after it, pytest needs no explanation of further assertions that pass. That saves a fifth of the
    # time. pytest sets this again before the next test.
    util._assertion_pass = None


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call() -> Iterator[None]:
    _Executed.any, _Executed.in_test = False, True
    try:
        yield
    finally:
        _Executed.in_test = False
    if not _Executed.any:
        pytest.fail(_HINT, pytrace=False)
