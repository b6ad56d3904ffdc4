"""The Target for a gdb/MI client."""

from __future__ import annotations

from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from pvhdbg.errors import TargetError
from pvhdbg.lazy_pattern import pattern
from pvhdbg.target.mi.client import console_command, wait_for_reply
from pvhdbg.target.mi.mi_memory import MiMemory
from pvhdbg.target.stub import PHY_MEM_MODE, StubTarget
from pvhdbg.target.stub_registers import NAME_OF

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pvhdbg.target.base import Symbols
    from pvhdbg.target.mi.client import Mi, Reply

_REGISTER_NAMES = pattern(r'"([^"]*)"')
# A register that is <unavailable> does not match.
_VALUES = pattern(r'number="([0-9]+)",value="0x([0-9a-f]{1,16})"')
_THREAD = pattern(r'thread-id="([0-9]{1,9})"')


class MiTarget(StubTarget):
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
        runs_xen: bool | None = None,
    ) -> None:
        super().__init__(symbols, has_monitor=has_monitor, runs_xen=runs_xen)
        self._mi = mi
        self._memory = MiMemory(mi, physical_memory)
        self._names = mi.send("-data-list-register-names")
        self._threads = mi.send("-thread-list-ids")
        self._register_names: dict[str, str] | None = None

    @property
    def physical_memory(self) -> str | None:
        """How memory is read: PHY_MEM_MODE, MONITOR or None. See MiMemory."""
        return self._memory.method

    def _read_machine(self, paddr: int, size: int) -> bytes:
        return self._memory.read(paddr, size)

    def _read_each(self, ranges: Sequence[tuple[int, int]]) -> list[bytes | None]:
        return self._memory.read_each(ranges)

    def _write_machine(self, paddr: int, data: bytes) -> None:
        self._memory.write(paddr, data)

    @contextmanager
    def physical_reads(self) -> Iterator[None]:
        """Within the block, switch the stub's mode at most once. The block must not send console commands.

        :raise NotConnected: at the end of the block, if gdb is gone or does not answer. What was read in the block is
            then incomplete, though each part of it may say so.
        """
        with suppress(TargetError):
            self.all_registers()  # gdb may read virtual memory to find the frame
        with self._memory.physical_reads():
            yield
        self._mi.check()

    def monitor(self, command: str) -> str:
        return self._ask(console_command(f"monitor {command}")).text.replace("\r", "")

    @property
    def is_32bit(self) -> bool:
        return "eax" in self._numbers().values()

    def _ask(self, command: str) -> Reply:
        return wait_for_reply(self._mi, self._mi.send(command))

    def _generation_now(self) -> int:
        return self._mi.generation

    def _numbers(self) -> dict[str, str]:
        """Return the registers in NAME_OF: gdb's name for each, by gdb's number."""
        if self._register_names is None:
            names = _REGISTER_NAMES.findall(wait_for_reply(self._mi, self._names).line)
            # On a 64-bit machine, gdb also has eax, the lower half of rax, and so on.
            halves = {name for name, whole in NAME_OF.items() if name != whole and whole in names}
            self._register_names = {
                str(n): name for n, name in enumerate(names) if name in NAME_OF and name not in halves
            }
        return self._register_names

    def _read_registers(self) -> dict[str, int]:
        names = self._numbers()
        command = f"-data-list-register-values --thread {self.boot_cpu} --frame 0 x {' '.join(names)}"
        values = _VALUES.findall(self._ask(command).line)
        return {NAME_OF[names[number]]: int(value, 16) for number, value in values if number in names}

    def _write_register(self, name: str, value: int) -> None:
        gdbs_name = next(known for known in self._numbers().values() if NAME_OF[known] == name)
        frame = f"--thread {self.boot_cpu} --frame 0"
        self._ask(f'-data-evaluate-expression {frame} "${gdbs_name} = {value:#x}"')

    @property
    def boot_cpu(self) -> int:
        """The first CPU's thread number in gdb."""
        return min(map(int, _THREAD.findall(wait_for_reply(self._mi, self._threads).line)), default=1)
