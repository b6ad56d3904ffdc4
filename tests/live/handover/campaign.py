"""Boot each kernel with each VMM's handover, and compare the map in the kernel's log with the VMM's.

    python -m tests.live.handover.campaign

A kernel that cannot take a handover must fail in the foreseen way. The script prints a line for each boot, in 50 boots,
and its exit status is 1 if any was not as foreseen or a kernel was missing. test_linux boots some of them.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from pvhdbg import guest
from pvhdbg.boot.record import replay
from pvhdbg.boot.stop.map_entries import decode_entries
from pvhdbg.boot.stop.protocols import E820_MODULE, MEMMAP
from pvhdbg.checks.finding import ERROR
from pvhdbg.checks.run import check_run
from pvhdbg.vmm_profiles import table
from pvhdbg.vmm_profiles.profile import Boot
from tests import bios_e820, kernels
from tests.cli.shell import pvhdbg

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from pvhdbg.boot.record.document import Document
    from tests.bios_e820 import Range

RAM = 512 << 20
ISA_RANGE = (0xA0000, 0x60000, 2)
"""What init_pvh_bootparams adds."""
TEACHING, RFC = "teaching", "rfc"
KERNELS: dict[str, Callable[[], Path]] = {
    "6.1": lambda: kernels.vmlinux("6.1"),
    "6.12": lambda: kernels.vmlinux("6.12"),
    "32-bit": lambda: kernels.vmlinux("6.1-686"),
    RFC: kernels.rfc_vmlinux,
    TEACHING: lambda: guest.ELF,
}
TAKES = {TEACHING: (MEMMAP, E820_MODULE), RFC: (E820_MODULE,)}
"""The forms of the map that a kernel reads; Linux reads only MEMMAP."""
MAP, DIES, IGNORES = "the map in the log is the VMM's", "dies in xen_prepare_pvh", "ignores the map"
FIRST_ERROR = {"rfc2017": "PVH602", "xen-dom0": "PVH102"}
"""The first error of a kernel that dies because there is no map that it reads."""


class Seen(NamedTuple):
    """A boot: the recording, and what the kernel has logged."""

    run: Document
    log: str


def foreseen(kernel: str, vmm: str) -> str:
    """Return what happens, according to the kernel's source: MAP, DIES or IGNORES."""
    layout = table.profile(vmm).layout
    form = MEMMAP if layout is None else layout.map_form
    if form in TAKES.get(kernel, (MEMMAP,)):
        return MAP
    return IGNORES if kernel == RFC else DIES


def deviation(kernel: str, vmm: str) -> str | None:
    """Boot, and return what is not as foreseen; None if all is.

    :raise MissingError: if the kernel is not in the cache.
    """
    seen = boot(kernel, vmm)
    judge = {MAP: _wrong_map, DIES: _wrong_death, IGNORES: _wrong_default}[foreseen(kernel, vmm)]
    return judge(seen, vmm)


def boot(kernel: str, vmm: str) -> Seen:
    """Boot to the stage e820. The teaching guest prints its map after that, and has no log in memory."""
    words: tuple[str, ...] = ("--watch", "2") if kernel == TEACHING else ("-c", "dmesg")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "run.json"
        done = pvhdbg("dump", KERNELS[kernel](), "--vmm", vmm, "--stage", "e820", "-o", path, *words)
        run = replay.load(path)
    watched = run.outcome.watched
    return Seen(run, done.out if watched is None else "\n".join((*watched.serial, "")))


def _wrong_map(seen: Seen, vmm: str) -> str | None:
    logged = bios_e820.ranges(seen.log.encode())
    passed = [*_passed(seen, vmm), ISA_RANGE]
    edges = {edge for start, size, _ in (*passed, *logged) for edge in (start, start + size)}
    differing = [hex(edge) for edge in sorted(edges) if type_at(passed, edge) != type_at(logged, edge)]
    if seen.run.outcome.reached != "e820" or len(logged) < 3:
        return f"reached {seen.run.outcome.reached}, and the log has {len(logged)} ranges"
    return f"the types at {', '.join(differing)} differ" if differing else None


def _passed(seen: Seen, vmm: str) -> list[Range]:
    """Return the VMM's map: that of its profile, or what QEMU has handed over."""
    layout = table.profile(vmm).layout
    if layout is not None:
        return [(entry.addr, entry.size, entry.type) for entry in layout.memory_map(Boot(RAM, 33, None))]
    records = seen.run.stops[0].memory_map
    return [(entry.addr, entry.size, entry.type) for entry in decode_entries(records.entries if records else ())]


def type_at(ranges: Iterable[Range], address: int) -> int:
    """Return the type of a byte: Linux prefers the larger number where ranges overlap."""
    return max((kind for start, size, kind in ranges if start <= address < start + size), default=0)


def _wrong_death(seen: Seen, vmm: str) -> str | None:
    end: Any = seen.run.outcome
    first = next((it.code for it in check_run(seen.run).all if it.severity == ERROR), None)
    found = (end.reached, end.ended, first)
    return None if found == ("prepare", "died", FIRST_ERROR[vmm]) else f"{found}"


def _wrong_default(seen: Seen, _vmm: str) -> str | None:
    """Return what is wrong if the kernel does not use its default map, which Linux prints as BIOS-e801 or BIOS-88."""
    params = next((stop.boot_params for stop in seen.run.stops if stop.stage == "bootparams"), None)
    count = None if params is None else params.e820_entries
    is_default = "BIOS-e801:" in seen.log or "BIOS-88:" in seen.log
    return None if count == 1 and is_default else f"e820_entries is {count}, default map: {is_default}"


def main() -> int:
    boots = [(kernel, vmm) for kernel in KERNELS for vmm in table.NAMES]
    failed = 0
    for kernel, vmm in boots:
        try:
            wrong = deviation(kernel, vmm)
        except kernels.MissingError as error:
            wrong = str(error)
        failed += wrong is not None
        sys.stdout.write(f"{kernel:<9} {vmm:<17} {foreseen(kernel, vmm) if wrong is None else f'WRONG: {wrong}'}\n")
        sys.stdout.flush()
    sys.stdout.write(f"{len(boots)} boots, {failed} not as foreseen\n")
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main())
