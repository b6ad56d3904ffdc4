"""How long `pvh` takes inside gdb on a kernel with all its debug information: 20 ms from the second call on, at most.

    python -m tests.benchmarks.pvh_in_gdb [VMLINUX]      without one, Debian's 6.1

Prints for each command the first call, the median and the slowest of the rest; exit status 1 if `pvh info` is too slow.
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
    """Milliseconds of each call, by line; the machine stands at `prepare`, and `pvh` is asked for the first time."""
    with stock.qemu(folder, vmlinux) as machine:
        lines = (
            *(f"target remote {machine.where}", "hbreak xen_prepare_pvh", "continue"),
            f"source {stock.SCRIPT}",
        )
        script = [word for line in lines for word in ("-ex", line)]
        call = ["gdb", "-nx", "-batch", str(vmlinux), *script, "-x", str(Path(__file__).with_name("timed_in_gdb.py"))]
        environment = {**os.environ, "ASKED": json.dumps(LINES), "TIMES": str(TIMES)}
        done = subprocess.run(call, cwd=folder, env=environment, check=True, capture_output=True, text=True)
    seconds = json.loads(next(line for line in done.stdout.splitlines() if line.startswith("{")))
    return {line: [1000 * each for each in calls] for line, calls in seconds.items()}


def main() -> int:
    vmlinux = Path(sys.argv[1]).resolve() if len(sys.argv) > 1 else kernels.vmlinux("6.1")
    with tempfile.TemporaryDirectory() as folder:
        found = measure(vmlinux, Path(folder))
    print(f"{vmlinux}: {vmlinux.stat().st_size >> 20} MiB, {TIMES} calls each, in ms")
    print(f"{'':24}{'first':>8}{'median':>8}{'slowest':>8}")
    for line, (first, *rest) in found.items():
        print(f"{line:24}{first:8.1f}{statistics.median(rest):8.1f}{max(rest):8.1f}")
    return int(statistics.median(found["pvh info"][1:]) > LIMIT_MS)


if __name__ == "__main__":
    sys.exit(main())
