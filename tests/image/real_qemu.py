"""The real QEMU, started on a crafted file: the judge of what notes and preflight say about it."""

import subprocess
from pathlib import Path

from tests.image.builder import EXIT_STATUS


def what_qemu_does(path: Path, machine: str) -> str:
    """Where the file's code was reached, how QEMU refused it, or the signal that QEMU died of."""
    options = ["-M", machine, "-m", "64", "-display", "none", "-nodefaults", "-no-reboot"]
    ending = ["-device", "isa-debug-exit,iobase=0x501,iosize=2"]
    call = ["qemu-system-x86_64", *options, *ending, "-kernel", str(path)]
    done = subprocess.run(call, check=False, capture_output=True, text=True, timeout=60)
    if done.returncode in EXIT_STATUS:
        return entered(EXIT_STATUS[done.returncode])
    return f"signal {-done.returncode}" if done.returncode < 0 else done.stderr


def entered(address: int | None) -> str:
    """What `what_qemu_does` says of code that was reached."""
    return "nowhere" if address is None else f"entered at {address:#x}"
