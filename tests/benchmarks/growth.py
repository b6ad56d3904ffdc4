"""How the CPU time grows with the input: 1.0 is linear, and less is better.

    python -m tests.benchmarks.growth

Each value is the growth of the time divided by the growth of the input, the median of several measurements in turn.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from pvhdbg.boot.record.document import Document
from pvhdbg.boot.stop.kernel_probe import SymbolsAndStrings
from pvhdbg.boot.stop.read import read_capture
from pvhdbg.checks.run import check_run
from pvhdbg.image.debug_info.symbols import Symbols
from pvhdbg.image.facts import read_facts
from pvhdbg.image.preflight import Machine, preflight_file
from pvhdbg.target.recording import Recording
from pvhdbg.views.report import run_text
from pvhdbg.views.to_json import document_json
from tests import build
from tests.image.builder import Symbol, elf, load, note, notes, symbol_sections
from tests.live.runs import started

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pvhdbg.image.facts import ImageFacts

TIMES = 5
MAP_ENTRIES, MODULES = (1024, 16_384), (256, 4096)
"""The larger number is the largest that pvhdbg reads."""
FILE_SIZES = (64 << 20, 1 << 30)
STOPS = (1000, 10_000)
TABLE = 0x4000000


def measure() -> Iterator[tuple[str, float]]:
    """Yield the growth for each kind of input, with its name."""
    yield _name("map entries", MAP_ENTRIES), _growth(with_map, MAP_ENTRIES)
    yield _name("modules", MODULES), _growth(with_modules, MODULES)
    with tempfile.TemporaryDirectory() as folder:
        sizes = FILE_SIZES[0] >> 20, FILE_SIZES[1] >> 20
        yield _name("MiB of kernel file", sizes), _growth(partial(with_file, Path(folder)), FILE_SIZES)
    yield _name("stops", STOPS), per_stop(*STOPS)


def _name(what: str, sizes: tuple[int, int]) -> str:
    return f"growth: {sizes[0]:,} to {sizes[1]:,} {what}"


def _growth(prepare: Callable[[int], Callable[[], object]], sizes: tuple[int, int]) -> float:
    """Return how much more time each part of the larger input takes than each part of the smaller one."""
    small, large = map(prepare, sizes)
    pairs = [(_cpu_time(small), _cpu_time(large)) for _ in range(TIMES + 1)]  # the first one warms up
    return statistics.median(second / first for first, second in pairs[1:]) / (sizes[1] / sizes[0])


def _cpu_time(run: Callable[[], object]) -> float:
    start = time.process_time()
    run()
    return time.process_time() - start


def with_map(count: int) -> Callable[[], Document]:
    ranges = [(number << 24, 1 << 23, 1 + number % 5) for number in range(count)]
    info = {"memmap_paddr": TABLE, "memmap_entries": count}
    return _decode(build.memmap(ranges), info)


def with_modules(count: int) -> Callable[[], Document]:
    modules = [((1 << 30) + (number << 16), 0x8000, 0, 0) for number in range(count)]
    info = {"modlist_paddr": TABLE, "nr_modules": count, "memmap_paddr": build.MEMMAP, "memmap_entries": len(build.MAP)}
    return _decode(build.modlist(*modules), info)


def _decode(table: bytes, info: dict[str, int]) -> Callable[[], Document]:
    """Return what captures a machine with this table, checks the run, and makes the report and the JSON."""
    machine, others = build.linux_guest(), build.boot()
    machine.put(build.START_INFO, build.start_info(cmdline_paddr=build.CMDLINE, **info))
    machine.put(TABLE, table)
    target = Recording(machine.memory.ranges(), machine.registers, machine.symbols)

    def run() -> Document:
        entry = read_capture(target, "entry", machine.image, build.START_INFO)
        later = (stop._replace(memory_map=entry.memory_map, modules=entry.modules) for stop in others.stops[1:])
        document: Document = others._replace(stops=(entry, *later))
        check_run(document)
        document_json.dumps(document)
        run_text.document(document)
        return document

    return run


def with_file(folder: Path, size: int) -> Callable[[], ImageFacts]:
    """Return what examines a sparse kernel file of this size, which one segment fills."""
    path = folder / f"kernel-{size}"
    segments = [notes(note()), load(filesz=size >> 1, memsz=size >> 1)]
    path.write_bytes(elf(segments, symbol_sections([Symbol("xen_prepare_pvh", 0x1000000)])))
    with path.open("r+b") as file:
        file.truncate(size)

    def run() -> ImageFacts:
        image = read_facts(str(path))
        with closing(Symbols(str(path))) as symbols:
            preflight_file(image, Machine("microvm", b"", 512 << 20, None), symbols)
            SymbolsAndStrings(symbols, image).prefetch()
        return image

    return run


def per_stop(early: int, late: int) -> float:
    """Return how much longer the last tenth of `late` stops takes than the first `early` ones."""
    with started() as debuggee:
        debuggee.to_stage("entry")
        times = [_cpu_time(lambda: debuggee.resume("stepi")) for _ in range(late)]
    return statistics.median(times[-early:]) / statistics.median(times[:early])


def main() -> None:
    for name, growth in measure():
        print(f"{name:<50} {growth:.2f}", flush=True)


if __name__ == "__main__":
    main()
