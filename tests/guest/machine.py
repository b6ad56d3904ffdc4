"""Run the teaching guest with plain QEMU and gdb, without using pvhdbg's code."""

from __future__ import annotations

import subprocess
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

from pvhdbg.guest import COMPILED_IN, ELF, SOURCE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

LAST_LINE = "halting"
PARAMS_READ = 8192
"""The number of bytes to read at pvh_bootparams: the structure, and what a long map writes past its end."""

QEMU = ("qemu-system-x86_64", "-display", "none", "-nodefaults", "-serial", "file:serial", "-no-reboot", "-m", "256M")
GDB = ("gdb", "-nx", "-batch", "-ex", "set pagination off", "-ex", "set debuginfod enabled off")
FIND_SOURCE = ("-ex", f"set substitute-path {COMPILED_IN} {SOURCE}")

# Run to the return of xen_prepare_pvh, or to the guest's death, and dump the result.
RUN_TO_BOOTPARAMS = (
    *("delete", "hbreak xen_prepare_pvh", "continue", "delete"),
    *("hbreak **(unsigned long *)$rsp", "continue", "x/i $pc", "info symbol $pc"),
    # Read through the kernel map, which exists before and after the call.
    f"dump binary memory params (char*)&pvh_bootparams (char*)&pvh_bootparams+{PARAMS_READ}",
    "detach",
)


class RewrittenBoot(NamedTuple):
    """The result of a boot with a rewritten start_info: gdb's output, pvh_bootparams, and the lines on the console."""

    gdb_output: str
    params: bytes
    lines: list[str]


def boot(folder: Path, *args: str, elf: Path = ELF) -> list[str]:
    """Boot until the guest has printed its last line. Return the lines on the serial console."""
    with qemu(folder, "-kernel", str(elf), *args) as process:
        wait_for(lambda: LAST_LINE in serial(folder) or process.poll() is not None)
    return serial(folder)


def boot_rewritten(folder: Path, start_info: bytes, memory: Mapping[int, bytes]) -> RewrittenBoot:
    """Boot. At the entry, write `start_info` to the address in EBX, and the bytes of `memory` to their addresses."""
    stub = ("-S", "-gdb", "unix:stub,server=on,wait=off")
    with qemu(folder, "-M", "microvm", "-no-shutdown", *stub, "-kernel", str(ELF)):
        wait_for((folder / "stub").exists)
        output = gdb(folder, *rewrite_commands(folder, start_info, memory), *RUN_TO_BOOTPARAMS)
        is_alive = "ud2" not in output and "signal SIGQUIT" not in output
        wait_for(lambda: not is_alive or LAST_LINE in serial(folder))
    return RewrittenBoot(output, (folder / "params").read_bytes(), serial(folder))


def rewrite_commands(folder: Path, start_info: bytes, memory: Mapping[int, bytes]) -> Iterator[str]:
    """Yield the gdb commands that rewrite memory at the entry. Paging is off there, so all addresses are physical."""
    yield from ("target remote stub", "hbreak *(unsigned long)&phys_pvh_start_xen", "continue")
    pieces = {"$rbx": start_info} | {hex(paddr): content for paddr, content in memory.items()}
    for address, content in pieces.items():
        (folder / f"at-{address}").write_bytes(content)
        yield f"restore at-{address} binary {address}"


def gdb(folder: Path, *commands: str) -> str:
    """Run plain gdb on the guest's ELF file; return its output, with errors."""
    call = [*GDB, *FIND_SOURCE, str(ELF), *(word for command in commands for word in ("-ex", command))]
    done = subprocess.run(
        call, cwd=folder, check=False, text=True, stdin=subprocess.DEVNULL, stdout=-1, stderr=-2, timeout=120
    )
    return done.stdout


@contextmanager
def qemu(folder: Path, *args: str) -> Iterator[subprocess.Popen[bytes]]:
    """Run QEMU during the block."""
    with subprocess.Popen([*QEMU, *args], cwd=folder, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            yield process
        finally:
            process.kill()


def serial(folder: Path) -> list[str]:
    """Return the lines that the guest has printed on the serial console so far."""
    path = folder / "serial"
    return path.read_text("latin-1").splitlines() if path.exists() else []


def wait_for(done: Callable[[], bool], seconds: float = 60) -> None:
    """Wait until `done` returns True.

    :raise TimeoutError: if it does not within `seconds`.
    """
    deadline = time.monotonic() + seconds
    while not done():
        if time.monotonic() > deadline:
            raise TimeoutError
        time.sleep(0.02)
