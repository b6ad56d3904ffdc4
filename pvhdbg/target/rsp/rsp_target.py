"""The Target for a client of the GDB remote serial protocol."""

from __future__ import annotations

from contextlib import nullcontext
from typing import TYPE_CHECKING

from pvhdbg.errors import MemoryUnreadable, RegisterUnavailable, TargetError
from pvhdbg.target import stub_registers
from pvhdbg.target.block_cache import BlockCache, split
from pvhdbg.target.rsp.client import BOOT_CPU, StubError, is_error
from pvhdbg.target.stub import PHY_MEM_MODE, StubTarget

if TYPE_CHECKING:
    from collections.abc import Sequence
    from contextlib import AbstractContextManager

    from pvhdbg.target.base import Symbols
    from pvhdbg.target.rsp.client import Rsp
    from pvhdbg.target.stub_registers import Place

_CHUNK = 0x7F0
"""How many bytes to read or write in one packet. QEMU's packets have up to 4,096 characters."""

_MOST_FILES, _PIECE, _LARGEST_FILE = 16, 0x7F0, 1 << 18


class RspTarget(StubTarget):
    """A WritableTarget that asks QEMU's stub directly. The stub reads and writes guest-physical memory.

    Registers are those of the CPU that reached a breakpoint or made a step; after any other stop, the boot CPU's. Those
    that only the monitor has are always the boot CPU's.
    """

    physical_memory = PHY_MEM_MODE

    def __init__(self, rsp: Rsp, symbols: Symbols | None = None, *, runs_xen: bool | None = None) -> None:
        super().__init__(symbols, has_monitor=True, runs_xen=runs_xen)
        self._rsp = rsp
        self._memory = BlockCache(self._fetch)
        self._registers_by_number: dict[int, tuple[str, int]] | None = None
        self._places: dict[str, Place] | None = None

    def take_description(self, other: RspTarget) -> None:
        """Take the description of the registers from another target of the same QEMU, instead of reading it again."""
        self._registers_by_number, self._places = other._registers_by_number, other._places

    def _read_machine(self, paddr: int, size: int) -> bytes:
        return self._memory.read(paddr, size)

    def _read_each(self, ranges: Sequence[tuple[int, int]]) -> list[bytes | None]:
        answers = self._rsp.ask_all([f"m{paddr:x},{size:x}" for paddr, size in ranges])
        return [_bytes(answer, size) for (_, size), answer in zip(ranges, answers, strict=True)]

    def _write_machine(self, paddr: int, data: bytes) -> None:
        self._memory.clear()
        chunks = split(paddr, len(data), _CHUNK)
        packets = [f"M{start:x},{size:x}:{data[start - paddr :][:size].hex()}" for start, size in chunks]
        if any(answer != "OK" for answer in self._rsp.ask_all(packets)):
            raise MemoryUnreadable(paddr, len(data), "not writable")

    def physical_reads(self) -> AbstractContextManager[None]:
        """Return a context manager that does nothing: every read is physical, and cheap."""
        return nullcontext()

    def monitor(self, command: str) -> str:
        return self._rsp.monitor(command)

    @property
    def boot_cpu(self) -> int:
        return BOOT_CPU

    @property
    def is_32bit(self) -> bool:
        return "rax" not in self._known_places()

    def _generation_now(self) -> int:
        return self._rsp.generation

    def _refresh(self) -> None:
        if self._generation != self._generation_now():
            self._memory.clear()
        super()._refresh()

    def _fetch(self, ranges: Sequence[tuple[int, int]]) -> list[bytes]:
        chunks = [split(paddr, size, _CHUNK) for paddr, size in ranges]
        answers = iter(self._rsp.ask_all([f"m{start:x},{size:x}" for chunk in chunks for start, size in chunk]))
        return [
            _joined(paddr, size, [next(answers) for _ in chunk])
            for (paddr, size), chunk in zip(ranges, chunks, strict=True)
        ]

    def _read_registers(self) -> dict[str, int]:
        known = self._known_places()
        stop = self._rsp.last_stop
        _, answer = self._rsp.ask_all([f"Hg{BOOT_CPU if stop is None else stop.cpu:x}", "g"])
        if is_error(answer):
            raise StubError("the gdb stub does not show the registers")
        return stub_registers.values(answer, known)

    def _known_places(self) -> dict[str, Place]:
        if self._places is None:
            self._places = stub_registers.places(self._numbered())
        return self._places

    def _numbered(self) -> dict[int, tuple[str, int]]:
        """Return the name and the bits of each register by its number."""
        if self._registers_by_number is None:
            self._registers_by_number = stub_registers.numbered(self._descriptions())
        return self._registers_by_number

    def _write_register(self, name: str, value: int) -> None:
        for number, (gdbs_name, bits) in self._numbered().items():
            if stub_registers.NAME_OF.get(gdbs_name) == name:
                data = value.to_bytes((bits + 7) // 8, "little").hex()
                if self._rsp.ask_all([f"Hg{BOOT_CPU:x}", f"P{number:x}={data}"])[1] != "OK":
                    raise RegisterUnavailable(name, "the gdb stub does not set it")

    def _descriptions(self) -> list[stub_registers.Description]:
        """Read the description of the registers: target.xml and the files that it includes, in their order."""
        names = ["target.xml"]
        found: list[stub_registers.Description] = []
        while names and len(found) < _MOST_FILES:
            found.append(stub_registers.parse(self._file(names.pop(0))))
            names = [*found[-1].includes, *names]
        return found

    def _file(self, name: str) -> str:
        text = ""
        while len(text) < _LARGEST_FILE:
            (answer,) = self._rsp.ask_all([f"qXfer:features:read:{name}:{len(text):x},{_PIECE:x}"])
            text += answer[1:]
            if answer[:1] == "l":
                return text
            if answer[:1] != "m" or len(answer) == 1:
                break
        raise StubError("the gdb stub does not describe its registers")


def _joined(paddr: int, size: int, answers: Sequence[str]) -> bytes:
    data = None if any(map(is_error, answers)) else _bytes("".join(answers), size)
    if data is None:
        raise MemoryUnreadable(paddr, size)
    return data


def _bytes(answer: str, size: int) -> bytes | None:
    if is_error(answer):
        return None
    try:
        data = bytes.fromhex(answer)
    except ValueError as error:
        raise TargetError("the gdb stub sent memory that is not hexadecimal") from error
    return data if len(data) == size else None
