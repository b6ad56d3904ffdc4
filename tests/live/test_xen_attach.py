"""A machine with a real Xen that pvhdbg did not start: attached to by pvhdbg, and by a stock gdb."""

from __future__ import annotations

import gzip
import json
import re
from typing import TYPE_CHECKING

import pytest

from pvhdbg import guest
from pvhdbg.boot.stop import stages
from pvhdbg.live.qemu import xen
from tests.cli.shell import Run, pvhdbg, wait_for
from tests.in_gdb import stock
from tests.in_gdb.booted import stages_of
from tests.live.foreign import Foreign

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_IN_XEN = "the CPU executes Xen, not the kernel"
_ENDED = "Xen has ended dom0 and halted the machine"


@pytest.fixture
def qemu(xen_hypervisor: Path, tmp_path: Path) -> Iterator[Foreign]:
    """A QEMU at its reset vector, in which Xen will start the teaching guest as its dom0."""
    elf = tmp_path / "xen"
    elf.write_bytes(gzip.decompress(xen_hypervisor.read_bytes()))
    options = xen.arguments(xen.XenImage(str(xen_hypervisor), str(elf)), str(guest.ELF), None, xen.DEFAULT_APPEND)
    machine = ("-M", xen.MACHINE, "-cpu", xen.CPU, "-m", xen.DEFAULT_MEMORY, "-net", "none")
    serial = ("-serial", f"file:{tmp_path}/console")
    foreign = Foreign(tmp_path, *machine, "-accel", "tcg", *options, *serial, "-no-reboot", "-S")
    yield foreign
    foreign.process.kill()
    foreign.process.wait()


def attach(qemu: Foreign, *lines: str) -> Run:
    return pvhdbg(
        "attach", qemu.stub, guest.ELF, "--timeout", "120", *(word for line in lines for word in ("-c", line))
    )


def test_attach_shows_xen_then_all_stages_then_the_end(qemu: Foreign, tmp_path: Path) -> None:
    qemu.ask("cont")
    wait_for(lambda: b"Xen version" in (tmp_path / "console").read_bytes(), 120)
    qemu.ask("stop")
    path, outputs = tmp_path / "dom0.json", [""]
    done = attach(qemu, "info", "run-to e820", f"dump {path}", "check @entry")
    assert _IN_XEN in done.out
    assert "xen: the machine executes Xen" in done.out

    stops = json.loads(path.read_text())["stops"]
    assert (0, list(stages.NAMES)) == (done.status, [stop["stage"] for stop in stops]), done.err
    assert stops[2]["hypercall"]["nr_entries"] == len(stops[2]["memory_map"]["entries"])
    assert "i PVH102" in done.out
    assert not re.search("^  [X!] ", done.out, re.MULTILINE)  # neither an error nor a warning
    assert 1 == done.err.count("gdb's own commands")

    while _ENDED not in outputs[-1]:
        done = attach(qemu)
        outputs.append(done.out + done.err)
    assert re.search(r"domain crash at 0xffffffff81\w{6} halt\+0x\w+: Xen has ended dom0", outputs[-1])
    assert "last stage reached: e820" in outputs[-1]
    assert "X PVH102" not in outputs[-1]
    assert not any("the kernel in memory is not" in output for output in outputs)


def test_a_stock_gdb_reaches_all_stages(qemu: Foreign, tmp_path: Path) -> None:
    qemu.status()
    machine = stock.Machine(str(qemu.stub), qemu.process)
    stops = [f"pvh run-to {stage}" for stage in stages.NAMES]
    output = stock.pvh(tmp_path, machine, *stops, "pvh memmap @bootparams", symbols=guest.ELF)

    assert [] == output.errors
    assert list(stages.NAMES) == stages_of(output)[: len(stages.NAMES)]
    assert "memory map (hypercall)" in output.texts[5]
    assert 1 == sum(text.count("gdb's own commands") for text in output.texts)
