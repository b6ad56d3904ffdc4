"""Build guest memory piece by piece, and captures of it, as input for unit tests.

This module does not simulate a machine. The values in `boot()` are from a real boot (Linux 6.1 on microvm, 512 MiB).
"""

import random
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from pvhdbg.abi.boot_params import BootParams
from pvhdbg.abi.cpu import MONITOR_REGISTERS, REGISTERS
from pvhdbg.abi.e820 import BootE820Entry
from pvhdbg.abi.layout import Struct
from pvhdbg.abi.start_info import MAGIC, SIZE_V0, MemmapTableEntry, ModlistEntry, StartInfo
from pvhdbg.boot.record.document import DONE, Document, MachineFacts, Outcome
from pvhdbg.boot.stop import stages
from pvhdbg.boot.stop.capture import Capture
from pvhdbg.boot.stop.read import read_capture
from pvhdbg.image.facts import ImageFacts, Segment
from pvhdbg.target.base import Target
from pvhdbg.target.recording import Recording

PAGE = 4096
KERNEL_MAP, DIRECT_MAP = 0xFFFFFFFF80000000, 0xFFFF888000000000
START_INFO, MODLIST, CMDLINE, MEMMAP = 0xF31E0, 0x7B7C, 0xEFCB0, 0xEFC20
TABLE, TABLES = 0x32BC000, 0x2A10000
VARIABLES = {
    "pvh_start_info": 0x310D2E0,
    "pvh_bootparams": 0x310D320,
    "boot_params": 0x32BA460,
    "e820_table": 0x32BB500,
}
RAMDISK, RAMDISK_SIZE = 0x1FDDF000, 0x20ABC

Range = tuple[int, int, int]
"""An entry of a memory map: address, size and type."""

MAP: tuple[Range, ...] = (
    (0xD0000, 0x20000, 4),
    (0x0, 0x9FC00, 1),
    (0x9FC00, 0x400, 2),
    (0xF0000, 0x10000, 2),
    (0x100000, 0x1FF00000, 1),
    (0x0, 0x0, 0),
)
ISA: Range = (0xA0000, 0x60000, 2)
SANITIZED: tuple[Range, ...] = (
    (0x0, 0x9FC00, 1),
    (0x9FC00, 0x30400, 2),
    (0xD0000, 0x20000, 4),
    (0xF0000, 0x10000, 2),
    (0x100000, 0x1FF00000, 1),
)


def record(struct: type[Struct], values: Mapping[str, int | bytes], size: int | None = None) -> bytes:
    """Return the bytes of a structure with these fields set and all others 0. `hdr.version` is a nested field."""
    raw = bytearray(struct.SIZE)
    for path, value in values.items():
        field, offset = find_field(struct, path)
        data = value.to_bytes(field.size, "little") if isinstance(value, int) else value
        raw[offset : offset + len(data)] = data
    return bytes(raw[:size])


def find_field(struct: type[Struct], path: str) -> tuple[Any, int]:
    """Return a field by its path, and its offset in the outermost structure."""
    name, _, rest = path.partition(".")
    field = struct.field(name)
    if not rest:
        return field, field.offset
    nested = field.__get__(struct(bytes(struct.SIZE)), struct)
    nested_field, offset = find_field(type(nested), rest)
    return nested_field, field.offset + offset


def start_info(**values: int) -> bytes:
    """Return a struct hvm_start_info, 40 bytes long if `version` is 0."""
    fields = {"magic": MAGIC, "version": 1} | values
    return record(StartInfo, fields, None if fields["version"] else SIZE_V0)


def modlist(*modules: tuple[int, int, int, int]) -> bytes:
    """Return an array of hvm_modlist_entry. A module is (paddr, size, cmdline_paddr, reserved)."""
    names = [field.name for field in ModlistEntry.FIELDS]
    return b"".join(record(ModlistEntry, dict(zip(names, module, strict=True))) for module in modules)


def memmap(ranges: Iterable[Range]) -> bytes:
    """Return an array of hvm_memmap_table_entry."""
    return b"".join(record(MemmapTableEntry, {"addr": a, "size": s, "type": t}) for a, s, t in ranges)


def e820(ranges: Iterable[Range]) -> bytes:
    """Return an array of boot_e820_entry."""
    return b"".join(record(BootE820Entry, {"addr": a, "size": s, "type": t}) for a, s, t in ranges)


def e820_blob(ranges: Sequence[Range]) -> bytes:
    """Return a struct e820_table: the kernel's own, or the content of a module named "e820 data"."""
    return len(ranges).to_bytes(4, "little") + e820(ranges)


