"""Boot a real kernel through all its stages, and collect what other programs report at each stage.

They are gdb (from the kernel's debug information), QEMU (from its own page walk) and the kernel (on its console).
"""

from __future__ import annotations

import json
import random
import time
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from pvhdbg.abi.paging import Paging, walk
from pvhdbg.boot.run.journey import Journey
from pvhdbg.boot.stop import stages
from pvhdbg.boot.stop.address import symbol_at
from pvhdbg.image.load import open_kernel
from pvhdbg.live.debuggee.own_machine import OwnMachine
from pvhdbg.live.debuggee.stub_machine import StubMachine
from pvhdbg.live.qemu.options import qemu_binary
from pvhdbg.target.base import HIT
from pvhdbg.target.mi.client import console_command
from tests import bios_e820, kernels

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pvhdbg.boot.stop.capture import Capture
    from pvhdbg.image.facts import ImageFacts
    from pvhdbg.live.qemu.options import QemuOptions

GDB_SCRIPT = Path(__file__).with_name("values_in_gdb.py")
PATIENCE = 150.0
"""The timeout for one stage, in seconds. Only KVM inside an emulated machine needs nearly as long."""

AFTER_EARLYPRINTK = "init_mem_mapping"
"""The first function after parse_early_param in Linux 6.1 and 6.12: before it, earlyprintk has printed the map."""

GIB = 1 << 30
IDENTITY, DIRECT_MAP, FIXMAP = 0, 0xFFFF888000000000, 0xFFFFFFFFFF000000
NOT_CANONICAL = (1 << 47, 0xFFFF7FFFFFFFFFFF)
DIRECT_MAP_32, FIXMAP_32 = 0xC0000000, 0xFF000000

Walks = dict[int, int | None]


class RealBoot(NamedTuple):
    """A finished boot. `gdb` has values by stage and name; the walks have paddrs by stage and virtual address."""

    image: ImageFacts
    captures: dict[str, Capture]
    gdb: dict[str, dict[str, Any]]
    our_walks: dict[str, Walks]
    qemu_walks: dict[str, Walks]
    console: bytes

    def paddr(self, stage: str, name: str) -> int | None:
        """Return the physical address of a variable according to gdb."""
        return self.image.to_paddr(self.gdb[stage][f"&{name}"])


M = TypeVar("M", OwnMachine, StubMachine)


def machine_at_reset(options: QemuOptions) -> AbstractContextManager[tuple[OwnMachine, Journey]]:
    """Return a machine with gdb at its reset vector, and a journey for it."""
    return _at_reset(OwnMachine(), options)


def stub_at_reset(options: QemuOptions) -> AbstractContextManager[tuple[StubMachine, Journey]]:
    """Return a machine without gdb, which starts in less time, at its reset vector, and a journey for it."""
    return _at_reset(StubMachine(), options)


@contextmanager
def _at_reset(machine: M, options: QemuOptions) -> Iterator[tuple[M, Journey]]:
    with machine:
        kernel = open_kernel(options.kernel, machine.folder)
        binary = qemu_binary(kernel.facts, linux=True)
        machine.boot(options._replace(binary=binary), kernel.symbols)
        machine.wait_ready()
        target = machine.target
        name_of = partial(symbol_at, kernel.symbols.enclosing, kernel.facts)
        yield machine, Journey(target, machine.runner, kernel.facts, reading=target.physical_reads, name_of=name_of)


def boot(options: QemuOptions) -> RealBoot:
    """Boot to the stage e820, and then until the console has printed the map."""
    with machine_at_reset(options) as (machine, journey):
        assert journey.image is not None
        real_boot = RealBoot(journey.image, {}, {}, {}, {}, b"")
        for stage in stages.NAMES:
            _visit(machine, journey, real_boot, stage)
        halt = machine.runner.run_to([machine.target.symbol(AFTER_EARLYPRINTK)], PATIENCE)
        assert HIT == halt.kind, halt
        return real_boot._replace(console=_console_with_map(machine))


def _visit(machine: OwnMachine, journey: Journey, real_boot: RealBoot, stage: str) -> None:
    halts = list(journey.go(stage, PATIENCE))
    assert [HIT] == [halt.kind for halt in halts], f"{stage}: {halts}"
    capture = real_boot.captures[stage] = journey.history[-1]
    if stage == "prepare":
        for command in kernels.GDB_INDEX:
            machine.gdb.ask(console_command(command))
        machine.gdb.ask(f"-file-symbol-file {real_boot.image.elf}", PATIENCE)
        machine.gdb.ask(console_command(f"source {GDB_SCRIPT}"))
    expressions = _expressions(stage, capture)
    real_boot.gdb[stage] = {name: _gdb_value(machine, expression) for name, expression in expressions.items()}
    if stage in ("prepare", "kernel"):
        addresses = _addresses(real_boot.image)
        real_boot.our_walks[stage] = _our_walks(machine, capture, addresses)
        real_boot.qemu_walks[stage] = {vaddr: _qemu_walk(machine, vaddr) for vaddr in addresses}


