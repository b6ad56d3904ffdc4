"""What pvhdbg does, without its shell: boot the teaching guest and let it run until somebody ends us.

It names its folder before anything is started, and then each of its children. `--kernel FILE` boots another.
"""

import sys

from pvhdbg import guest
from pvhdbg.live.debuggee.own_machine import OwnMachine
from pvhdbg.live.qemu.options import QemuOptions
from pvhdbg.live.system.signals import exit_on_signals


def tell(word: str) -> None:
    """Write it at once: we may be killed next."""
    sys.stdout.write(f"{word}\n")
    sys.stdout.flush()


def drive() -> None:
    """Start, stop at the entry, and run on for ever."""
    with exit_on_signals(), OwnMachine() as machine:
        tell(str(machine.folder))
        machine.boot(QemuOptions(str(guest.ELF)))
        machine.wait_ready()
        tell("ready")
        machine.runner.run_to([0x1000000], 30)
        tell("running")
        machine.runner.run_to([0x10], 3600)


if __name__ == "__main__":
    try:
        drive()
    except KeyboardInterrupt:
        sys.exit(130)