def boot_params(ranges: Sequence[Range] = (), **values: int | bytes) -> bytes:
    """Return a struct boot_params with these e820 entries and fields; `hdr__version` sets hdr.version."""
    fields: dict[str, int | bytes] = {name.replace("__", "."): value for name, value in values.items()}
    table: dict[str, int | bytes] = {"e820_entries": len(ranges), "e820_table": e820(ranges)}
    return record(BootParams, table | fields)


def linux() -> ImageFacts:
    """Return the facts of a Linux kernel file."""
    return ImageFacts(
        path="/boot/vmlinux-6.1.0-56-cloud-amd64",
        elf="/boot/vmlinux-6.1.0-56-cloud-amd64",
        kind="vmlinux",
        elf_class=64,
        machine=62,
        entry=0x1000850,
        build_id="8f3c6d2e51aa0b9c74e1d2c3b4a5968778695a4b",
        release="6.1.0-56-cloud-amd64",
        segments=(Segment(0x1000000, 0xFFFFFFFF81000000, 0x2400000, 0x2800000),),
        notes=(),
    )


class Memory:
    """Pages of memory. A page exists only after a write to it; its other bytes are zeros."""

    def __init__(self) -> None:
        self._pages: dict[int, bytearray] = {}

    def put(self, paddr: int, data: bytes) -> None:
        while data:
            number, offset = divmod(paddr, PAGE)
            part, data = data[: PAGE - offset], data[PAGE - offset :]
            if number not in self._pages:
                self._pages[number] = bytearray(PAGE)
            self._pages[number][offset : offset + len(part)] = part
            paddr += len(part)

    def get(self, paddr: int, size: int) -> bytes:
        pages = range(paddr // PAGE, (paddr + size - 1) // PAGE + 1)
        return b"".join(bytes(self._pages[number]) for number in pages)[paddr % PAGE :][:size]

    def ranges(self) -> tuple[tuple[int, bytes], ...]:
        """Return the memory in the format of a Recording: ascending ranges, adjacent pages joined."""
        joined: list[tuple[int, bytearray]] = []
        for number, page in sorted(self._pages.items()):
            if joined and joined[-1][0] + len(joined[-1][1]) == number * PAGE:
                joined[-1][1].extend(page)
            else:
                joined.append((number * PAGE, bytearray(page)))
        return tuple((paddr, bytes(data)) for paddr, data in joined)


class Guest:
    """A stopped machine: memory, registers and symbols that a test can change before it takes a capture."""

    def __init__(self, image: ImageFacts | None = None) -> None:
        self.memory = Memory()
        self.image = image
        self.registers: dict[str, int | None] = dict.fromkeys(REGISTERS, 0)
        self.symbols: dict[str, int] = {}

    def put(self, paddr: int, data: bytes) -> None:
        self.memory.put(paddr, data)

    def run_at(self, rip: int, code: str) -> None:
        """Set RIP, and put code (in hex) at this address."""
        self.registers["rip"] = rip
        self.put(rip & 0x7FFFFFFF, bytes.fromhex(code))

    def without_monitor(self) -> None:
        """Remove the registers that only QEMU's monitor has, such as segment bases and A20."""
        self.registers.update(dict.fromkeys(MONITOR_REGISTERS, None))

    def at(self, stage: str, start_info_paddr: int | None = None) -> Capture:
        """Capture the machine as if it were at this stage."""
        target = Recording(self.memory.ranges(), self.registers, self.symbols)
        return read_capture(target, stage, self.image, start_info_paddr)


def linux_guest(image: ImageFacts | None = None) -> Guest:
    """Return a Linux at its entry, as qboot starts it: with start_info, a module, a command line and a memory map."""
    guest = Guest(image or linux())
    guest.put(
        START_INFO,
        start_info(
            nr_modules=1,
            modlist_paddr=MODLIST,
            cmdline_paddr=CMDLINE,
            memmap_paddr=MEMMAP,
            memmap_entries=len(MAP),
        ),
    )
    guest.put(MODLIST, modlist((RAMDISK, RAMDISK_SIZE, 0, 0)))
    guest.put(CMDLINE, b"console=ttyS0 earlyprintk=ttyS0\0")
    guest.put(MEMMAP, memmap(MAP))
    guest.registers.update(rip=0x1000850, rbx=START_INFO, rsp=0x7B38, cr0=0x11, eflags=2, a20=1)
    flat = {"base": 0, "limit": 0xFFFFFFFF}
    for segment, selector, flags in (
        ("cs", 8, 0xCF9B00),
        ("ds", 16, 0xCF9300),
        ("es", 16, 0xCF9300),
        ("ss", 16, 0xCF9300),
    ):
        guest.registers[segment] = selector
        guest.registers.update(
            {f"{segment}.{part}": value for part, value in flat.items()}, **{f"{segment}.flags": flags}
        )
    guest.registers.update({"tr.limit": 0xFFFF, "tr.flags": 0x8B00, "gdtr.limit": 0x1F})
    return guest


def page_tables(guest: Guest) -> None:
    """Set long mode with 1 GiB pages: the identity map, the direct map and the kernel map all map the first GiB."""
    for vaddr in (0, DIRECT_MAP, KERNEL_MAP):
        table = TABLES + PAGE * (1 + (vaddr >> 39 & 0xFF) % 7)
        guest.put(TABLES + (vaddr >> 39 & 511) * 8, (table | 3).to_bytes(8, "little"))
        guest.put(table + (vaddr >> 30 & 511) * 8, (0x83).to_bytes(8, "little"))
    guest.registers.update({"cr0": 0x80000011, "cr3": TABLES, "cr4": 0x20, "efer": 0x500, "cs.flags": 0xAF9B00})


def boot() -> Document:
    """Return a whole run, with a stop at each of the five stages."""
    guest = linux_guest()
    stops = []
    for stage, step in zip(stages.NAMES, _STEPS, strict=True):
        step(guest)
        stops.append(guest.at(stage, START_INFO))
    return Document(linux(), machine(), tuple(stops), Outcome("e820", DONE))


def booted_guest() -> Guest:
    """Return a Linux after its last stage."""
    guest = linux_guest()
    for step in _STEPS:
        step(guest)
    return guest


def _enter(guest: Guest) -> None:
    guest.run_at(0x1000850, "fc0f01158ba00001")


def _prepare(guest: Guest) -> None:
    page_tables(guest)
    guest.symbols = {name: KERNEL_MAP + paddr for name, paddr in VARIABLES.items()}
    guest.put(VARIABLES["pvh_start_info"], guest.memory.get(START_INFO, StartInfo.SIZE))
    guest.run_at(0xFFFFFFFF8305A1FF, "f30f1efa")


def _fill_boot_params(guest: Guest) -> None:
    params = boot_params(
        (*MAP, ISA),
        hdr__version=0x20C,
        hdr__type_of_loader=0xB0,
        hdr__ramdisk_image=RAMDISK,
        hdr__ramdisk_size=RAMDISK_SIZE,
        hdr__cmd_line_ptr=CMDLINE,
    )
    guest.put(VARIABLES["pvh_bootparams"], params)
    guest.run_at(0x10008CB, "488d35")


def _copy_boot_params(guest: Guest) -> None:
    guest.put(VARIABLES["boot_params"], guest.memory.get(VARIABLES["pvh_bootparams"], BootParams.SIZE))
    guest.run_at(0xFFFFFFFF8304EE41, "f30f1efa")


def _fill_e820_table(guest: Guest) -> None:
    guest.put(VARIABLES["e820_table"], (KERNEL_MAP + TABLE).to_bytes(8, "little"))
    guest.put(TABLE, e820_blob(SANITIZED))
    guest.run_at(0xFFFFFFFF8305B541, "4889c7")


_STEPS = (_enter, _prepare, _fill_boot_params, _copy_boot_params, _fill_e820_table)


def machine() -> MachineFacts:
    return MachineFacts(
        qemu="7.2.22",
        machine="microvm",
        accel="tcg",
        cpu="max",
        memory="512M",
        append="console=ttyS0 earlyprintk=ttyS0",
        initrd="/tmp/initrd.gz",
    )


class RandomTarget:
    """A Target with random answers. Repeated reads return the same bytes; with `byte`, memory is filled with it."""

    def __init__(self, seed: int, byte: int | None = None) -> None:
        self._seed = seed
        self._byte = byte
        self._choice = random.Random(seed)

    def read_phys(self, paddr: int, size: int) -> bytes:
        if self._byte is not None:
            return bytes([self._byte]) * size
        first, last = paddr // PAGE, (paddr + size - 1) // PAGE
        data = b"".join(random.Random(f"{self._seed} {page}").randbytes(PAGE) for page in range(first, last + 1))
        return data[paddr % PAGE :][:size]

    def register(self, _name: str) -> int:
        bits = 1 << 64 if self._byte is None else 1 << 32
        return self._choice.choice((0, 0x11, 0x80000011, 0x500, 0x20, self._choice.randrange(bits)))

    def symbol(self, _name: str) -> int:
        return self._choice.randrange(1 << 40)


def capture_target(target: Target, stage: str, image: ImageFacts | None = None) -> Capture:
    """Capture any target, with start_info at the address that qboot uses."""
    return read_capture(target, stage, image, START_INFO)
