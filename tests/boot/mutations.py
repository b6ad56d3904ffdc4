"""Boot real kernels with randomly changed start_info, modules and maps, and compare them with the model.

Half of the boots change what QEMU hands over, the others what another VMM does.

    python -m tests.boot.mutations SEED N

boots N mutations, with the seeds SEED to SEED + N - 1. It prints the mutations for which the model was wrong, and those
that were not run because their kernel is missing or a change cannot be made. The exit status is 1 if the model was
wrong or a kernel was missing. With the same kernels, a seed always results in the same boot.
"""

from __future__ import annotations

import random
import sys
import tempfile
from collections import Counter
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from pvhdbg import guest
from pvhdbg.boot.stop.protocols import E820_MODULE, NO_MAP
from pvhdbg.boot.stop.protocols import MEMMAP as MEMMAP_TABLE
from pvhdbg.errors import UserError
from pvhdbg.vmm_profiles import table
from pvhdbg.vmm_profiles.profile import Boot
from tests import build, kernels
from tests.boot.laboratory import BLANK, RAM, Experiment, run_experiment

if TYPE_CHECKING:
    from pathlib import Path

    from pvhdbg.vmm_profiles.profile import Layout

KERNELS: dict[str, Callable[[], Path]] = {
    "teaching": lambda: guest.ELF,
    "rfc": kernels.rfc_vmlinux,
    "6.1": lambda: kernels.vmlinux("6.1"),
    "6.12": lambda: kernels.vmlinux("6.12"),
    "6.1-686": lambda: kernels.vmlinux("6.1-686"),
}
WITH_E820_MODULE = ("teaching", "rfc")
"""The kernels that read the map from an "e820 data" module."""
MICROVM = "microvm"
MACHINES = (MICROVM, MICROVM, "pc", "q35")
TIMEOUT = 8.0
"""The timeout for one stage, in seconds. It is short, because a guest that panics in xen_prepare_pvh hangs there."""

Mutator = Callable[[random.Random], str]
"""A function that returns a random change, written as for `--set`."""

MEMMAP, BLOB = BLANK, BLANK + 0x10000
COUNTS: tuple[int, ...] = (
    *range(8),
    *range(124, 132),
    *range(166, 178),
    *range(253, 260),
    300,
    383,
    384,
    512,
    5000,
    0xFFFFFFFF,
)
TYPES: tuple[int, ...] = (*range(8), 1, 1, 1, 12, 128, 0xEFFFFFFF)
ADDRESSES: tuple[int, ...] = (
    *(0, 8, 0x1000, BLANK, BLANK + 3, MEMMAP, BLOB, 0xF31E0, 0x100000, 0x1000000),
    *(0x1FFFFFE0, 0x20000000, 0x3FFFFF00, 0x3FFFFFE0, 0x40000000, (1 << 64) - 1),
)
SIZES: tuple[int, ...] = (0, 1, 0x1000, 0x9FC00, 1 << 20, 1 << 32, (1 << 64) - 1)
LEAST_ENTRIES = 4
"""How many entries each map that QEMU hands over has at least."""
NAMES = ("e820 data", "e820 dat", "e820 data ", "E820 data", "")


class Mutation(NamedTuple):
    """One boot: the kernel, the machine, the VMM whose handover is changed, the changes, and bytes for memory."""

    kernel: str
    machine: str
    vmm: str
    has_initrd: bool
    changes: tuple[str, ...]
    puts: tuple[tuple[int, bytes], ...]

    def boot(self) -> Experiment:
        """Boot with the changes, and compare with the model.

        :raise UserError: if a change cannot be made, for example to a module that does not exist.
        """
        with tempfile.NamedTemporaryFile() as initrd:
            initrd.write(bytes(5000))
            initrd.flush()
            return self._boot(initrd.name if self.has_initrd else None)

    def _boot(self, initrd: str | None) -> Experiment:
        kernel = KERNELS[self.kernel]()
        return run_experiment(
            kernel,
            self.changes,
            puts=self.puts,
            timeout=TIMEOUT,
            machine=self.machine,
            initrd=initrd,
            vmm=self.vmm,
        )


def mutation(seed: int) -> Mutation:
    """Return the mutation with this seed."""
    choice = random.Random(seed)
    kernel = choice.choice(list(KERNELS))
    vmm = choice.choice((*table.NAMES, *(table.QEMU for _ in table.NAMES)))
    layout = table.profile(vmm).layout
    form = MEMMAP_TABLE if layout is None else layout.map_form
    is_converted = choice.random() < (0.7 if kernel in WITH_E820_MODULE else 0.15)
    has_initrd = choice.random() < 0.7
    as_module = form == E820_MODULE or (is_converted and form == MEMMAP_TABLE)
    count = choice.choice((1, 1, 2, 2, 3, 4, 6))
    what = Changeable(as_module, has_initrd or as_module, 0 if form == NO_MAP else _count_entries(layout))
    changes = dict.fromkeys(_change(choice, what) for _ in range(count))  # not a set, whose order differs
    in_order = [E820_MODULE, *sorted(changes, key=_order)][0 if is_converted and form == MEMMAP_TABLE else 1 :]
    machine = choice.choice(MACHINES) if layout is None else MICROVM
    return Mutation(kernel, machine, vmm, has_initrd, tuple(in_order), _puts(choice))


