"""`pvhdbg attach` to a guest that has died, or that has passed its stages."""

from __future__ import annotations

import re
import subprocess
from typing import TYPE_CHECKING

import pytest

from tests import cpio
from tests.cli.shell import pvhdbg, wait_for
from tests.in_gdb import stock

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.cli.shell import Run

WITHOUT_LONG_MODE = (*stock.TCG, "-cpu", "qemu32")
NO_MAP = ("run-to entry", "set start_info.version 0")
Q35 = ("-machine", "q35", "-accel", "tcg", "-cpu", "max", "-no-shutdown")
INIT = """
.globl _start
_start: mov $1, %eax; mov $1, %edi; lea text(%rip), %rsi; mov $6, %edx; syscall
sleep: mov $34, %eax; syscall; jmp sleep
text: .ascii "READY\\n"
"""


def finding_lines(text: str, *codes: str) -> list[str]:
    """Return the errors with these codes, each with its wrapped lines as one line."""
    joined = re.sub(r"\n {12}", " ", text)
    return [line.strip() for line in joined.splitlines() if re.match(rf"\s*X ({'|'.join(codes)}) ", line)]


def kill_guest(folder: Path, machine: stock.Machine) -> None:
    """Run the guest until it is dead, and leave it."""
    stock.gdb(folder, f"target remote {machine.where}", "continue", "disconnect")


def without_cpu_name(finding: str) -> str:
    """Return a finding without the CPU model, which only pvhdbg's own QEMU command line has."""
    return finding.replace(" (qemu32)", "")


def test_a_death_before_attaching_is_explained_in_the_words_of_check(vmlinux_61: Path, tmp_path: Path) -> None:
    checked = pvhdbg("check", vmlinux_61, "--cpu", "qemu32")
    with stock.qemu(tmp_path, vmlinux_61, *WITHOUT_LONG_MODE) as machine:
        kill_guest(tmp_path, machine)
        attached = pvhdbg("attach", machine.where, vmlinux_61)
        listed = pvhdbg("attach", machine.where, vmlinux_61, "-c", "check", "-c", "info")
        gdb = stock.pvh(tmp_path, machine, "pvh info", "pvh check", symbols=vmlinux_61)

    wanted = list(map(without_cpu_name, finding_lines(checked.out, "PVH911", "PVH900")))

    assert 2 == len(wanted)
    assert (1, wanted) == (attached.status, finding_lines(attached.out, "PVH911", "PVH900"))
    assert (1, wanted) == (listed.status, finding_lines(listed.out, "PVH911", "PVH900"))
    assert wanted == finding_lines(gdb.last, "PVH911", "PVH900")
    assert "== info\ndied: " in listed.out
    assert gdb.texts[0].startswith("died: ")
    assert checked.err == attached.err


def test_a_bug_before_attaching_is_explained_from_the_kernels_copy_of_start_info(
    vmlinux_61: Path, tmp_path: Path
) -> None:
    checked = pvhdbg("check", vmlinux_61, "--set", "start_info.version=0")
    recording = tmp_path / "dead.json"
    with stock.qemu(tmp_path, vmlinux_61) as machine:
        pvhdbg("attach", machine.where, vmlinux_61, "-c", NO_MAP[0], "-c", NO_MAP[1])
        kill_guest(tmp_path, machine)
        attached = pvhdbg("attach", machine.where, vmlinux_61)
        pvhdbg("attach", machine.where, vmlinux_61, "-c", f"dump {recording}")
    shown = pvhdbg("show", recording)

    wanted = finding_lines(checked.out, "PVH901", "PVH900")

    assert 2 == len(wanted)
    assert (1, wanted) == (attached.status, finding_lines(attached.out, "PVH901", "PVH900"))
    assert wanted == finding_lines(shown.out, "PVH901", "PVH900")
    assert checked.err == attached.err


class FinishedBoot:
    """A Linux whose init runs. `log` is what its serial console printed."""

    def __init__(self, machine: stock.Machine, kernel: Path, log: str) -> None:
        self.machine = machine
        self.kernel = kernel
        self.log = log

    def attach(self, *lines: str) -> Run:
        return pvhdbg("attach", self.machine.where, self.kernel, *(word for line in lines for word in ("-c", line)))


@pytest.fixture(scope="module")
def finished(vmlinux_61: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[FinishedBoot]:
    folder = tmp_path_factory.mktemp("finished")
    with stock.qemu(folder, vmlinux_61, *Q35, *init_options(folder)) as machine:
        yield FinishedBoot(machine, vmlinux_61, run_to_init(folder, machine))


def init_options(folder: Path) -> tuple[str, ...]:
    """Return QEMU's options for an init that prints READY and sleeps, and for a log of the console."""
    source, init, initrd = folder / "init.s", folder / "init", folder / "initrd"
    source.write_text(INIT)
    subprocess.run(["gcc", "-nostdlib", "-static", "-o", init, source], check=True)
    initrd.write_bytes(cpio.archive([("init", init.read_bytes())]))
    return "-initrd", str(initrd), "-serial", f"file:{folder / 'log'}", "-append", "console=ttyS1"


def run_to_init(folder: Path, machine: stock.Machine) -> str:
    """Let the guest run until its init has printed READY, and return the log."""
    stock.gdb(folder, f"target remote {machine.where}", "detach")
    log = folder / "log"
    wait_for(lambda: "READY" in log.read_text("latin-1"))
    return log.read_text("latin-1")


def test_what_a_finished_boot_still_holds_is_shown_and_the_rest_has_a_reason(finished: FinishedBoot) -> None:
    done = finished.attach()

    assert "Freeing unused kernel image (initmem)" in finished.log
    assert (0, "") == (done.status, done.err)
    assert re.match(r"/.*vmlinux.*\n  Linux .*, build-id .*\n  QEMU .*\nunseen: ", done.out)
    assert 1 == done.out.count("\n  boot_params at 0x")
    assert 1 == done.out.count("\n  e820_table at 0x")
    assert 1 == done.out.count("\n  command line at 0x")
    assert ["start_info", "pvh_start_info", "modules, memory_map", "pvh_bootparams"] == re.findall(
        r"^  ([a-z_, 2]+): missing, ", done.out, re.MULTILINE
    )


def test_the_e820_table_of_a_finished_boot_has_the_ram_that_the_kernel_logged(finished: FinishedBoot) -> None:
    done = finished.attach("e820")
    logged = re.findall(r"BIOS-e820: \[mem (0x[0-9a-f]+)-(0x[0-9a-f]+)\] usable", finished.log)
    ram = re.findall(r"(0x[0-9a-f]+)-(0x[0-9a-f]+) +[0-9.]+ [KMG]iB  RAM$", done.out, re.MULTILINE)

    # Linux reserves the first page.
    assert [int(end, 16) + 1 for _, end in logged] == [int(end, 16) for _, end in ram]
    assert [(0x1000 if start == "0x0000000000000000" else int(start, 16)) for start, _ in logged] == [
        int(start, 16) for start, _ in ram
    ]


def test_the_command_line_of_a_finished_boot_is_the_one_that_the_kernel_logged(finished: FinishedBoot) -> None:
    done = finished.attach("cmdline")
    logged = re.search(r"Kernel command line: (.*)", finished.log)

    assert logged is not None
    assert logged[1].strip() == done.out.splitlines()[1].strip()


def test_the_picture_of_a_finished_boot_is_drawn_from_its_e820_table(finished: FinishedBoot) -> None:
    done = finished.attach("map", "start-info")

    assert "; the types are those in e820_table:\n" in done.out
    assert "k kernel " in done.out
    assert "\npvh_start_info: " in done.out
