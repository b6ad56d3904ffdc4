"""The Target for code that runs inside gdb.

pvhdbg reads and writes physical memory with its own packets to the stub, so gdb does not cache it as virtual memory.
"""

from __future__ import annotations

import re
from contextlib import contextmanager, suppress
from functools import cached_property
from typing import TYPE_CHECKING, Any

import gdb

from pvhdbg.abi.text import escape_unprintable
from pvhdbg.errors import MemoryUnreadable, NotConnected, RegisterUnavailable, SymbolMissing, TargetError
from pvhdbg.lazy_pattern import pattern
from pvhdbg.target import monitor
from pvhdbg.target.base import NO_MONITOR
from pvhdbg.target.block_cache import BlockCache, split
from pvhdbg.target.nested import PAGING, WHY_UNKNOWN, NestedMemory, ram

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pvhdbg.target.base import Symbols

PHYSICAL, VIRTUAL = "Qqemu.PhyMemMode:1", "Qqemu.PhyMemMode:0"
NOT_CONNECTED = "gdb is not connected to a machine"

_CHUNK = 0x400
_CR0_PG = 1 << 31
_RECEIVED = pattern(r'^received: "(.*)"$', re.MULTILINE)
_HALVES = {f"r{name}": f"e{name}" for name in ("ax", "bx", "cx", "dx", "si", "di", "bp", "sp", "ip")}
"""gdb's names for these registers on a 32-bit machine."""


class NativeTarget:
    """The machine of the selected inferior. Registers are those of the boot CPU, even if another thread is selected."""

    def __init__(self, symbols: Symbols | None = None) -> None:
        self.symbols = symbols
        self._access: _Access | None = None
        self.nested = NestedMemory(_read_each, lambda: ram(_monitor), runs_xen=None)

    @contextmanager
    def physical_reads(self) -> Iterator[None]:
        """Within the block, cache memory and registers, and switch the stub's mode at most once."""
        if self._access is not None:
            yield
            return
        with _on_boot_cpu():
            self._access = _Access(self.nested)
            try:
                yield
            finally:
                access, self._access = self._access, None
                access.close()

    def read_phys(self, paddr: int, size: int) -> bytes:
        if size <= 0:
            return b""
        if self._access is not None:  # within `physical_reads`
            return self._access.read(paddr, size)
        with self.physical_reads():
            return self._current.read(paddr, size)

    def write_phys(self, paddr: int, data: bytes) -> None:
        with self.physical_reads():
            self._current.write(paddr, data)

    def register(self, name: str) -> int:
        if self._access is not None:
            return self._access.register(name)
        with self.physical_reads():
            return self._current.register(name)

    def symbol(self, name: str) -> int:
        if self.symbols is None:
            raise SymbolMissing(name)
        return self.symbols.address(name)

    def is_in_xen(self) -> bool:
        """Return whether the machine executes Xen, not a guest of it."""
        with self.physical_reads():
            return self._current.is_in_xen()

    def is_on_xen(self) -> bool:
        """Return whether the machine executes Xen or, as far as this is known, a guest of it."""
        with self.physical_reads():
            return self._current.is_on_xen()

    def show_guest(self) -> bool:
        """Within the block of `physical_reads`, show the registers of the guest that ran last, if Xen executes now.

        Return whether the registers are those of that guest.
        """
        with self.physical_reads():
            return self._current.show_guest()

    def monitor(self, command: str) -> str:
        """Return the answer of QEMU's monitor to a command.

        :raise TargetError: if the stub has no monitor.
        """
        return _monitor(command)

    @property
    def _current(self) -> _Access:
        assert self._access is not None  # noqa: S101  only used inside `physical_reads`
        return self._access


