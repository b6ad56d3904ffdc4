"""A stopped machine behind a gdb that is spoken to over MI."""

from __future__ import annotations

from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, Protocol

from pvhdbg.errors import MemoryUnreadable, NotConnected, RegisterUnavailable, SymbolMissing
from pvhdbg.target import monitor
from pvhdbg.target.base import NO_MONITOR
from pvhdbg.target.mi import MiError, in_console

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pvhdbg.target.mi import Mi, Reply

PHY_MEM_MODE, MONITOR = "PhyMemMode", "monitor"
PHY_MEM_MODE_OFF = in_console("maint packet Qqemu.PhyMemMode:0")
"""The mode outlives a connection: send this after each."""
_PHY_MEM_MODE_ON = in_console("maint packet Qqemu.PhyMemMode:1")

_CHUNK = 0x10000
_WRITE_CHUNK = 0x1000
_XP_CHUNK = 0x400
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


class Symbols(Protocol):
    def address(self, name: str) -> int:
        """:raise SymbolMissing: if there is none of that name."""
        ...


class MiTarget:
    """Target and WritableTarget over MI, for as long as one connection lasts.

    `physical_memory` says how guest-physical memory is read: PhyMemMode of QEMU's stub, QEMU's monitor, or null if the
    stub has neither. Then an address is read as the guest itself sees it, which is right as long as paging is off.
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
        self.physical_memory = physical_memory
        self.has_monitor = has_monitor
        self._mi = mi
        self._depth = 0
        self._names = mi.send("-data-list-register-names")
        self._wanted: dict[str, str] | None = None
        self._registers: dict[str, int] = {}
        self._monitor_registers: dict[str, int] | None = None
        self._generation = -1

    def read_phys(self, paddr: int, size: int) -> bytes:
        if size <= 0:
            return b""
        self._check_range(paddr, size)
        with self.physical():
            if self.physical_memory == MONITOR:
                data = b"".join(self._examine(start, length) for start, length in _split(paddr, size, _XP_CHUNK))
            else:
                data = self._read(paddr, size)
        if len(data) != size:
            raise MemoryUnreadable(paddr, size)
        return data

    def write_phys(self, paddr: int, data: bytes) -> None:
        self._check_range(paddr, len(data))
        if self.physical_memory == MONITOR:
            raise MemoryUnreadable(paddr, len(data), "the monitor can't write memory")
        with self.physical():
            sent = [
                self._mi.send(f"-data-write-memory-bytes {start:#x} {data[start - paddr :][:length].hex()}")
                for start, length in _split(paddr, len(data), _WRITE_CHUNK)
            ]
            try:
                for each in sent:
                    self._wait(each)
            except MiError as error:
                raise MemoryUnreadable(paddr, len(data), "can't be written") from error

    @contextmanager
    def physical(self) -> Iterator[None]:
        """Within, many physical reads cost one switch of the stub's mode. No console command may be sent meanwhile."""
        if self._depth == 0:
            self._switch(physical=True)
        self._depth += 1
        try:
            yield
        finally:
            self._depth -= 1
            if self._depth == 0:
                self._switch(physical=False)

    def register(self, name: str) -> int:
        if name in monitor.NAMES:
            return self._monitor_register(name)
        self._refresh()
        if not self._registers:
            self._registers = self._read_registers()
        if name not in self._registers:
            raise RegisterUnavailable(name, f"this machine has no register {name}")
        return self._registers[name]

    def symbol(self, name: str) -> int:
        if self.symbols is None:
            raise SymbolMissing(name)
        return self.symbols.address(name)

    def monitor(self, command: str) -> str:
        """What QEMU's monitor answers.

        :raise TargetError: if the stub has none.
        """
        return self._ask(in_console(f"monitor {command}")).text.replace("\r", "")

    @property
    def is_32bit(self) -> bool:
        """Whether the stub is one of a 32-bit machine, whatever mode its CPU is in."""
        return "eax" in self._numbers().values()

    def _ask(self, command: str) -> Reply:
        return self._wait(self._mi.send(command))

    def _wait(self, pending: Any) -> Reply:  # noqa: ANN401 - what the client's `send` gave
        try:
            return self._mi.wait(pending)
        except MiError as error:
            if self._mi.connected:
                raise
            raise NotConnected("the machine has gone") from error

    def _switch(self, *, physical: bool) -> None:
        if self.physical_memory == PHY_MEM_MODE:
            self._mi.send(_PHY_MEM_MODE_ON if physical else PHY_MEM_MODE_OFF)
            self._mi.send(in_console("maint flush dcache"))

    def _check_range(self, paddr: int, size: int) -> None:
        if paddr < 0 or paddr + size > 1 << 64:
            raise MemoryUnreadable(paddr, size, "no such physical address")
        if paddr + size > 1 << 32 and self.is_32bit:
            raise MemoryUnreadable(paddr, size, "gdb reaches 4 GiB of a 32-bit machine")

    def _read(self, paddr: int, size: int) -> bytes:
        sent = [
            self._mi.send(f"-data-read-memory-bytes {start:#x} {length}")
            for start, length in _split(paddr, size, _CHUNK)
        ]
        try:
            blocks = [block for each in sent for block in self._wait(each).payload["memory"]]
        except MiError as error:
            raise MemoryUnreadable(paddr, size) from error
        return b"".join(bytes.fromhex(block["contents"]) for block in blocks)

    def _examine(self, paddr: int, size: int) -> bytes:
        return monitor.memory(self.monitor(f"xp /{size}xb {paddr:#x}"))

    def _refresh(self) -> None:
        if self._generation != self._mi.generation:
            self._generation = self._mi.generation
            self._registers = {}
            self._monitor_registers = None

    def _numbers(self) -> dict[str, str]:
        """The registers we know, as gdb names them, by gdb's number."""
        if self._wanted is None:
            names = self._wait(self._names).payload["register-names"]
            # A 64-bit gdb has eax and the like too, as halves of the registers we want.
            halves = {name for name, whole in _NAME_OF.items() if name != whole and whole in names}
            self._wanted = {str(n): name for n, name in enumerate(names) if name in _NAME_OF and name not in halves}
        return self._wanted

    def _read_registers(self) -> dict[str, int]:
        names = self._numbers()
        reply = self._ask(f"-data-list-register-values x {' '.join(names)}")
        found = {}
        for each in reply.payload["register-values"]:
            with suppress(ValueError):  # <unavailable>
                found[_NAME_OF[names[each["number"]]]] = int(each["value"], 16)
        return found

    def _monitor_register(self, name: str) -> int:
        self._refresh()
        if self._monitor_registers is None:
            self._monitor_registers = self._ask_monitor_registers()
        if name not in self._monitor_registers:
            raise RegisterUnavailable(name, NO_MONITOR if not self.has_monitor else f"the monitor does not show {name}")
        return self._monitor_registers[name]

    def _ask_monitor_registers(self) -> dict[str, int]:
        return monitor.registers(self.monitor("info registers")) if self.has_monitor else {}


def _split(start: int, size: int, most: int) -> list[tuple[int, int]]:
    return [(start + done, min(most, size - done)) for done in range(0, size, most)]
