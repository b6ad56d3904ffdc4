"""What the two Targets for QEMU's gdb stub have in common: the one that asks gdb, and the one that asks the stub."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

from pvhdbg.errors import MemoryUnreadable, RegisterUnavailable, SymbolMissing
from pvhdbg.target import monitor
from pvhdbg.target.base import NO_MONITOR

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from pvhdbg.target.base import Symbols


class StubTarget(ABC):
    """A Target whose registers are read all at once, and again after the machine may have changed them.

    `symbols` is None if no kernel file is known.
    """

    def __init__(self, symbols: Symbols | None, *, has_monitor: bool) -> None:
        self.symbols = symbols
        self.has_monitor = has_monitor
        self._registers: dict[str, int] = {}
        self._monitor_registers: dict[str, int] | None = None
        self._generation = -1

    @abstractmethod
    def read_phys(self, paddr: int, size: int) -> bytes:
        """See Target."""

    @abstractmethod
    def write_phys(self, paddr: int, data: bytes) -> None:
        """See WritableTarget."""

    @abstractmethod
    def physical_reads(self) -> AbstractContextManager[None]:
        """Return a context manager in which many reads are cheap."""

    @property
    @abstractmethod
    def physical_memory(self) -> str | None:
        """How physical memory is read; None if the stub reads only virtual memory."""

    @property
    @abstractmethod
    def is_32bit(self) -> bool:
        """Whether the machine has a 32-bit CPU. The CPU's current mode does not matter."""

    @abstractmethod
    def monitor(self, command: str) -> str:
        """Return the answer of QEMU's monitor to a command.

        :raise TargetError: if the stub has no monitor.
        """

    @abstractmethod
    def _read_registers(self) -> dict[str, int]:
        """Read the boot CPU's registers."""

    @abstractmethod
    def _generation_now(self) -> int:
        """Return a number that changes when memory and registers may have changed."""

    def register(self, name: str) -> int:
        self._refresh()
        if name in monitor.NAMES:
            return self._monitor_register(name)
        if not self._registers:
            self._registers = self._read_registers()
        if name not in self._registers:
            raise RegisterUnavailable(name, "this machine has no such register")
        return self._registers[name]

    def symbol(self, name: str) -> int:
        if self.symbols is None:
            raise SymbolMissing(name)
        return self.symbols.address(name)

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

    def _monitor_register(self, name: str) -> int:
        if self._monitor_registers is None:
            text = self.monitor("info registers") if self.has_monitor else ""
            self._monitor_registers = monitor.parse_registers(text)
        if name not in self._monitor_registers:
            raise RegisterUnavailable(name, f"the monitor does not show {name}" if self.has_monitor else NO_MONITOR)
        return self._monitor_registers[name]