def _expressions(stage: str, capture: Capture) -> dict[str, str]:
    """Return the C expressions that gdb evaluates at a stage. Before `kernel`, low memory is mapped to itself."""
    if stage == "prepare":
        return {**_variable("pvh_start_info"), **_handover(capture)}
    if stage == "bootparams":
        return _variable("pvh_bootparams")
    if stage == "kernel":
        return _variable("boot_params")
    if stage == "e820":
        # Not e820_table->entries, for which gdb first searches every "entries" in the kernel: 5 s.
        count = capture.e820_table.nr_entries if capture.e820_table else 0
        entries = f"*(struct e820_entry (*)[{count}])(&e820_table->nr_entries + 1)"
        return {**_variable("boot_params"), "nr_entries": "e820_table->nr_entries", "entries": entries}
    return {}


def _variable(name: str) -> dict[str, str]:
    return {name: name, f"&{name}": f"&{name}"}


def _handover(capture: Capture) -> dict[str, str]:
    info = capture.pvh_start_info
    assert info is not None
    assert info.nr_modules < 2
    cmdline_size = len(capture.cmdline.raw if capture.cmdline else b"") + 1
    expressions = {
        "memory_map": f"*(struct hvm_memmap_table_entry (*)[{info.memmap_entries}]){info.memmap_paddr}",
        "modules": f"*(struct hvm_modlist_entry (*)[{info.nr_modules}]){info.modlist_paddr}",
        "cmdline": f"*(unsigned char (*)[{cmdline_size}]){info.cmdline_paddr}",
    }
    return {name: expression for name, expression in expressions.items() if name != "modules" or info.nr_modules}


def _gdb_value(machine: OwnMachine, expression: str) -> object:
    return json.loads(machine.gdb.ask(console_command(f'python print_json("{expression}")')).text)


def _addresses(image: ImageFacts) -> list[int]:
    """Return virtual addresses to translate: at the edges of the early maps, in the kernel, and random ones."""
    choice = random.Random(2017)
    is_64_bit = image.elf_class == 64
    direct_map, fixmap = (DIRECT_MAP, FIXMAP) if is_64_bit else (DIRECT_MAP_32, FIXMAP_32)
    borders = [base + offset for base in (IDENTITY, direct_map) for offset in (0, 0x1000, GIB - 1, GIB)]
    areas = [
        (IDENTITY, GIB),
        (direct_map, GIB),
        (fixmap, (1 << 24) - 1),
        *((segment.vaddr, segment.memsz) for segment in image.segments),
    ]
    at_random = [start + choice.randrange(size) for start, size in areas for _ in range(6)]
    addresses = {*borders, *at_random, *(NOT_CANONICAL if is_64_bit else ())}
    return sorted(vaddr for vaddr in addresses if is_64_bit or vaddr < 1 << 32)


def _our_walks(machine: OwnMachine, capture: Capture, addresses: list[int]) -> Walks:
    cr0, cr3, cr4, efer = (capture.registers[name] or 0 for name in ("cr0", "cr3", "cr4", "efer"))
    paging = Paging(cr0, cr3, cr4, efer)
    with machine.target.physical_reads():
        return {vaddr: walk(machine.target.read_phys, paging, vaddr).paddr for vaddr in addresses}


def _qemu_walk(machine: OwnMachine, vaddr: int) -> int | None:
    answer = machine.target.monitor(f"gva2gpa {vaddr:#x}").strip()
    return None if answer == "Unmapped" else int(answer.removeprefix("gpa: "), 16)


def _console_with_map(machine: OwnMachine) -> bytes:
    """Wait until a line follows the map, because QEMU's output may arrive late. Return the console's output."""
    assert machine.qemu is not None
    deadline = time.monotonic() + PATIENCE
    while True:
        console = machine.qemu.serial.text()
        _, _, rest = console.rpartition(b"BIOS-e820: ")
        if (bios_e820.ranges(console) and b"\n" in rest.partition(b"\n")[2]) or time.monotonic() > deadline:
            return console
        time.sleep(0.01)