def _count_entries(layout: Layout | None) -> int:
    return LEAST_ENTRIES if layout is None else min(len(layout.memory_map(Boot(RAM, 1, None))), LEAST_ENTRIES)


def _order(change: str) -> int:
    """Return the sort key of a change: structures before pointers to them, version last because 0 lacks fields."""
    path = change.partition("=")[0]
    return ("memory_map", "modules", "start_info", "start_info.version").index(
        path if path.endswith(".version") else path.partition(".")[0].partition("[")[0]
    )


class Changeable(NamedTuple):
    """What a boot has that can be changed. The map is in a module, or in a table if it is not `as_module`.

    `entries` is the number of its entries, at most 4.
    """

    as_module: bool
    has_modules: bool
    entries: int


def _change(choice: random.Random, what: Changeable) -> str:
    """Return a random change of a value that exists."""
    mutators: list[Mutator] = [_count, _pointer, _plain]
    if what.entries:
        mutators += [partial(_entry, what.entries)] * 3
        mutators += [_map_module, _map_module] if what.as_module else [_table, _table]
    return choice.choice([*mutators, _module] if what.has_modules else mutators)(choice)


def _count(choice: random.Random) -> str:
    count = choice.choice((0, 1, 1, 2, 3, 100, 5000, 0xFFFFFFFF))
    return f"start_info.{choice.choice(('nr_modules', 'version'))}={count}"


def _table(choice: random.Random) -> str:
    count = choice.choice(COUNTS)
    return choice.choice((f"start_info.memmap_entries={count}", f"start_info.memmap_paddr={_address(choice)}"))


def _pointer(choice: random.Random) -> str:
    name = choice.choice(("modlist_paddr", "cmdline_paddr", "rsdp_paddr"))
    return f"start_info.{name}={_address(choice)}"


def _plain(choice: random.Random) -> str:
    return f"start_info.{choice.choice(('flags', 'flags', 'magic'))}={choice.randrange(1 << 32)}"


def _entry(entries: int, choice: random.Random) -> str:
    name = choice.choice(("addr", "size", "type"))
    path = f"memory_map.entries[{choice.randrange(entries)}].{name}"
    return f"{path}={_type(choice) if name == 'type' else _size(choice)}"


def _module(choice: random.Random) -> str:
    name = choice.choice(("paddr", "size", "cmdline_paddr", "reserved"))
    return f"modules[0].{name}={choice.choice((_address, _size))(choice)}"


def _map_module(choice: random.Random) -> str:
    return choice.choice(
        (
            f"memory_map.nr_entries={choice.choice(COUNTS)}",
            f'modules[1].cmdline="{choice.choice(NAMES)}"',
            f"modules[1].paddr={_address(choice)}",
            f"modules[1].size={_size(choice)}",
            f"modules[1].cmdline_paddr={_address(choice)}",
        )
    )


def _address(choice: random.Random) -> int:
    limit = choice.choice((1 << 29, 1 << 30, 1 << 32, 1 << 64))
    return choice.choice((*ADDRESSES, *(choice.randrange(limit) for _ in range(8))))


def _size(choice: random.Random) -> int:
    sizes = [*SIZES, choice.randrange(1 << 16) << 12, choice.randrange(1 << 40), choice.randrange(1 << 64)]
    return choice.choice(sizes)


def _type(choice: random.Random) -> int:
    return choice.choice((*TYPES, choice.randrange(1 << 32)))


def _puts(choice: random.Random) -> tuple[tuple[int, bytes], ...]:
    """Return a memmap table and an "e820 data" blob. Changed pointers may point to them."""
    ranges = [(_size(choice), _size(choice) >> 1, _type(choice)) for _ in range(choice.choice((3, 20, 140, 300)))]
    return (MEMMAP, build.memmap(ranges)), (BLOB, build.e820_blob(ranges))


RIGHT, WRONG, IMPOSSIBLE, MISSING = "right", "wrong", "not run", "not run: kernel missing"


def check_model(seed: int) -> tuple[str, str]:
    """Return whether the model was right, and a line that explains why not."""
    mutated = mutation(seed)
    where = f"{mutated.kernel} on {mutated.machine}, {mutated.vmm}'s handover"
    boot = f"seed {seed}: {where}, {', '.join(mutated.changes)}"
    try:
        deviation = mutated.boot().deviation()
    except UserError as error:
        return IMPOSSIBLE, f"{boot}: not run: {error}"
    except kernels.MissingError as error:
        return MISSING, f"{boot}: not run: {error}"
    return (WRONG, f"{boot}: {deviation}") if deviation else (RIGHT, "")


def main(first: int, count: int) -> int:
    verdicts: Counter[str] = Counter()
    for seed in range(first, first + count):
        verdict, message = check_model(seed)
        verdicts[verdict] += 1
        if message:
            sys.stdout.write(message + "\n")
            sys.stdout.flush()
    not_run = verdicts[IMPOSSIBLE] + verdicts[MISSING]
    sys.stdout.write(
        f"{count} mutations from seed {first}: the model was right for {verdicts[RIGHT]} and wrong for "
        f"{verdicts[WRONG]}; {not_run} were not run\n"
    )
    return int(verdicts[RIGHT] + verdicts[IMPOSSIBLE] != count)


if __name__ == "__main__":
    sys.exit(main(*map(int, sys.argv[1:])))
