"""A program like pvhdbg: boot the teaching guest and let it run until a signal ends this process.

It prints its folder before it starts anything, then "ready" and "running".
"""

import sys

from pvhdbg import guest
from pvhdbg.cli import raise_again
from pvhdbg.live.debuggee.own_machine import OwnMachine
from pvhdbg.live.qemu.options import QemuOptions
from pvhdbg.live.system.signals import exit_on_signals


def report(word: str) -> None:
    """Print a line at once: this process may be killed next."""
    sys.stdout.write(f"{word}\n")
    sys.stdout.flush()


def drive() -> None:
    """Boot the guest, stop at its entry, and let it run until this process is killed."""
    with exit_on_signals(), OwnMachine() as machine:
        report(str(machine.folder))
        machine.boot(QemuOptions(str(guest.ELF)))
        machine.wait_ready()
        report("ready")
        machine.runner.run_to([0x1000000], 30)
        report("running")
        machine.runner.run_to([0x10], 3600)


if __name__ == "__main__":
    sys.unraisablehook = raise_again
    try:
        drive()
    except KeyboardInterrupt:
        sys.exit(130)
