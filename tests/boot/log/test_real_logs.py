"""The log of real kernels: the same lines as on the kernel's own console, and complete where there is no console."""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING

import pytest

from pvhdbg.boot.log.kernel_log import KernelLog, read_kernel_log
from pvhdbg.boot.stop.map_entries import decode_entries
from pvhdbg.errors import SymbolMissing
from pvhdbg.live.qemu.options import DEFAULT_APPEND, QemuOptions
from pvhdbg.target.base import HIT
from tests import bios_e820
from tests.boot.real_boot import PATIENCE, stub_at_reset

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pvhdbg.boot.run.journey import Journey
    from pvhdbg.image.facts import ImageFacts
    from pvhdbg.live.debuggee.stub_machine import StubMachine
    from pvhdbg.target.base import Target

LATE = "rest_init"
"""The last function of start_kernel: the console works."""
DEBUG = 7
"""The log level that the console does not show."""
STAMPED = re.compile(r"\[ *\d+\.\d{6}\].*")


class WithoutLayouts:
    """A Target that does not know the debug information."""

    def __init__(self, target: Target) -> None:
        self.read_phys, self.register, self._symbol = target.read_phys, target.register, target.symbol

    def symbol(self, name: str) -> int:
        if name.endswith(")"):
            raise SymbolMissing(name)
        return self._symbol(name)


def read(journey: Journey, target: Target | None = None) -> KernelLog:
    return read_kernel_log(target or journey.target, journey.capture_now().registers, journey.image)


def run_to(journey: Journey, machine: StubMachine, place: str) -> KernelLog:
    """Run to a stage or to a function, and read the log there, with and without the debug information."""
    if place == "e820":
        halts = [halt.kind for halt in journey.go(place, PATIENCE)]
    else:
        halts = [machine.runner.run_to([machine.target.symbol(place)], PATIENCE).kind]
    assert {HIT} == set(halts)
    log = read(journey)

    assert log == read(journey, WithoutLayouts(journey.target))
    return log


def console_until(machine: StubMachine, last: str) -> str:
    """Wait for a line on the console, and return what the console has."""
    assert machine.qemu is not None
    deadline = time.monotonic() + PATIENCE
    while last not in (text := machine.qemu.serial.text().decode("latin-1")) and time.monotonic() < deadline:
        time.sleep(0.01)
    return text.replace("\r", "")


def lost(whole: list[str], console: str) -> list[str]:
    """Return the lines that differ, other than by one lost byte: the UART can lose one when Linux resets its queue.

    Two consoles show some lines. If the end of a line is lost, the next line follows it directly.
    """
    shown = dict.fromkeys(line for line in console.split("\n") if STAMPED.fullmatch(line))
    missing = [line for line in whole if line not in shown]
    assert len([line for line in shown if line not in whole]) <= len(missing)
    return [line for line in missing if not any(part in console for part in _without_a_byte(f"{line}\n"))]


def _without_a_byte(line: str) -> Iterator[str]:
    return (line[:at] + line[at + 1 :] for at in range(len(line)))


def test_the_log_has_the_lines_of_the_kernels_own_console(debian_vmlinux: Path) -> None:
    options = QemuOptions(kernel=str(debian_vmlinux), append=DEFAULT_APPEND, machine="q35")
    with stub_at_reset(options) as (machine, journey):
        log = run_to(journey, machine, LATE)
        shown = [line.stamped for line in log.lines if line.level is not None and line.level < DEBUG]

        assert [] == lost(shown, console_until(machine, shown[-1]))
        assert len(shown) > 60
        assert 0 == log.dropped


def test_without_a_console_the_log_has_the_map_that_the_kernel_built(debian_vmlinux: Path) -> None:
    with stub_at_reset(QemuOptions(kernel=str(debian_vmlinux), append="", machine="microvm")) as (machine, journey):
        before = [read(journey) for halt in journey.go("entry", PATIENCE) if halt.kind == HIT]
        log = run_to(journey, machine, "e820")
        table = journey.history[-1].e820_table
        assert table is not None
        console = "".join(f"{line.stamped}\n" for line in log.lines).encode("latin-1")
        assert machine.qemu is not None

        assert [KernelLog()] == before
        assert decode_entries(table.entries) == tuple(
            (addr, size, kind) for addr, size, kind in bios_e820.ranges(console)
        )
        assert log.lines[0].text.startswith(f"Linux version {release_of(journey.image)} (")
        assert b"" == machine.qemu.serial.text()


def release_of(image: ImageFacts | None) -> str | None:
    return image.release if image else None


def test_a_ring_that_the_kernel_allocated_at_boot_is_read_through_its_page_tables(vmlinux_61: Path) -> None:
    options = QemuOptions(kernel=str(vmlinux_61), append=f"{DEFAULT_APPEND} log_buf_len=4M", machine="q35")
    with stub_at_reset(options) as (machine, journey):
        log = run_to(journey, machine, LATE)
        shown = [line.stamped for line in log.lines if line.level is not None and line.level < DEBUG]

        assert [] == lost(shown, console_until(machine, shown[-1]))
        assert any("log_buf_len: 4194304 bytes" in line for line in shown)


@pytest.mark.parametrize("stage", ["kernel", "e820"])
def test_the_teaching_guest_has_no_log(stage: str) -> None:
    from pvhdbg import guest

    with stub_at_reset(QemuOptions(kernel=str(guest.ELF), append="")) as (_, journey):
        assert {HIT} == {halt.kind for halt in journey.go(stage, PATIENCE)}
        assert "the kernel has no symbol prb" == (read(journey).missing or "").partition(":")[0]
