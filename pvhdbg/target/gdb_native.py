"""A stopped machine, asked and run by the gdb that this runs in: Target, WritableTarget and Runner.

Physical memory goes by packets of our own: gdb's caches never see it, and none of gdb's is taken for it.
"""

from __future__ import annotations

import re
from contextlib import contextmanager, suppress
from functools import cached_property
from typing import TYPE_CHECKING, Any

import gdb

from pvhdbg.abi.text import escape_unprintable
from pvhdbg.errors import MemoryUnreadable, NotConnected, RegisterUnavailable, SymbolMissing, TargetError
from pvhdbg.target import monitor
from pvhdbg.target.base import NO_MONITOR
from pvhdbg.target.block_cache import BlockCache

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pvhdbg.target.base import Symbols

PHYSICAL, VIRTUAL = "Qqemu.PhyMemMode:1", "Qqemu.PhyMemMode:0"
NOT_CONNECTED = "gdb is not connected to a machine"

_CHUNK = 0x400
_CR0_PG = 1 << 31
_RECEIVED = re.compile(r'^received: "(.*)"$', re.MULTILINE)
_HALVES = {f"r{name}": f"e{name}" for name in ("ax", "bx", "cx", "dx", "si", "di", "bp", "sp", "ip")}
"""How a 32-bit machine's registers are called."""


class NativeTarget:
    """The machine of the inferior that is selected, seen from its boot CPU, whichever thread is selected."""

    def __init__(self, symbols: Symbols | None = None) -> None:
        self.symbols = symbols
        self._look: _Look | None = None

    @contextmanager
    def physical(self) -> Iterator[None]:
        """Within, what was read once is not asked for again, and many physical reads cost one switch of the mode."""
        if self._look is not None:
            yield
            return
        with _on_boot_cpu():
            self._look = _Look()
            try:
                yield
            finally:
                look, self._look = self._look, None
                look.close()

    def read_phys(self, paddr: int, size: int) -> bytes:
        if size <= 0:
            return b""
        with self.physical():
            return self._looking.read(paddr, size)

    def write_phys(self, paddr: int, data: bytes) -> None:
        with self.physical():
            self._looking.write(paddr, data)

    def register(self, name: str) -> int:
        with self.physical():
            return self._looking.register(name)

    def symbol(self, name: str) -> int:
        if self.symbols is None:
            raise SymbolMissing(name)
        return self.symbols.address(name)

    def monitor(self, command: str) -> str:
        """What QEMU's monitor answers.

        :raise TargetError: if the stub has none.
        """
        return _monitor(command)

    @property
    def _looking(self) -> _Look:
        assert self._look is not None  # noqa: S101  only asked for inside `physical`
        return self._look


class _Look:
    """One look at a machine that stands still meanwhile."""

    def __init__(self) -> None:
        self._is_physical: bool | None = None
        self._blocks = BlockCache(self._fetch)
        self._monitor_registers: dict[str, int] | None = None

    def close(self) -> None:
        if self._is_physical:
            with suppress(TargetError):
                _send(VIRTUAL)

    def read(self, paddr: int, size: int) -> bytes:
        self._reach(paddr, size)
        # Only PhyMemMode never refuses: what lies around the bytes that are asked for may be read with them.
        return self._blocks.read(paddr, size) if self._is_physical else self._fetch([(paddr, size)])[0]

    def write(self, paddr: int, data: bytes) -> None:
        self._reach(paddr, len(data))
        self._blocks.forget()
        for start, size in _split(paddr, len(data)):
            if _send(f"M{start:x},{size:x}:{data[start - paddr :][:size].hex()}") != b"OK":
                raise MemoryUnreadable(start, size, "can't be written")
        _forget_memory()

    def register(self, name: str) -> int:
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
        """:raise NotConnected: if there is no machine, or if it runs."""
        return _newest_frame()

    def _reach(self, paddr: int, size: int) -> None:
        """Let addresses be physical from now on. :raise MemoryUnreadable: for one that can't be asked for."""
        # gdb may read code to find the frame: before the stub's mode is switched, and never while it is.
        _ = self._frame
        if paddr < 0 or paddr + size > 1 << 64:
            raise MemoryUnreadable(paddr, size, "no such physical address")
        if paddr + size > 1 << 32 and self._read_register("rax") is None:
            raise MemoryUnreadable(paddr, size, "gdb reaches 4 GiB of a 32-bit machine")
        if self._is_physical is None:
            self._is_physical = _send(PHYSICAL) == b"OK"
        if not self._is_physical and (self._read_register("cr0") or 0) & _CR0_PG:
            raise MemoryUnreadable(paddr, size, "this stub reads no physical memory, and paging is on")

    def _fetch(self, ranges: Sequence[tuple[int, int]]) -> list[bytes]:
        return [b"".join(_read(start, size) for start, size in _split(*each)) for each in ranges]

    def _read_register(self, name: str) -> int | None:
        try:
            value = self._frame.read_register(name)
            return int(value) & ((1 << 8 * value.type.sizeof) - 1)
        except (ValueError, gdb.error):  # no such register; it has no value
            return None

    def _monitor_register(self, name: str) -> int:
        if self._monitor_registers is None:
            self._monitor_registers = _ask_monitor_registers()
        if name not in self._monitor_registers:
            raise RegisterUnavailable(name, f"the monitor does not show {name}" if _has_monitor() else NO_MONITOR)
        return self._monitor_registers[name]


def boot_cpu() -> gdb.InferiorThread | None:
    """The thread of the first CPU, null where there is no machine. Each connection has threads of its own.

    :raise NotConnected: while the guest runs: gdb can't say then.
    """
    try:
        threads = gdb.selected_inferior().threads()
    except gdb.error as error:
        raise NotConnected("the guest is running") from error
    return min(threads, key=lambda each: each.num, default=None)


@contextmanager
def _on_boot_cpu() -> Iterator[None]:
    """Let the boot CPU be the one that is looked at, and give the user's choice of a thread and a frame back."""
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
    """The stub's answer, nothing from a stub that does not know the packet.

    :raise NotConnected: if there is no remote stub.
    """
    try:
        connection: Any = getattr(gdb.selected_inferior(), "connection", None)
        if hasattr(connection, "send_packet"):  # since gdb 12
            return bytes(connection.send_packet(packet) or b"")
        found = _RECEIVED.search(gdb.execute(f"maint packet {packet}", to_string=True))
    except gdb.error as error:
        raise as_target_error(error) from error
    return found[1].encode() if found else b""


def _read(paddr: int, size: int) -> bytes:
    try:
        data = bytes.fromhex(_send(f"m{paddr:x},{size:x}").decode())
    except ValueError:  # E and a number
        data = b""
    if len(data) != size:
        raise MemoryUnreadable(paddr, size)
    return data


def _split(start: int, size: int) -> list[tuple[int, int]]:
    return [(start + done, min(_CHUNK, size - done)) for done in range(0, size, _CHUNK)]


def _forget_memory() -> None:
    """What gdb has read may have been overwritten."""
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
    """An error of gdb's as one of ours, on one line. It may quote the stub, which may say anything."""
    words = escape_unprintable(" ".join(str(error).split()))
    gone = boot_cpu() is None
    return NotConnected(NOT_CONNECTED) if gone else TargetError(words or "gdb reports an error without words")
