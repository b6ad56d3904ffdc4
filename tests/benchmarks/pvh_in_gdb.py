"""Measure how long `pvh` commands take inside gdb, for a kernel with full debug information.

    python -m tests.benchmarks.pvh_in_gdb [VMLINUX]

VMLINUX defaults to Debian's Linux 6.1. For each command, the time of the first call, and the median and the maximum of
the other calls are printed. The exit status is 1 if the median of `pvh info` is above 20 ms.
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from tests import kernels
from tests.in_gdb import stock

LIMIT_MS = 20.0
TIMES = 50
LINES = ("pvh info", "pvh start-info", "pvh map", "pvh check", "pvh stages", "p $pvh_start_info()", "p pvh_start_info")


def measure(vmlinux: Path, folder: Path) -> dict[str, list[float]]:
    """Return the milliseconds of each call, by command. The machine is at stage prepare; no pvh command has run yet."""
    with stock.qemu(folder, vmlinux) as machine:
        lines = (
            *(f"target remote {machine.where}", "hbreak xen_prepare_pvh", "continue"),
            f"source {stock.SCRIPT}",
        )
        script = [word for line in lines for word in ("-ex", line)]
        call = ["gdb", "-nx", "-batch", str(vmlinux), *script, "-x", str(Path(__file__).with_name("timed_in_gdb.py"))]
        environment = {**os.environ, "COMMANDS": json.dumps(LINES), "TIMES": str(TIMES)}
        done = subprocess.run(call, cwd=folder, env=environment, check=True, capture_output=True, text=True)
    seconds = json.loads(next(line for line in done.stdout.splitlines() if line.startswith("{")))
    return {line: [1000 * call for call in calls] for line, calls in seconds.items()}


def main() -> int:
    vmlinux = Path(sys.argv[1]).resolve() if len(sys.argv) > 1 else kernels.vmlinux("6.1")
    with tempfile.TemporaryDirectory() as folder:
        timings = measure(vmlinux, Path(folder))
    print(f"{vmlinux}: {vmlinux.stat().st_size >> 20} MiB, {TIMES} calls each, in ms")
    print(f"{'':24}{'first':>8}{'median':>8}{'slowest':>8}")
    for line, (first, *rest) in timings.items():
        print(f"{line:24}{first:8.1f}{statistics.median(rest):8.1f}{max(rest):8.1f}")
    return int(statistics.median(timings["pvh info"][1:]) > LIMIT_MS)


if __name__ == "__main__":
    sys.exit(main())
