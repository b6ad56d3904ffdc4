"""What a user without pvhdbg does: QEMU by hand, stock gdb with the debug vmlinux, and a list of print commands.

    python tests/benchmarks/stock_gdb.py VMLINUX

It prints the same structures, at the same stops, as `dump --stage bootparams` without the entry.
"""

import socket
import subprocess
import sys
import tempfile
from pathlib import Path

LINES = (
    *("set pagination off", "set confirm off", "hbreak xen_prepare_pvh", "continue", "print/x pvh_start_info"),
    "print *(struct hvm_memmap_table_entry *)pvh_start_info.memmap_paddr@pvh_start_info.memmap_entries",
    *("x/s pvh_start_info.cmdline_paddr", "finish", "print/x pvh_bootparams.hdr", "print pvh_bootparams.e820_entries"),
    "print/x pvh_bootparams.e820_table[0]@pvh_bootparams.e820_entries",
)


def main() -> None:
    vmlinux = sys.argv[1]
    with tempfile.TemporaryDirectory() as folder, socket.socket(socket.AF_UNIX) as listener:
        path = Path(folder, "gdb")
        listener.bind(str(path))
        listener.listen(1)
        stub = f"socket,id=stub,fd={listener.fileno()},server=on,wait=off"
        call = ["qemu-system-x86_64", "-nodefaults", "-no-user-config", "-display", "none", "-machine", "microvm"]
        call += ["-accel", "tcg", "-cpu", "max", "-m", "512M", "-kernel", vmlinux, "-append", "console=ttyS0"]
        call += ["-S", "-no-reboot", "-no-shutdown", "-chardev", stub, "-gdb", "chardev:stub"]
        qemu = subprocess.Popen(call, pass_fds=[listener.fileno()], stderr=subprocess.DEVNULL)
        try:
            words = [word for line in (f"target remote {path}", *LINES) for word in ("-ex", line)]
            subprocess.run(["gdb", "-nx", "-q", "-batch", *words, vmlinux], check=True)
        finally:
            qemu.kill()
            qemu.wait()


if __name__ == "__main__":
    main()
