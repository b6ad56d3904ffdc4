"""A real kernel booted through all its stages, and beside each capture what others say of the same moment.

The others are gdb by the kernel's debug information, QEMU by its own page walk, and the kernel by its console.
"""

from __future__ import annotations

import json
import random
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from pvhdbg.boot.run.journey import Journey
from pvhdbg.boot.stop import stages
from pvhdbg.boot.stop.paging import Paging, walk
from pvhdbg.image.load import open_kernel
from pvhdbg.live.debuggee.own_machine import OwnMachine
from pvhdbg.live.qemu.options import qemu_binary
from pvhdbg.target.base import HIT
from pvhdbg.target.mi import console_command
from tests import bios_e820

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pvhdbg.boot.stop.capture import Capture
    from pvhdbg.image.facts import ImageFacts
    from pvhdbg.live.qemu.options import QemuOptions

LEAVES = Path(__file__).with_name("leaves_in_gdb.py")
PATIENCE = 150.0
"""Seconds for one stage. Only a software KVM comes near."""

CONSOLE_WORKS = "init_mem_mapping"
"""The first function after parse_early_param that Linux 6.1 and 6.12 both have: earlyprintk has told the map."""

GIB = 1 << 30
IDENTITY, DIRECT_MAP, FIXMAP = 0, 0xFFFF888000000000, 0xFFFFFFFFFF000000
NOT_CANONICAL = (1 << 47, 0xFFFF7FFFFFFFFFFF)
DIRECT_MAP_32, FIXMAP_32 = 0xC0000000, 0xFF000000

Walks = dict[int, int | None]


class RealBoot(NamedTuple):
    """What came of a boot. `gdb` has gdb's values by stage and by name; the walks are by stage and virtual address."""

    image: ImageFacts
    captures: dict[str, Capture]
    gdb: dict[str, dict[str, Any]]
    our_walks: dict[str, Walks]
    qemu_walks: dict[str, Walks]
    console: bytes

    def paddr(self, stage: str, name: str) -> int | None:
        """Where gdb says that a variable lies."""
        return self.image.physical(self.gdb[stage][f"&{name}"])


@contextmanager
def standing(options: QemuOptions) -> Iterator[tuple[OwnMachine, Journey]]:
    """A machine at its reset vector."""
    with OwnMachine() as machine:
        kernel = open_kernel(options.kernel, machine.folder)
        binary = qemu_binary(kernel.facts, linux=True)
        machine.boot(options._replace(binary=binary), kernel.symbols)
        machine.wait_ready()
        yield machine, Journey(machine.target, machine.runner, kernel.facts, reading=machine.target.physical)


def boot(options: QemuOptions) -> RealBoot:
    """Boot to e820 and on until the console has told the map."""
    with standing(options) as (machine, journey):
        assert journey.image is not None
        seen = RealBoot(journey.image, {}, {}, {}, {}, b"")
        for stage in stages.NAMES:
            _visit(machine, journey, seen, stage)
        halt = machine.runner.run_to([machine.target.symbol(CONSOLE_WORKS)], PATIENCE)
        assert HIT == halt.kind, halt
        return seen._replace(console=_map_told(machine))


def _visit(machine: OwnMachine, journey: Journey, seen: RealBoot, stage: str) -> None:
    halts = list(journey.go(stage, PATIENCE))
    assert [HIT] == [each.kind for each in halts], f"{stage}: {halts}"
    seen.captures[stage] = journey.history[-1]
    if stage == "prepare":
        machine.gdb.ask(f"-file-symbol-file {seen.image.elf}", PATIENCE)
        machine.gdb.ask(console_command(f"source {LEAVES}"))
    questions = _questions(stage, seen.captures[stage])
    seen.gdb[stage] = {name: _leaves(machine, expression) for name, expression in questions.items()}
    if stage in ("prepare", "kernel"):
        addresses = _addresses(seen.image)
        seen.our_walks[stage] = _our_walks(machine, seen.captures[stage], addresses)
        seen.qemu_walks[stage] = {each: _qemu_walk(machine, each) for each in addresses}


