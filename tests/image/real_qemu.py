"""Run the real QEMU with a crafted file, to verify the predictions of notes.py and preflight.py."""

import subprocess
from pathlib import Path

from tests.image.builder import EXIT_STATUS

RESET = "reset"
FIRMWARE = {"qboot": "qboot.rom", "seabios": "/usr/share/seabios/bios-microvm.bin"}
"""The file for -bios. Without a folder, bios-microvm.bin is qboot on Debian 12 and SeaBIOS on Debian 13."""


def run_qemu(path: Path, machine: str, firmware: str | None = None) -> str:
    """Return the entry that QEMU reached in the file, `reset`, QEMU's error output, or the signal that killed QEMU."""
    options = ["-M", machine, "-m", "64", "-display", "none", "-nodefaults", "-no-reboot"]
    if firmware is not None:
        options += ["-bios", FIRMWARE[firmware]]
    ending = ["-device", "isa-debug-exit,iobase=0x501,iosize=2"]
    call = ["qemu-system-x86_64", *options, *ending, "-kernel", str(path)]
    done = subprocess.run(call, check=False, capture_output=True, text=True, timeout=60)
    if done.returncode in EXIT_STATUS:
        return entered(EXIT_STATUS[done.returncode])
    if done.returncode < 0:
        return f"signal {-done.returncode}"
    return done.stderr or RESET  # a triple fault resets the machine, which ends QEMU because of -no-reboot


def entered(address: int | None) -> str:
    """Return the result of `run_qemu` for the case that the code at `address` runs."""
    return "nowhere" if address is None else f"entered at {address:#x}"
