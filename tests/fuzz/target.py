"""What can be fuzzed: inputs, and what must be true of each."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from hypothesis.strategies import SearchStrategy


class Target(NamedTuple):
    """One part of pvhdbg that reads hostile input.

    `inputs` makes inputs that Python can write as literals (bytes, str, int, tuple, list, dict, None), so that a
    finding can be saved. `check` reads one of them: it returns one of `outcomes`, and raises if pvhdbg did something
    wrong. If one of the outcomes never happens in a run, the run tests less than it claims. An input may take
    `seconds` of CPU time. The tests run `in_tests` inputs.
    """

    name: str
    inputs: SearchStrategy[Any]
    check: Callable[[Any], str]
    outcomes: frozenset[str]
    seconds: float = 2.0
    in_tests: int = 200