def _questions(stage: str, seen: Capture) -> dict[str, str]:
    """What gdb is asked at a stage, as C expressions. Until `kernel` low memory is mapped to itself."""
    if stage == "prepare":
        return {**_variable("pvh_start_info"), **_handed_over(seen)}
    if stage == "bootparams":
        return _variable("pvh_bootparams")
    if stage == "kernel":
        return _variable("boot_params")
    if stage == "e820":
        # The same as e820_table->entries, but for that gdb looks for every "entries" in the kernel first: 5 s.
        count = seen.e820_table.nr_entries if seen.e820_table else 0
        entries = f"*(struct e820_entry (*)[{count}])(&e820_table->nr_entries + 1)"
        return {**_variable("boot_params"), "nr_entries": "e820_table->nr_entries", "entries": entries}
    return {}


def _variable(name: str) -> dict[str, str]:
    return {name: name, f"&{name}": f"&{name}"}


def _handed_over(seen: Capture) -> dict[str, str]:
    info = seen.pvh_start_info
    assert info is not None
    assert info.nr_modules < 2
    asked = {
        "memory_map": f"*(struct hvm_memmap_table_entry (*)[{info.memmap_entries}]){info.memmap_paddr}",
        "modules": f"*(struct hvm_modlist_entry (*)[{info.nr_modules}]){info.modlist_paddr}",
        "cmdline": f"*(unsigned char (*)[{len(seen.cmdline.raw if seen.cmdline else b'') + 1}]){info.cmdline_paddr}",
    }
    return {name: expression for name, expression in asked.items() if name != "modules" or info.nr_modules}


def _leaves(machine: OwnMachine, expression: str) -> object:
    return json.loads(machine.gdb.ask(console_command(f'python leaves("{expression}")')).text)


def _addresses(image: ImageFacts) -> list[int]:
    """Virtual addresses worth a walk: the borders of what early tables map, the kernel, and some at random."""
    choice = random.Random(2017)
    is_wide = image.elf_class == 64
    direct_map, fixmap = (DIRECT_MAP, FIXMAP) if is_wide else (DIRECT_MAP_32, FIXMAP_32)
    borders = [base + offset for base in (IDENTITY, direct_map) for offset in (0, 0x1000, GIB - 1, GIB)]
    areas = [
        (IDENTITY, GIB),
        (direct_map, GIB),
        (fixmap, (1 << 24) - 1),
        *((each.vaddr, each.memsz) for each in image.segments),
    ]
    somewhere = [start + choice.randrange(size) for start, size in areas for _ in range(6)]
    found = {*borders, *somewhere, *(NOT_CANONICAL if is_wide else ())}
    return sorted(each for each in found if is_wide or each < 1 << 32)


def _our_walks(machine: OwnMachine, seen: Capture, addresses: list[int]) -> Walks:
    cr0, cr3, cr4, efer = (seen.registers[name] or 0 for name in ("cr0", "cr3", "cr4", "efer"))
    with machine.target.physical():
        return {each: walk(machine.target.read_phys, Paging(cr0, cr3, cr4, efer), each).paddr for each in addresses}


def _qemu_walk(machine: OwnMachine, vaddr: int) -> int | None:
    answer = machine.target.monitor(f"gva2gpa {vaddr:#x}").strip()
    return None if answer == "Unmapped" else int(answer.removeprefix("gpa: "), 16)


def _map_told(machine: OwnMachine) -> bytes:
    """The console once something follows the map on it: what QEMU has sent may still be on its way to us."""
    assert machine.qemu is not None
    deadline = time.monotonic() + PATIENCE
    while True:
        console = machine.qemu.serial.text()
        _, _, rest = console.rpartition(b"BIOS-e820: ")
        if (bios_e820.ranges(console) and b"\n" in rest.partition(b"\n")[2]) or time.monotonic() > deadline:
            return console
        time.sleep(0.01)
