"""How long until the first screen with decoded data of a kernel with all its debug information stands.

    python -m tests.benchmarks.first_frame [VMLINUX] [--against SCRIPT] [--times N]

Without VMLINUX, Debian's 6.1. SCRIPT is a Python program that gets VMLINUX and does the least that any tool must: both
are run in turn by this interpreter, and the ratio of their medians is printed; exit status 1 if it is above 2.2.
"""

import argparse
import fcntl
import os
import pty
import signal
import statistics
import struct
import subprocess
import sys
import tempfile
import termios
import time
from pathlib import Path

from tests import kernels

LIMIT = 2.2
SIZE = (40, 120)
DECODED = b"0x336ec578"
AROUND = b"stopped at prepare"
"""The last line of the frame that is surely drawn after the magic."""


def first_frame(vmlinux: Path) -> float:
    """Seconds from the start of the process until the decoded magic and the run state are on the terminal."""
    start = time.perf_counter()
    process, terminal = pty.fork()
    if process == 0:
        fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", *SIZE, 0, 0))
        os.execv(sys.executable, [sys.executable, "-m", "pvhdbg", str(vmlinux)])
    shown = b""
    while not (DECODED in shown and AROUND in shown):
        shown += os.read(terminal, 65536)
    took = time.perf_counter() - start
    os.kill(process, signal.SIGKILL)
    os.waitpid(process, 0)
    os.close(terminal)
    return took


def against(script: Path, vmlinux: Path) -> float:
    start = time.perf_counter()
    subprocess.run([sys.executable, str(script), str(vmlinux)], check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - start


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("vmlinux", type=Path, nargs="?")
    parser.add_argument("--against", type=Path, metavar="SCRIPT")
    parser.add_argument("--times", type=int, default=15, metavar="N")
    options = parser.parse_args()
    vmlinux = options.vmlinux or kernels.vmlinux("6.1")
    ours, theirs = [], []
    with tempfile.TemporaryDirectory() as folder:
        os.environ.update(TERM="xterm-256color", XDG_STATE_HOME=folder)
        for _ in range(options.times + 1):  # the first one warms up
            ours.append(first_frame(vmlinux))
            if options.against:
                theirs.append(against(options.against, vmlinux))
    return report(ours[1:], theirs[1:])


def report(ours: list[float], theirs: list[float]) -> int:
    _line("first frame", ours)
    if not theirs:
        return 0
    _line("the floor", theirs)
    ratio = statistics.median(ours) / statistics.median(theirs)
    print(f"ratio of the medians {ratio:.2f}, at most {LIMIT}")
    return int(ratio > LIMIT)


def _line(name: str, seconds: list[float]) -> None:
    print(f"{name:12} median {statistics.median(seconds) * 1000:6.1f} ms   best {min(seconds) * 1000:6.1f} ms")


if __name__ == "__main__":
    sys.exit(main())
