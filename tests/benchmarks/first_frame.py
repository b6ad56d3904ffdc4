"""Measure the time to the first screen with decoded data, for a kernel with full debug information.

    python -m tests.benchmarks.first_frame [VMLINUX] [--against SCRIPT] [--times N]

VMLINUX defaults to Debian's Linux 6.1. SCRIPT is a Python program that takes VMLINUX as its argument and does only what
any debugger of this kind must do. pvhdbg and SCRIPT run alternately with this interpreter, and the ratio of their
medians is printed. The exit status is 1 if the ratio is above 2.2.
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
STOPPED = b"stopped at prepare"
"""A line of the screen that is drawn after the magic."""


def first_frame(vmlinux: Path) -> float:
    """Return the seconds from the start of pvhdbg until the decoded magic and the run state are on the screen."""
    start = time.perf_counter()
    process, terminal = pty.fork()
    if process == 0:
        fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", *SIZE, 0, 0))
        os.execv(sys.executable, [sys.executable, "-m", "pvhdbg", str(vmlinux)])
    output = b""
    while not (DECODED in output and STOPPED in output):
        output += os.read(terminal, 65536)
    took = time.perf_counter() - start
    os.kill(process, signal.SIGKILL)
    os.waitpid(process, 0)
    os.close(terminal)
    return took


def baseline(script: Path, vmlinux: Path) -> float:
    """Return how many seconds the script takes."""
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
    frames, baselines = [], []
    with tempfile.TemporaryDirectory() as folder:
        os.environ.update(TERM="xterm-256color", XDG_STATE_HOME=folder)
        for _ in range(options.times + 1):  # the first one warms up
            frames.append(first_frame(vmlinux))
            if options.against:
                baselines.append(baseline(options.against, vmlinux))
    return report(frames[1:], baselines[1:])


def report(frames: list[float], baselines: list[float]) -> int:
    """Print the results; return the exit status."""
    _print_line("first frame", frames)
    if not baselines:
        return 0
    _print_line("baseline", baselines)
    ratio = statistics.median(frames) / statistics.median(baselines)
    print(f"ratio of the medians {ratio:.2f} (limit {LIMIT})")
    return int(ratio > LIMIT)


def _print_line(name: str, seconds: list[float]) -> None:
    print(f"{name:12} median {statistics.median(seconds) * 1000:6.1f} ms   best {min(seconds) * 1000:6.1f} ms")


if __name__ == "__main__":
    sys.exit(main())
