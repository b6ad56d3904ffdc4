"""What a user without pvhdbg does: QEMU by hand, stock gdb with the debug vmlinux, and a list of print commands.

    python -m tests.benchmarks.stock_gdb VMLINUX

It prints the same structures, at the same stops, as `dump --stage bootparams` without the entry.
"""

import subprocess
import sys

from tests.benchmarks.floor import booting

LINES = (
    *("set pagination off", "set confirm off", "hbreak xen_prepare_pvh", "continue", "print/x pvh_start_info"),
    "print *(struct hvm_memmap_table_entry *)pvh_start_info.memmap_paddr@pvh_start_info.memmap_entries",
    *("x/s pvh_start_info.cmdline_paddr", "finish", "print/x pvh_bootparams.hdr", "print pvh_bootparams.e820_entries"),
    "print/x pvh_bootparams.e820_table[0]@pvh_bootparams.e820_entries",
)


def main() -> None:
    vmlinux = sys.argv[1]
    with booting(vmlinux) as stub:
        words = [word for line in (f"target remote {stub}", *LINES) for word in ("-ex", line)]
        subprocess.run(["gdb", "-nx", "-q", "-batch", *words, vmlinux], check=True)


if __name__ == "__main__":
    main()