class _Access:
    """Cached access to a machine. The machine must stay stopped while this object is used."""

    def __init__(self, nested: NestedMemory) -> None:
        self._is_physical: bool | None = None
        self._cache = BlockCache(self._fetch)
        self._nested = nested
        self._nested.clear()
        self._guest: dict[str, int] = {}
        self._monitor_registers: dict[str, int] | None = None

    def close(self) -> None:
        if self._is_physical:
            with suppress(TargetError):
                _send(VIRTUAL)

    def read(self, paddr: int, size: int) -> bytes:
        self._make_physical(paddr, size)
        # The cache reads more than the requested bytes. These reads cannot fail in PhyMemMode.
        read = self._cache.read if self._is_physical else lambda start, length: self._fetch([(start, length)])[0]
        return b"".join(read(*part) for part in self._machine_ranges(paddr, size))

    def write(self, paddr: int, data: bytes) -> None:
        self._make_physical(paddr, len(data))
        self._cache.clear()
        for start, size in self._machine_ranges(paddr, len(data)):
            self._write_machine(start, data[:size])
            data = data[size:]
        _flush_gdb_cache()

    def _write_machine(self, paddr: int, data: bytes) -> None:
        for start, size in split(paddr, len(data), _CHUNK):
            if _send(f"M{start:x},{size:x}:{data[start - paddr :][:size].hex()}") != b"OK":
                raise MemoryUnreadable(start, size, "not writable")

    def _machine_ranges(self, paddr: int, size: int) -> Sequence[tuple[int, int]]:
        return self._nested.machine_ranges(self._guest or self._registers_of_nesting, paddr, size)

    @cached_property
    def _registers_of_nesting(self) -> dict[str, int]:
        return {name: self._read_register(name) or 0 for name in ("rip", *PAGING)}

    def is_in_xen(self) -> bool:
        """See NativeTarget."""
        return not self._guest and self._nested.is_in_xen(self._registers_of_nesting)

    def is_on_xen(self) -> bool:
        """See NativeTarget."""
        self._make_physical(0, 1)
        return bool(self._guest) or self._nested.is_on_xen(self._registers_of_nesting)

    def show_guest(self) -> bool:
        """See NativeTarget."""
        if self.is_in_xen():
            self._make_physical(0, 1)
            self._guest = self._nested.saved_registers()
        return bool(self._guest)

    def register(self, name: str) -> int:
        if self._guest:
            if name not in self._guest:
                raise RegisterUnavailable(name, WHY_UNKNOWN)
            return self._guest[name]
        if name in monitor.NAMES:
            return self._monitor_register(name)
        value = self._read_register(name)
        if value is None and name in _HALVES:
            value = self._read_register(_HALVES[name])
        if value is None:
            raise RegisterUnavailable(name, "this machine has no such register")
        return value

    @cached_property
    def _frame(self) -> gdb.Frame:
        """The boot CPU's newest frame.

        :raise NotConnected: if gdb is not connected to a machine, or the machine is running.
        """
        return _newest_frame()

    def _make_physical(self, paddr: int, size: int) -> None:
        """Switch the stub to physical addresses if it is not in this mode already.

        :raise MemoryUnreadable: if the stub can't read this range.
        """
        # gdb may read code to find the frame, so find the frame before the stub's mode is switched.
        _ = self._frame
        if paddr < 0 or paddr + size > 1 << 64:
            raise MemoryUnreadable(paddr, size, "address out of range")
        if paddr + size > 1 << 32 and self._read_register("rax") is None:
            raise MemoryUnreadable(paddr, size, "gdb can't read above 4 GiB on a 32-bit machine")
        if self._is_physical is None:
            self._is_physical = _send(PHYSICAL) == b"OK"
        if not self._is_physical and (self._read_register("cr0") or 0) & _CR0_PG:
            raise MemoryUnreadable(paddr, size, "the stub can't read physical memory while paging is on")

    def _fetch(self, ranges: Sequence[tuple[int, int]]) -> list[bytes]:
        return [b"".join(_read(*chunk) for chunk in split(start, size, _CHUNK)) for start, size in ranges]

    def _read_register(self, name: str) -> int | None:
        try:
            value = self._frame.read_register(name)
            return int(value) & ((1 << 8 * value.type.sizeof) - 1)
        except (ValueError, gdb.error):  # there is no such register, or its value is unavailable
            return None

    def _monitor_register(self, name: str) -> int:
        if self._monitor_registers is None:
            self._monitor_registers = _ask_monitor_registers()
        if name not in self._monitor_registers:
            raise RegisterUnavailable(name, f"the monitor does not show {name}" if _has_monitor() else NO_MONITOR)
        return self._monitor_registers[name]


