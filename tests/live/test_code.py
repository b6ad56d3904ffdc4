"""The code that is shown where a real kernel stands."""

from __future__ import annotations

import re
from contextlib import contextmanager
from typing import TYPE_CHECKING

from pvhdbg.image.load import open_kernel
from pvhdbg.live import code
from pvhdbg.live.bench import Bench
from pvhdbg.live.qemu_options import QemuOptions
from pvhdbg.live.session import Session

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@contextmanager
def on_the_bench(vmlinux: Path, *args: str) -> Iterator[Bench]:
    options = QemuOptions(str(vmlinux), args=args)
    with Session() as session:
        kernel = open_kernel(str(vmlinux), session.folder)
        session.boot(options, kernel.symbols)
        session.wait_ready()
        yield Bench(session, kernel, options, 60)


def test_the_32_bit_code_of_the_entry_is_not_read_as_64_bit_code(vmlinux_61: Path) -> None:
    with on_the_bench(vmlinux_61) as bench:
        seen = code.at_rip(bench, bench.to_stage("bootparams").capture.cpu_mode)
    before = [each.text for each in seen.lines[: [each.current for each in seen.lines].index(True)]]

    assert ("mov    $0xc0000101,%ecx", "call   *%rax") == (before[0], before[-1])
    assert "(bad)" not in before
    assert seen.title.endswith("as gdb reads them in long64")


def test_of_a_stop_on_another_cpu_it_is_said_that_it_is_one(vmlinux_61: Path) -> None:
    with on_the_bench(vmlinux_61, "-smp", "2") as bench:
        bench.to_first_stop()
        bench.toggle_breakpoint(bench.session.target.symbol("start_secondary"))
        there = bench.resume("continue")
        told = bench.console("p $_thread", lambda: None).halt.message

    assert re.fullmatch("breakpoint [0-9]+ on another CPU", there.halt.message)
    assert told == there.halt.message
    assert there.symbol is not None
    assert not there.symbol.startswith("start_secondary")
