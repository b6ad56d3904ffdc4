"""What the Targets and the Runners for QEMU's gdb stub have in common, whether gdb asks the stub or pvhdbg does."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from contextlib import nullcontext
from typing import TYPE_CHECKING, Protocol

from pvhdbg.errors import MemoryUnreadable, NotConnected, RegisterUnavailable, SymbolMissing, TargetError
from pvhdbg.named_tuple import NamedTuple
from pvhdbg.target import monitor
from pvhdbg.target.base import (
    DIED,
    DOMAIN_CRASH,
    ELSEWHERE,
    HIT,
    INTERRUPTED,
    NO_MONITOR,
    RESET,
    RESET_VECTOR,
    TIMEOUT,
    TRIPLE_FAULT,
    Halt,
)
from pvhdbg.target.nested import WHY_UNKNOWN, XEN, NestedMemory, ram

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence
    from contextlib import AbstractContextManager

    from pvhdbg.target.base import Symbols, Target


_SLICE = 0.5
_END_CHECK_INTERVAL = 1.0
"""Seconds after which pvhdbg stops a running guest, each time, to find out whether it has ended."""
PHY_MEM_MODE, MONITOR = "PhyMemMode", "monitor"
"""How guest-physical memory is read: in a mode of QEMU's stub, or by QEMU's monitor."""


class StubTarget(ABC):
    """A Target whose registers are read all at once, and again after the machine may have changed them.

    `symbols` is None if no kernel file is known. `runs_xen` is whether the machine runs Xen; None if not known.
    """

    def __init__(self, symbols: Symbols | None, *, has_monitor: bool, runs_xen: bool | None) -> None:
        self.symbols = symbols
        self.has_monitor = has_monitor
        self._registers: dict[str, int] = {}
        self._monitor_registers: dict[str, int] | None = None
        self._generation = -1
        self._why_unknown = ""
        self.nested = NestedMemory(self._read_each, lambda: ram(self.monitor), runs_xen=runs_xen)

    def read_phys(self, paddr: int, size: int) -> bytes:
        """See Target."""
        if size <= 0:
            return b""
        return b"".join(self._read_machine(*part) for part in self._machine_ranges(paddr, size))

    def write_phys(self, paddr: int, data: bytes) -> None:
        """See WritableTarget."""
        for start, size in self._machine_ranges(paddr, len(data)):
            self._write_machine(start, data[:size])
            data = data[size:]

    @abstractmethod
    def _read_machine(self, paddr: int, size: int) -> bytes:
        """Read the machine's memory, which is the guest's unless the guest runs on a hypervisor in QEMU."""

    @abstractmethod
    def _write_machine(self, paddr: int, data: bytes) -> None:
        """Write the machine's memory."""

    @abstractmethod
    def _read_each(self, ranges: Sequence[tuple[int, int]]) -> list[bytes | None]:
        """Read (address, size) ranges of the machine's memory at once; None for each that cannot be read."""

    @abstractmethod
    def physical_reads(self) -> AbstractContextManager[None]:
        """Return a context manager in which many reads are cheap."""

    @property
    @abstractmethod
    def physical_memory(self) -> str | None:
        """PHY_MEM_MODE or MONITOR; None if the stub reads only virtual memory."""

    @property
    @abstractmethod
    def is_32bit(self) -> bool:
        """Whether the machine has a 32-bit CPU. The CPU's current mode does not matter."""

    @property
    @abstractmethod
    def boot_cpu(self) -> int:
        """The number that the stub's client gives to the first CPU."""

    @abstractmethod
    def monitor(self, command: str) -> str:
        """Return the answer of QEMU's monitor to a command.

        :raise TargetError: if the stub has no monitor.
        """

    @abstractmethod
    def _read_registers(self) -> dict[str, int]:
        """Read the boot CPU's registers."""

    @abstractmethod
    def _write_register(self, name: str, value: int) -> None:
        """Set one of the boot CPU's registers."""

    @abstractmethod
    def _generation_now(self) -> int:
        """Return a number that changes when memory and registers may have changed."""

    def register(self, name: str) -> int:
        self._refresh()
        if name in monitor.NAMES or name in monitor.COUNTS:
            return self._monitor_register(name)
        registers = self.all_registers()
        if name not in registers:
            raise RegisterUnavailable(name, self._why_unknown or "this machine has no such register")
        return registers[name]

    def all_registers(self) -> dict[str, int]:
        """Return the registers that the stub provides, without those that only the monitor shows."""
        self._refresh()
        if not self._registers:
            self._registers = self._read_registers()
        return self._registers

    def show_guest(self, report: Mapping[str, int] | None = None) -> bool:
        """Until the machine runs again, show the registers of the guest that ran last, if the machine executes Xen.

        `report` has the registers that Xen has printed. Return whether the registers are now the guest's.
        """
        registers = self.all_registers()  # before Xen resets the machine, it disables SVM
        is_in_xen = self.nested.is_in_xen(registers) or (report is not None and registers.get("rip") in XEN)
        if is_in_xen and (saved := self.nested.saved_registers()):
            self._registers = {**(report or {}), **saved}
            self._monitor_registers = {}
            self._why_unknown = WHY_UNKNOWN
        return bool(self._why_unknown)

    def is_in_xen(self) -> bool:
        """Return whether the machine executes Xen, not a guest of it."""
        return self.nested.is_in_xen(self.all_registers())

    def is_on_xen(self) -> bool:
        """Return whether the machine executes Xen or, as far as this is known, a guest of it."""
        return self.nested.is_on_xen(self.all_registers())

    def write_register(self, name: str, value: int) -> None:
        """See ControllableTarget."""
        if name not in self.all_registers():
            raise RegisterUnavailable(name, "this machine has no such register")
        self._registers, self._monitor_registers = {}, None
        self._write_register(name, value)

    def symbol(self, name: str) -> int:
        if self.symbols is None:
            raise SymbolMissing(name)
        return self.symbols.address(name)

    def _machine_ranges(self, paddr: int, size: int) -> Sequence[tuple[int, int]]:
        self._check_range(paddr, size)
        return self.nested.machine_ranges(self.all_registers(), paddr, size)

    def _check_range(self, paddr: int, size: int) -> None:
        if paddr < 0 or paddr + size > 1 << 64:
            raise MemoryUnreadable(paddr, size, "address out of range")
        if paddr + size > 1 << 32 and self.is_32bit:
            raise MemoryUnreadable(paddr, size, "gdb can't read above 4 GiB on a 32-bit machine")

    def _refresh(self) -> None:
        if self._generation != self._generation_now():
            self._generation = self._generation_now()
            self._registers = {}
            self._monitor_registers = None
            self._why_unknown = ""
            self.nested.clear()

    def _monitor_register(self, name: str) -> int:
        if self._monitor_registers is None:
            text = self.monitor("info registers") if self.has_monitor else ""
            self._monitor_registers = monitor.parse_registers(text)
        if name in monitor.COUNTS and name not in self._monitor_registers and self.has_monitor:
            self._monitor_registers |= monitor.count_cpus(self.monitor("info registers -a"))
        if name not in self._monitor_registers:
            reason = f"the monitor does not show {name}" if self.has_monitor else NO_MONITOR
            raise RegisterUnavailable(name, self._why_unknown or reason)
        return self._monitor_registers[name]


