"""Fixtures: a machine for each test."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from pvhdbg import guest
from pvhdbg.live.debuggee.own_machine import OwnMachine
from pvhdbg.live.gdb.process import GdbOptions
from tests.live.runs import booted, use_symbols

Boot = Callable[..., OwnMachine]


@pytest.fixture
def boot() -> Iterator[Boot]:
    """Start a machine at its reset vector. It boots the teaching guest by default. `options` are for QemuOptions."""
    with ExitStack() as stack:

        def start(kernel: Path = guest.ELF, gdb: GdbOptions | None = None, **options: object) -> OwnMachine:
            return booted(stack.enter_context(OwnMachine(gdb)), kernel, options)

        yield start


@pytest.fixture
def teaching(boot: Boot) -> OwnMachine:
    """The teaching guest at the reset vector, with its symbols."""
    machine = boot()
    use_symbols(machine)
    return machine
