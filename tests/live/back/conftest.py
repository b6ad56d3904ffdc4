"""A machine that takes snapshots."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from pvhdbg import guest
from pvhdbg.boot.lab.assignment import parse_assignment
from pvhdbg.boot.run.entry_changes import EntryChanges
from pvhdbg.image.load import open_kernel
from pvhdbg.live.back.going_back import RewindableDebuggee
from tests.live.conftest import Boot

Start = Callable[..., RewindableDebuggee]


@pytest.fixture
def at_prepare(boot: Boot) -> Start:
    """Start a machine that takes snapshots, run it to `prepare`, and take the first snapshot."""

    def start(path: Path = guest.ELF, changes: tuple[str, ...] = (), **options: object) -> RewindableDebuggee:
        machine = boot(path, **{"no_snapshots": None, **options})
        kernel = open_kernel(str(path), machine.folder)
        machine.target.symbols = kernel.symbols
        assert machine.qemu is not None
        entry_changes = EntryChanges(None, ["as-is", *map(parse_assignment, changes)] if changes else [])
        debuggee = RewindableDebuggee(machine, kernel, machine.qemu.options, 30, (), entry_changes)
        debuggee.to_first_stop()
        debuggee.keep_snapshot()
        return debuggee

    return start


def state_of(debuggee: RewindableDebuggee) -> tuple[object, ...]:
    capture = debuggee.session.current()
    return capture.stage, capture.registers, capture.memory