def boot_cpu() -> gdb.InferiorThread | None:
    """Return the thread of the first CPU; None if gdb is not connected. After reconnecting, the threads are different.

    :raise NotConnected: if the guest is running, because gdb then can't list its threads.
    """
    selected: gdb.InferiorThread | None = gdb.selected_thread()
    # gdb asks the stub for the threads each time that they are listed.
    if selected is not None and selected.num == 1 and selected.is_stopped():
        return selected
    try:
        threads = gdb.selected_inferior().threads()
    except gdb.error as error:
        raise NotConnected("the guest is running") from error
    return min(threads, key=lambda thread: thread.num, default=None)


@contextmanager
def _on_boot_cpu() -> Iterator[None]:
    """Within the block, select the boot CPU's thread. Then restore the thread and frame that the user had selected."""
    first, selected = boot_cpu(), gdb.selected_thread()
    if first is None or getattr(selected, "num", first.num) == first.num:
        yield
        return
    frame = gdb.selected_frame()
    first.switch()
    try:
        yield
    finally:
        selected.switch()
        if frame.is_valid():
            frame.select()


def _newest_frame() -> gdb.Frame:
    if boot_cpu() is None:
        raise NotConnected(NOT_CONNECTED)
    try:
        return gdb.newest_frame()
    except gdb.error as error:
        raise as_target_error(error) from error


def _send(packet: str) -> bytes:
    """Send a packet. Return the stub's answer, which is empty if the stub does not support the packet.

    :raise NotConnected: if there is no remote stub.
    """
    try:
        connection: Any = getattr(gdb.selected_inferior(), "connection", None)
        if hasattr(connection, "send_packet"):  # gdb 12 and later
            return bytes(connection.send_packet(packet) or b"")
        match = _RECEIVED.search(gdb.execute(f"maint packet {packet}", to_string=True))
    except gdb.error as error:
        raise as_target_error(error) from error
    return match[1].encode() if match else b""


def _read(paddr: int, size: int) -> bytes:
    try:
        data = bytes.fromhex(_send(f"m{paddr:x},{size:x}").decode())
    except ValueError:  # the answer is an error: `E` and a number
        data = b""
    if len(data) != size:
        raise MemoryUnreadable(paddr, size)
    return data


def _read_each(ranges: Sequence[tuple[int, int]]) -> list[bytes | None]:
    return [_read_or_none(start, size) for start, size in ranges]


def _read_or_none(paddr: int, size: int) -> bytes | None:
    try:
        return _read(paddr, size)
    except MemoryUnreadable:
        return None


def _flush_gdb_cache() -> None:
    """Flush gdb's memory cache, because pvhdbg has written memory without gdb's knowledge."""
    with suppress(gdb.error):  # gdb 10 and 11 have no such command
        gdb.execute("maint flush dcache", to_string=True)


def _monitor(command: str) -> str:
    try:
        return gdb.execute(f"monitor {command}", to_string=True).replace("\r", "")
    except gdb.error as error:
        raise as_target_error(error) from error


def _has_monitor() -> bool:
    with suppress(TargetError):
        return monitor.parse_run_state(_monitor("info status")) is not None
    return False


def _ask_monitor_registers() -> dict[str, int]:
    with suppress(TargetError):
        return monitor.parse_registers(_monitor("info registers"))
    return {}


def as_target_error(error: gdb.error) -> TargetError:
    """Convert gdb's error to a TargetError."""
    return NotConnected(NOT_CONNECTED) if boot_cpu() is None else TargetError(error_text(error))


def error_text(error: gdb.error) -> str:
    """Return gdb's message as one line. It may come from the stub, so it is escaped."""
    return escape_unprintable(" ".join(str(error).split())) or "gdb reported an error without a reason"
