"""Guest memory, registers and symbols: fields with edge values, pointers to themselves, huge counts, random bytes.

Each guest is a boot that was changed: a real one, or one in which a rule fires. It is captured, decoded again from its
JSON, checked and shown.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache, lru_cache
from random import Random
from typing import Any

from hypothesis import strategies as st

from pvhdbg.abi.boot_params import BootParams
from pvhdbg.abi.cpu import REGISTERS
from pvhdbg.abi.e820 import E820_DATA, BootE820Entry, E820Table
from pvhdbg.abi.layout import Struct
from pvhdbg.abi.setup_header import SetupHeader
from pvhdbg.abi.start_info import MemmapTableEntry, ModlistEntry, StartInfo
from pvhdbg.boot.record.document import DEAD, DONE, TIMED_OUT, Death, Document, MachineFacts, Outcome
from pvhdbg.boot.stop import stages
from pvhdbg.boot.stop.capture import Capture
from pvhdbg.boot.stop.read import read_capture
from pvhdbg.checks.case import Case
from pvhdbg.errors import MemoryUnreadable, RegisterUnavailable, SymbolMissing
from pvhdbg.image.facts import ImageFacts, Segment
from tests import build
from tests.checks import test_rules
from tests.fuzz import outputs
from tests.fuzz.numbers import numbers
from tests.fuzz.outputs import Look, looks
from tests.fuzz.target import Target

NAME, BLOB, FREE = 0x50000, 0x51000, 0x60000
PLACES: dict[str, tuple[type[Struct], int]] = {
    "start_info": (StartInfo, build.START_INFO),
    "pvh_start_info": (StartInfo, build.VARIABLES["pvh_start_info"]),
    "modules": (ModlistEntry, build.MODLIST),
    "memory_map": (MemmapTableEntry, build.MEMMAP),
    "blob": (E820Table, BLOB),
    "blob entries": (BootE820Entry, BLOB + E820Table.SIZE),
    "pvh_bootparams": (BootParams, build.VARIABLES["pvh_bootparams"]),
    "hdr": (SetupHeader, build.VARIABLES["pvh_bootparams"] + BootParams.hdr.offset),
    "boot_params": (BootParams, build.VARIABLES["boot_params"]),
    "e820_table": (E820Table, build.TABLE),
    "e820 entries": (BootE820Entry, build.TABLE + E820Table.SIZE),
}
"""Arrays of structures in the guest, which may be of any length."""
SMALL_COUNTS = (0, 1, 2, 3, 6, 7, 16, 127, 128, 129, 200)
POINTERS = (
    *(address for _, address in PLACES.values()),
    *(NAME, FREE, build.CMDLINE, build.RAMDISK, build.TABLES, build.TABLES + build.PAGE, 0x9FC00, 0xA0000, 0x100000),
    *(1 << 30, (1 << 30) - 1, (1 << 32) - 8, (1 << 64) - 8, (1 << 64) - 256, 1 << 47, 0x1000000, 0x3400000),
)
TEXTS = (
    *(b"", b"\0", b"\x1b[2J\0", b"e820 data", b"e820 data\0", "é\u200b\0".encode(), b"a" * 600, b"mem=1M quiet\0"),
    *(b"RSD PTR ", bytes(range(256)), b"\x0f\x0b" * 40, b"memmap=1G!4G\0", b"e820 datax\0"),
)
SYMBOLS = (
    *(*build.VARIABLES, "_end", "initial_pg_pmd", "xen_prepare_pvh", "start_kernel", "phys_base"),
    *('"e820 data"', "init_pvh_bootparams", "pvh_start_xen", "__stack_chk_fail", "acpi_rsdp", "swapper_pg_dir"),
)
_BLOCK = 0x400
"""Random memory is made in blocks of this size, so that a byte is the same in each read."""
FILLS = ("zeros", "unreadable", "random", "itself", "ones")
"""What memory contains where no boot data is. "itself" is, at each eight bytes, their address."""
HUGE = "huge"
"""The same as "ones", but long reads succeed. Thousands of map entries take half a second, so it is rare."""
LONGEST_READ = 16 << 10


@lru_cache(1 << 14)
def _random_block(number: int) -> bytes:
    return Random(number).randbytes(_BLOCK)


Change = tuple[Any, ...]
"""A field (place, index of the structure, index of the field, new value), a register, a symbol, a page table's entry,
or bytes at an address.
"""
Image = tuple[int, int | None, list[tuple[int, int, int, int]]] | int | None
"""The kernel file: its class, entry and segments; the bits of a usual one; None without a kernel file."""
Input = tuple[list[str] | int, list[Change], str, Image, tuple[Any, ...], str | None, Look]
"""Stages, changes, what fills the memory, the kernel file, how the run ended, the memory's size, and what is shown. A
number instead of stages is a case of a rule, which has its own kernel file, end and machine.
"""


def _addresses() -> st.SearchStrategy[int]:
    near = st.sampled_from([0, 0, 0, 0, 8, -1, -8, build.KERNEL_MAP, build.DIRECT_MAP])
    known = st.builds(lambda pointer, offset: (pointer + offset) % (1 << 64), st.sampled_from(POINTERS), near)
    return known | known | numbers(64)


def inputs() -> st.SearchStrategy[Input]:
    addresses, small = _addresses(), st.integers(0, 7)
    values = st.sampled_from(SMALL_COUNTS) | addresses
    field = st.tuples(st.sampled_from(sorted(PLACES)), st.sampled_from([0, 0, 0, 1, 2, 5]), st.integers(0, 255), values)
    change = st.one_of(
        field,
        field,
        field,
        st.tuples(st.just("register"), st.sampled_from(REGISTERS), addresses | st.none()),
        st.tuples(st.just("symbol"), st.sampled_from(SYMBOLS), addresses | st.none()),
        st.tuples(st.just("page table"), small, st.sampled_from([0, 1, 272, 256, 510, 511]), addresses),
        st.tuples(st.just("bytes"), st.sampled_from(POINTERS), st.sampled_from(TEXTS) | st.binary(max_size=16)),
    )
    segment = st.tuples(addresses, addresses, addresses, addresses)
    image = st.tuples(st.sampled_from([32, 64]), addresses | st.none(), st.lists(segment, max_size=3))
    location = st.tuples(addresses | st.none(), st.sampled_from([None, "x+0x1", "\x1b[31m", ""]))
    return st.tuples(
        st.sampled_from([*([name] for name in stages.NAMES), *STOPS]) | st.integers(0, 0xFFFF),
        st.lists(change, max_size=6),
        st.sampled_from([*FILLS * 25, HUGE]),
        st.sampled_from([64, 64, 64, 32, None]) | image,
        st.tuples(st.sampled_from([DONE, DEAD, TIMED_OUT]), st.sampled_from(HOWS), location),
        st.sampled_from(["512M", "512M", "1M", "64K", "999999999999T", "size=1G,maxmem=2G", "\x1b", None]),
        looks(),
    )


STOPS: list[list[str]] = [
    ["entry", "prepare"],
    ["prepare", "bootparams"],
    ["entry", "bootparams"],
    ["kernel", "e820"],
    ["entry", "died"],
    ["prepare", "died"],
    ["died"],
    ["entry", "prepare", "bootparams", "kernel", "e820"],
    [],
]
HOWS = ("triple-fault", "kvm-internal-error", "qemu-exit", "\x1b[31m")


@cache
def _boot() -> dict[str, Capture]:
    """Return the stops of a boot. At its death, the guest is where it was in xen_prepare_pvh."""
    stops = {stop.stage: stop for stop in build.boot().stops}
    return {**stops, stages.DIED: stops["prepare"]}


@cache
def _cases() -> tuple[Case, ...]:
    return tuple(case() for row in test_rules.ROWS for case in (row.fires, row.near_miss))


@cache
def _image(bits: int) -> ImageFacts:
    linux = build.linux()
    if bits == 64:
        return linux
    return linux._replace(elf_class=32, segments=(Segment(0x1000000, 0xC1000000, 0x2400000, 0x2800000),))


class Guest:
    """A Target: the memory that was read in a boot, with changes, and other memory filled in one way."""

    def __init__(self, capture: Capture, changes: list[Change], fill: str) -> None:
        self._registers = dict(capture.registers)
        self._symbols = {**capture.symbols, '"e820 data"': 0x1000}
        self._fill = fill
        self._memory = [*capture.memory, (NAME, E820_DATA + b"\0"), (BLOB, build.e820_blob(build.MAP))]
        for change in changes:
            self._change(*change)

    def _change(self, place: str, key: Any, *rest: Any) -> None:  # noqa: ANN401 - see Change
        if place == "register":
            self._registers[key] = rest[0]
        elif place == "symbol":
            if rest[0] is None:
                self._symbols.pop(key, None)
            else:
                self._symbols[key] = rest[0]
        elif place == "page table":
            self._memory.append((build.TABLES + key * build.PAGE + rest[0] * 8, rest[1].to_bytes(8, "little")))
        elif place == "bytes":
            self._memory.append((key, rest[0]))
        else:
            self._memory.append(_field(place, key, *rest))

    def read_phys(self, paddr: int, size: int) -> bytes:
        if paddr < 0 or paddr + size > 1 << 64:
            raise MemoryUnreadable(paddr, size, "address out of range")
        if size > LONGEST_READ and self._fill != HUGE:
            raise MemoryUnreadable(paddr, size)
        data = bytearray(self._filled(paddr, size))
        for start, part in self._memory:
            low, high = max(start, paddr), min(start + len(part), paddr + size)
            if low < high:
                data[low - paddr : high - paddr] = part[low - start : high - start]
        return bytes(data)

    def _filled(self, paddr: int, size: int) -> bytes:
        if self._fill == "unreadable" and not any(
            start - build.PAGE <= paddr and paddr + size <= start + len(data) + build.PAGE
            for start, data in self._memory
        ):
            raise MemoryUnreadable(paddr, size)
        if self._fill == "random":
            first, end = paddr // _BLOCK, (paddr + size - 1) // _BLOCK + 1
            data = b"".join(_random_block(block) for block in range(first, end))
            return data[paddr - first * _BLOCK :][:size]
        if self._fill == "itself":
            first = paddr & ~7
            words = range(first, paddr + size, 8)
            return b"".join(word.to_bytes(8, "little") for word in words)[paddr - first :][:size]
        return (b"\xff" if self._fill in ("ones", HUGE) else b"\0") * size

    def register(self, name: str) -> int:
        value = self._registers.get(name)
        if value is None:
            raise RegisterUnavailable(name, "no such register")
        return value

    def symbol(self, name: str) -> int:
        if name not in self._symbols:
            raise SymbolMissing(name)
        return self._symbols[name]


def _field(place: str, index: int, number: int, value: int) -> tuple[int, bytes]:
    """Return the address and the bytes of one field with this value."""
    struct, address = PLACES[place]
    field = struct.FIELDS[number % len(struct.FIELDS)]
    size = min(field.size, 8)
    return address + index * struct.SIZE + field.offset, (value % (1 << 8 * size)).to_bytes(size, "little")


def document(value: Input) -> Document:
    names, changes, fill, kernel, (ended, how, (rip, symbol)), memory, _ = value
    if isinstance(names, int):
        case = _cases()[names % len(_cases())]
        outcome = case.outcome or Outcome(None, DONE)
        return Document(case.image, case.machine, _captured(case.history, changes, fill, case.image), outcome)
    image = _kernel(kernel)
    stops = _captured([_boot()[name]._replace(stage=name) for name in names], changes, fill, image)
    reached = next((name for name in reversed(names) if name != stages.DIED), None)
    died = Death(how, rip, symbol, "it died") if ended == DEAD or stages.DIED in names else None
    outcome = Outcome(reached, DEAD if died else ended, died)
    if outcome.ended == TIMED_OUT:
        outcome = outcome._replace(waited_for="e820", rip=rip, symbol=symbol)
    return Document(image, MachineFacts(memory=memory, machine="microvm"), stops, outcome)


def _captured(
    stops: Sequence[Capture], changes: list[Change], fill: str, image: ImageFacts | None
) -> tuple[Capture, ...]:
    """Return stops of a boot as they are with the changes."""
    captures: list[Capture] = []
    start_info = None
    for stop in stops:
        captures.append(read_capture(Guest(stop, changes, fill), stop.stage, image, start_info))
        if stop.stage == "entry" and captures[-1].start_info is not None:
            start_info = captures[-1].start_info.at
    return tuple(captures)


def _kernel(kernel: Image) -> ImageFacts | None:
    if kernel is None or isinstance(kernel, int):
        return None if kernel is None else _image(kernel)
    bits, entry, segments = kernel
    return build.linux()._replace(
        elf_class=bits, entry=entry, segments=tuple(Segment(*segment) for segment in segments)
    )


def check(value: Input) -> str:
    run = document(value)
    if value[-1][0] == "json":
        outputs.check_again(run)
    outputs.show(run, value[-1])
    return "decoded" if any(_has_boot_data(stop) for stop in run.stops) else "missing"


def _has_boot_data(stop: Capture) -> bool:
    return any(getattr(stop, key) is not None for key in stages.CAPTURE_KEYS)


TARGET = Target("guest", inputs(), check, frozenset({"decoded", "missing"}), seconds=10.0, in_tests=100)