def is_halted(target: Target) -> bool:
    """Return whether every CPU waits for an interrupt that it will not take; False if this is not known."""
    try:
        return target.register(monitor.RUNNING) == 0
    except TargetError:
        return False


def others_running(target: Target) -> int:
    """Return how many CPUs besides the boot CPU have not halted for good; 0 if this is not known."""
    try:
        return target.register(monitor.OTHERS_RUNNING)
    except TargetError:
        return 0


class Hypervisor(Protocol):
    """The program that runs the guest (QEMU), controlled without its gdb stub."""

    def status(self) -> str | None:
        """Return the run state as QMP names it; None if QMP does not answer."""
        ...

    def stop(self) -> bool:
        """Stop the guest; return False if QMP does not answer."""
        ...

    def shutdown_reason(self) -> str | None:
        """Return QMP's reason for the run state `shutdown`; None if it is not known."""
        ...

    def find_error_line(self, words: str) -> str:
        """Return the last line of QEMU's error output that contains these words; empty if there is none."""
        ...

    def death(self, timeout: float = 0.0) -> Halt | None:
        """Return how QEMU ended; None if QEMU still runs after `timeout` seconds."""
        ...

    def xen_report(self) -> XenReport | None:
        """Return what Xen has printed about the end of its guest; None without Xen."""
        ...


