"""The Target for a gdb/MI client."""

from __future__ import annotations

import re
from contextlib import contextmanager
from typing import TYPE_CHECKING

from pvhdbg.errors import MemoryUnreadable, RegisterUnavailable, SymbolMissing
from pvhdbg.target import monitor
from pvhdbg.target.base import NO_MONITOR
from pvhdbg.target.mi import console_command, wait_for_reply
from pvhdbg.target.mi_memory import PHY_MEM_MODE, MiMemory

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pvhdbg.target.base import Symbols
    from pvhdbg.target.mi import Mi, Reply

_REGISTER_NAMES = re.compile(r'"([^"]*)"')
# A register that is <unavailable> does not match.
_VALUES = re.compile(r'number="([0-9]+)",value="0x([0-9a-f]{1,16})"')
_THREAD = re.compile(r'thread-id="([0-9]{1,9})"')
_GENERAL = ("ax", "bx", "cx", "dx", "si", "di", "bp", "sp", "ip")
_NAME_OF = {f"e{name}": f"r{name}" for name in _GENERAL} | {
    name: name
    for name in (
        *(f"r{name}" for name in _GENERAL),
        *(f"r{number}" for number in range(8, 16)),
        *("eflags", "cs", "ss", "ds", "es", "fs", "gs", "fs_base", "gs_base", "k_gs_base"),
        *("cr0", "cr2", "cr3", "cr4", "cr8", "efer", "mxcsr"),
    )
}


class MiTarget:
    """A WritableTarget that uses MI, for one connection to a machine.

    Registers are those of the boot CPU in its innermost frame, even if the user has selected another thread or frame.
    The other CPUs wait at the reset vector, and RIP in an outer frame is only a return address.
    """

    def __init__(
        self,
        mi: Mi,
        symbols: Symbols | None = None,
        *,
        physical_memory: str | None = PHY_MEM_MODE,
        has_monitor: bool = True,
    ) -> None:
        self.symbols = symbols
        self.has_monitor = has_monitor
        self._mi = mi
        self._memory = MiMemory(mi, physical_memory)
        self._names = mi.send("-data-list-register-names")
        self._threads = mi.send("-thread-list-ids")
        self._register_names: dict[str, str] | None = None
        self._registers: dict[str, int] = {}
        self._monitor_registers: dict[str, int] | None = None
        self._generation = -1

    @property
    def physical_memory(self) -> str | None:
        """How memory is read: PHY_MEM_MODE, MONITOR or None. See MiMemory."""
        return self._memory.method

    def read_phys(self, paddr: int, size: int) -> bytes:
        if size <= 0:
            return b""
        self._check_range(paddr, size)
        return self._memory.read(paddr, size)

    def write_phys(self, paddr: int, data: bytes) -> None:
        self._check_range(paddr, len(data))
        self._memory.write(paddr, data)

    @contextmanager
    def physical_reads(self) -> Iterator[None]:
        """Within the block, switch the stub's mode at most once. The block must not send console commands.

        :raise NotConnected: at the end of the block, if gdb is gone or does not answer. What was read in the block is
            then incomplete, though each part of it may say so.
        """
        with self._memory.physical_reads():
            yield
        self._mi.check()

    def register(self, name: str) -> int:
        if name in monitor.NAMES:
            return self._monitor_register(name)
        self._refresh()
        if not self._registers:
            self._registers = self._read_registers()
        if name not in self._registers:
            raise RegisterUnavailable(name, "this machine has no such register")
        return self._registers[name]

    def symbol(self, name: str) -> int:
        if self.symbols is None:
            raise SymbolMissing(name)
        return self.symbols.address(name)

    def monitor(self, command: str) -> str:
        """Return the answer of QEMU's monitor to a command.

        :raise TargetError: if the stub has no monitor.
        """
        return self._ask(console_command(f"monitor {command}")).text.replace("\r", "")

    @property
    def is_32bit(self) -> bool:
        """Whether the machine has a 32-bit CPU. The CPU's current mode does not matter."""
        return "eax" in self._numbers().values()

    def _ask(self, command: str) -> Reply:
        return wait_for_reply(self._mi, self._mi.send(command))

    def _check_range(self, paddr: int, size: int) -> None:
        if paddr < 0 or paddr + size > 1 << 64:
            raise MemoryUnreadable(paddr, size, "address out of range")
        if paddr + size > 1 << 32 and self.is_32bit:
            raise MemoryUnreadable(paddr, size, "gdb can't read above 4 GiB on a 32-bit machine")

    def _refresh(self) -> None:
        if self._generation != self._mi.generation:
            self._generation = self._mi.generation
            self._registers = {}
            self._monitor_registers = None

    def _numbers(self) -> dict[str, str]:
        """Return the registers in _NAME_OF: gdb's name for each, by gdb's number."""
        if self._register_names is None:
            names = _REGISTER_NAMES.findall(wait_for_reply(self._mi, self._names).line)
            # On a 64-bit machine, gdb also has eax, the lower half of rax, and so on.
            halves = {name for name, whole in _NAME_OF.items() if name != whole and whole in names}
            self._register_names = {
                str(n): name for n, name in enumerate(names) if name in _NAME_OF and name not in halves
            }
        return self._register_names

    def _read_registers(self) -> dict[str, int]:
        names = self._numbers()
        command = f"-data-list-register-values --thread {self.boot_cpu} --frame 0 x {' '.join(names)}"
        values = _VALUES.findall(self._ask(command).line)
        return {_NAME_OF[names[number]]: int(value, 16) for number, value in values if number in names}

    @property
    def boot_cpu(self) -> int:
        """The first CPU's thread number in gdb."""
        return min(map(int, _THREAD.findall(wait_for_reply(self._mi, self._threads).line)), default=1)

    def _monitor_register(self, name: str) -> int:
        self._refresh()
        if self._monitor_registers is None:
            self._monitor_registers = self._ask_monitor_registers()
        if name not in self._monitor_registers:
            raise RegisterUnavailable(name, NO_MONITOR if not self.has_monitor else f"the monitor does not show {name}")
        return self._monitor_registers[name]

    def _ask_monitor_registers(self) -> dict[str, int]:
        return monitor.parse_registers(self.monitor("info registers")) if self.has_monitor else {}
