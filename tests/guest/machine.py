"""The teaching guest in a QEMU of its own, and stock gdb beside it: nothing of pvhdbg's in between."""

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
"""Bytes read from pvh_bootparams on: the page, and what a long map writes behind it."""

QEMU = ("qemu-system-x86_64", "-display", "none", "-nodefaults", "-serial", "file:serial", "-no-reboot", "-m", "256M")
GDB = ("gdb", "-nx", "-batch", "-ex", "set pagination off", "-ex", "set debuginfod enabled off")
FIND_SOURCE = ("-ex", f"set substitute-path {COMPILED_IN} {SOURCE}")

# Up to the stop that tells how it went: the return of xen_prepare_pvh, or the guest's end.
UP_TO_BOOTPARAMS = (
    *("delete", "hbreak xen_prepare_pvh", "continue", "delete"),
    *("hbreak **(unsigned long *)$rsp", "continue", "x/i $pc", "info symbol $pc"),
    # Through the kernel map, which is there before and after.
    f"dump binary memory params (char*)&pvh_bootparams (char*)&pvh_bootparams+{PARAMS_READ}",
    "detach",
)


class Rewritten(NamedTuple):
    """How a boot went whose start_info was written by the test."""

    stopped_at: str
    params: bytes
    lines: list[str]


def boot(folder: Path, *args: str, elf: Path = ELF) -> list[str]:
    """Boot to the last line; what the guest wrote on its serial console."""
    with qemu(folder, "-kernel", str(elf), *args) as process:
        wait_for(lambda: LAST_LINE in serial(folder) or process.poll() is not None)
    return serial(folder)


def boot_rewritten(folder: Path, start_info: bytes, memory: Mapping[int, bytes]) -> Rewritten:
    """Boot, and at the entry put `start_info` where EBX points and `memory` at its physical addresses."""
    stub = ("-S", "-gdb", "unix:stub,server=on,wait=off")
    with qemu(folder, "-M", "microvm", "-no-shutdown", *stub, "-kernel", str(ELF)):
        wait_for((folder / "stub").exists)
        told = gdb(folder, *at_the_entry(folder, start_info, memory), *UP_TO_BOOTPARAMS)
        lives = "ud2" not in told and "signal SIGQUIT" not in told
        wait_for(lambda: not lives or LAST_LINE in serial(folder))
    return Rewritten(told, (folder / "params").read_bytes(), serial(folder))


def at_the_entry(folder: Path, start_info: bytes, memory: Mapping[int, bytes]) -> Iterator[str]:
    """What gdb must do for it; paging is off there, so every address is physical."""
    yield from ("target remote stub", "hbreak *(unsigned long)&phys_pvh_start_xen", "continue")
    pieces = {"$rbx": start_info} | {hex(at): content for at, content in memory.items()}
    for where, content in pieces.items():
        (folder / f"at-{where}").write_bytes(content)
        yield f"restore at-{where} binary {where}"


def gdb(folder: Path, *commands: str) -> str:
    """Run stock gdb over the guest's ELF; all that it says."""
    call = [*GDB, *FIND_SOURCE, str(ELF), *(word for command in commands for word in ("-ex", command))]
    done = subprocess.run(
        call, cwd=folder, check=False, text=True, stdin=subprocess.DEVNULL, stdout=-1, stderr=-2, timeout=120
    )
    return done.stdout


@contextmanager
def qemu(folder: Path, *args: str) -> Iterator[subprocess.Popen[bytes]]:
    """Run QEMU for as long as the block runs."""
    with subprocess.Popen([*QEMU, *args], cwd=folder, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            yield process
        finally:
            process.kill()


def serial(folder: Path) -> list[str]:
    """What the guest has written so far, line by line."""
    path = folder / "serial"
    return path.read_text("latin-1").splitlines() if path.exists() else []


def wait_for(done: Callable[[], bool], seconds: float = 60) -> None:
    """Wait until it is so. :raise TimeoutError: if that takes longer."""
    deadline = time.monotonic() + seconds
    while not done():
        if time.monotonic() > deadline:
            raise TimeoutError
        time.sleep(0.02)