class XenReport(NamedTuple):
    """What Xen printed about a guest that it ended: why, in Xen's words, and the guest's registers."""

    reason: str
    registers: Mapping[str, int]

    @property
    def how(self) -> str:
        return TRIPLE_FAULT if "triple fault" in self.reason.casefold() else DOMAIN_CRASH


class StubRunner(ABC):
    """A Runner that finds out why the machine stopped, and whether the guest is dead.

    `hypervisor` is None if pvhdbg has no access to QEMU except through the stub.
    """

    def __init__(self, target: Target, hypervisor: Hypervisor | None) -> None:
        self._target = target
        self._hypervisor = hypervisor
        self._dead: Halt | None = None
        self._interrupted = False
        self.end_message: Callable[[], str] = str
        """Describes how the stopped guest has ended; empty if it may continue. The machine's session sets it."""

    @property
    @abstractmethod
    def is_running(self) -> bool:
        """Whether the stub has not reported a stop yet."""

    def run_to(self, addresses: Collection[int], timeout: float) -> Halt:
        """See Runner. If the guest has ended, return TIMEOUT early, and how it ended as the message."""
        self._interrupted = False
        deadline = time.monotonic() + timeout
        while True:
            halt = self._run_for(addresses, max(min(deadline - time.monotonic(), _END_CHECK_INTERVAL), 0.0))
            if halt.kind != TIMEOUT or halt.rip is None or time.monotonic() >= deadline:
                return halt
            if message := monitor.HALTED if is_halted(self._target) else self.end_message():
                return halt._replace(message=message)

    @abstractmethod
    def _run_for(self, addresses: Collection[int], timeout: float) -> Halt:
        """Run like `run_to`, and wait until the timeout even if the guest has halted."""

    @abstractmethod
    def interrupt(self) -> None:
        """Stop the guest, so that `run_to` returns INTERRUPTED. Can be called from any thread and does not wait."""

    @abstractmethod
    def stop(self) -> None:
        """Stop the guest, and wait until it has stopped."""

    def break_on_reset(self) -> AbstractContextManager[None]:
        """Return a context manager in which a reset stops a machine that may boot again. This one can't."""
        return nullcontext()

    def take_remarks(self) -> list[str]:
        """Return, once, what was done to the user's breakpoints."""
        return []

    @abstractmethod
    def _find_death(self) -> Halt | None:
        """Return how the machine died; None if it is alive."""

    @abstractmethod
    def _stop_reason(self) -> str:
        """Return what the stub reported about the last stop, such as a signal."""

    def _users_breakpoint(self) -> str:
        """Return the name of the user's breakpoint at RIP; empty if there is none."""
        return ""

    def death(self) -> Halt | None:
        """Return how the machine died; None if it is alive. A dead machine must not be resumed: gdb or QEMU would hang.

        :raise NotConnected: if the state of the machine is unknown, because gdb or the machine is gone.
        """
        if self._dead is None:
            self._dead = self._find_death() or self._ended_by_xen()
        return self._dead

    def follow(self, other: StubRunner) -> None:
        """Take the place of another Runner of the same machine, which may have found out how the machine died."""
        self._dead = other._dead

    def forget_death(self) -> None:
        """Forget how the machine died: it has gone back to a moment before its death."""
        self._dead = None

    def _judge(self, addresses: Collection[int], *, timed_out: bool) -> Halt:
        """Find out why the machine stopped. Check RIP first, because KVM may report a breakpoint as another stop."""
        if self.is_running:
            return Halt(TIMEOUT, None, message="the guest is running and can't be stopped")
        rip = self._target.register("rip")
        if rip in addresses:
            return Halt(HIT, rip, message=self._users_breakpoint())
        if self._interrupted:
            return Halt(INTERRUPTED, rip)
        if timed_out:
            return Halt(TIMEOUT, rip)
        if rip == RESET_VECTOR:
            return Halt(RESET, rip)
        return Halt(ELSEWHERE, rip, message=self._stop_reason())

    def _wait(self, wait_stop: Callable[[float], bool], timeout: float) -> bool:
        """Wait until the machine stops; return False after `timeout` seconds, or if Xen has ended dom0.

        Xen halts the machine then, which does not stop it for the stub.
        """
        deadline = time.monotonic() + timeout
        while not wait_stop(max(min(_SLICE, deadline - time.monotonic()), 0.0)):
            has_ended = self._hypervisor is not None and self._hypervisor.xen_report() is not None
            if has_ended or time.monotonic() >= deadline:
                return False
        return True

    def _ended_by_xen(self) -> Halt | None:
        """Return how the guest ended, if the machine executes Xen, which has ended the guest; None otherwise."""
        if self.is_running or not isinstance(self._target, StubTarget):
            return None
        try:
            if not self._target.is_in_xen():
                return None
        except NotConnected:  # the next attempt to run the machine finds out how QEMU ended
            return None
        has_halted = is_halted(self._target)
        report = self._hypervisor.xen_report() if self._hypervisor else None
        if report is None and not has_halted:
            return None
        self._target.show_guest(report.registers if report else None)
        how, message = (report.how, f"Xen: {report.reason}") if report else (DOMAIN_CRASH, monitor.HALTED_BY_XEN)
        return Halt(DIED, self._target.register("rip"), how, message)

    def _xen_report(self) -> XenReport | None:
        """Show the registers of a guest that Xen has ended. Return Xen's reason, None without Xen or its console."""
        report = self._hypervisor.xen_report() if self._hypervisor else None
        if isinstance(self._target, StubTarget):
            self._target.show_guest(report.registers if report else None)
        return report

    def _qemu_exit(self, timeout: float) -> Halt | None:
        """Return how QEMU ended; None if it still runs after `timeout` seconds, or pvhdbg did not start it."""
        return self._hypervisor.death(timeout) if self._hypervisor else None

    def _confirm_death(self, suspected: str) -> Halt | None:
        """Return how the guest died, according to QEMU's run state if QMP is available; None if it is alive."""
        reason = self._hypervisor.shutdown_reason() if self._hypervisor and suspected in monitor.DEATHS else None
        status = (self._hypervisor.status() if self._hypervisor else None) or suspected
        found = monitor.describe_death(status, others_running(self._target)) if status in monitor.DEATHS else None
        if found is None:
            return None
        how, message = found
        if (report := self._xen_report()) is not None:
            return Halt(DIED, self._target.register("rip"), report.how, f"Xen: {report.reason}")
        if reason == monitor.GUEST_SHUTDOWN:
            return Halt(DIED, self._target.register("rip"), how, monitor.POWERED_OFF)
        line = self._hypervisor.find_error_line("KVM internal error") if self._hypervisor else ""
        return Halt(DIED, self._target.register("rip"), how, line or message)
