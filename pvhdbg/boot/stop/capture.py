"""A Capture: everything that was decoded at one stop. Each record has its bytes and its physical address."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pvhdbg.abi.boot_params import BootParams
from pvhdbg.abi.e820 import E820_DATA, BootE820Entry
from pvhdbg.abi.start_info import MemmapTableEntry, ModlistEntry, StartInfo
from pvhdbg.boot.stop.protocols import E820_MODULE
from pvhdbg.boot.stop.ranges import AddressRange
from pvhdbg.named_tuple import NamedTuple

PHYSICAL, IDENTITY, KERNEL = "physical", "identity", "kernel"

MISSING_KERNEL, MISSING_STAGE = "kernel", "stage"
"""Keys of `missing` that are not keys of a stop. Their values say why the kernel file is not used, and that the machine
is between two stages.
"""

MapRecord = MemmapTableEntry | BootE820Entry
"""A memory-map entry with the C layout that it has in guest memory. map_entries decodes it to plain numbers."""


class Text(NamedTuple):
    """A string in guest memory: its physical address, and its bytes without the NUL. A long string is truncated."""

    paddr: int
    raw: bytes


class Module(NamedTuple):
    """An entry of the module list, and its command line. `cmdline` is None if it is missing or cannot be read."""

    entry: ModlistEntry
    cmdline: Text | None

    @property
    def span(self) -> AddressRange:
        return self.entry.paddr, self.entry.paddr + self.entry.size


def has_e820_module(modules: Sequence[Module]) -> bool:
    """Return whether module 1 has the name "e820 data", with which the 2017 RFC protocol marks the memory map."""
    return len(modules) > 1 and modules[1].cmdline is not None and modules[1].cmdline.raw == E820_DATA


class MemoryMap(NamedTuple):
    """The memory map from the VMM. `nr_entries` is the guest's own count; `entries` are those that could be read."""

    protocol: str
    paddr: int | None
    nr_entries: int
    entries: tuple[MapRecord, ...]

    @property
    def is_module(self) -> bool:
        """Whether the map is an "e820 data" module (the 2017 RFC protocol)."""
        return self.protocol == E820_MODULE


class E820(NamedTuple):
    """The kernel's e820_table: its physical address, the count in guest memory, and the entries that could be read."""

    paddr: int
    nr_entries: int
    entries: tuple[BootE820Entry, ...]


MAX_OVERWRITTEN = 64
"""The most differences from the kernel file that a capture has."""


class Overwritten(NamedTuple):
    """Bytes of the loaded image that differ from the kernel file at the entry, before the guest has run.

    `size` is in bytes. `file` and `memory` have the first bytes of both.
    """

    paddr: int
    size: int
    file: bytes
    memory: bytes

    @property
    def end(self) -> int:
        return self.paddr + self.size


class Hypercall(NamedTuple):
    """A call of XENMEM_memory_map.

    `rip` is the address at which the kernel called Xen. `operation` is the first argument. The second one is the
    address of a struct xen_memory_map; `room` is the number of entries that fit into the kernel's buffer, at the
    virtual address `buffer` and the physical address `paddr`. `result` is what Xen returned (0 if it succeeded, else a
    negative errno), and `nr_entries` is how many entries it wrote. `raw` has their bytes.
    """

    rip: int
    operation: int
    room: int
    buffer: int
    paddr: int
    result: int
    nr_entries: int
    raw: bytes


MAX_ROWS, MAX_CODE, MAX_TEXT = 256, 1024, 512
"""The limits of a stop's code: rows, bytes, and characters of an instruction or of the name of a source line."""
MAX_SERIAL = 1 << 16
"""The most bytes of serial output that a stop keeps: the last ones."""
MAX_LOG = 1 << 10
"""The most lines of the kernel's log that a stop keeps: the last ones."""


class CodeRow(NamedTuple):
    """An instruction at a linear address. `source` is FILE:LINE.

    Without `text`, the bytes are code that no disassembler has seen: they may be several instructions.
    """

    address: int
    raw: bytes
    text: str | None = None
    source: str | None = None


class LogLine(NamedTuple):
    """A line of the log: nanoseconds since the kernel's clock started, the log level (0 to 7), and the text.

    The level is None in a recording that has only the text. The text has one character for each byte (latin-1). The
    guest controls it, so views must escape it.
    """

    ns: int
    level: int | None
    text: str

    @property
    def stamped(self) -> str:
        """The line as the kernel writes it to a console."""
        seconds, rest = divmod(self.ns, 10**9)
        return f"[{seconds:5}.{rest // 1000:06}] {self.text}"


class Capture(NamedTuple):
    """One stop. A value that does not exist is None; `missing` has the reason, by the value's path in the document.

    `start_info` is the structure that EBX pointed to at the entry, and `pvh_start_info` is the kernel's copy.
    `cmdline`, `modules` and `memory_map` were read using the pointers in the copy if there is one, otherwise in the
    original. `memory` has every byte that was read, in ascending order, and `symbols` has every symbol that was looked
    up. With `registers`, they are sufficient to decode the stop again, except for `overwritten`, which also needs the
    kernel file, and for `hypercall`: how the kernel has asked Xen for its map, just before this stop.

    `code` has the instructions around RIP, `serial` what the guest had written to its serial console, and `log` the
    lines of the kernel's log. They are kept as they were read, and None if they were not.
    """

    stage: str
    rip: int | None
    address_kind: str | None
    cpu_mode: str
    registers: Mapping[str, int | None]
    start_info: StartInfo | None
    pvh_start_info: StartInfo | None
    cmdline: Text | None
    modules: tuple[Module, ...] | None
    memory_map: MemoryMap | None
    boot_params: BootParams | None
    kernel_boot_params: BootParams | None
    e820_table: E820 | None
    memory: tuple[tuple[int, bytes], ...]
    symbols: Mapping[str, int]
    missing: Mapping[str, str]
    overwritten: tuple[Overwritten, ...] = ()
    hypercall: Hypercall | None = None
    code: tuple[CodeRow, ...] | None = None
    serial: bytes | None = None
    log: tuple[LogLine, ...] | None = None

    @property
    def effective_start_info(self) -> StartInfo | None:
        """The start_info whose pointers were followed: the kernel's copy if there is one, otherwise the original."""
        return self.pvh_start_info or self.start_info

    def bytes_at(self, paddr: int, size: int) -> bytes | None:
        """Return `size` bytes at a physical address; None if any of them was not read at this stop."""
        for start, data in self.memory:
            if start <= paddr and paddr + size <= start + len(data):
                return data[paddr - start : paddr - start + size]
        return None


EMPTY_CAPTURE = Capture(
    stage="",
    rip=None,
    address_kind=None,
    cpu_mode="unknown",
    registers={},
    start_info=None,
    pvh_start_info=None,
    cmdline=None,
    modules=None,
    memory_map=None,
    boot_params=None,
    kernel_boot_params=None,
    e820_table=None,
    memory=(),
    symbols={},
    missing={},
)
"""The placeholder for the stop of a run without stops."""
