"""A machine that takes snapshots."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from pvhdbg import guest
from pvhdbg.live.back.going_back import RewindableDebuggee
from pvhdbg.live.debuggee.own_machine import OwnMachine
from tests.live.runs import rewindable

Start = Callable[..., RewindableDebuggee]


@pytest.fixture
def at_prepare() -> Iterator[Start]:
    """Start a machine that takes snapshots, run it to `prepare`, and take the first snapshot."""
    with ExitStack() as stack:

        def start(path: Path = guest.ELF, changes: tuple[str, ...] = (), **options: object) -> RewindableDebuggee:
            debuggee = rewindable(stack.enter_context(OwnMachine()), path, changes, **options)
            debuggee.keep_snapshot()
            return debuggee

        yield start


def state_of(debuggee: RewindableDebuggee) -> tuple[object, ...]:
    capture = debuggee.session.current()
    return capture.stage, capture.registers, capture.memory
